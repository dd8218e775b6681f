"""What an experiment says: the effects of changes that were tried, with intervals, in words that users read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: A gain whose interval lies above this is worth acting on: one point of accuracy.
WORTH = 0.01
#: An estimated gain above this forbids the word healthy, sure or not.
LARGE = 0.03


@dataclass(frozen=True)
class Effect:
    """One change that was tried or estimated.

    `gain`, `low` and `high` are shares of accuracy (0.01 is one point), with a 95 % interval; all None where there is
    no estimate. `fault`: something is plainly wrong, so that the other numbers can't be trusted until it is fixed.
    `severity`: a finding of the audit's, by how much of accuracy, in [0, 1], it can make a measured one too high or too
    low; it ranks where there is no gain. Not `certain`: it can, and nothing in the data tells whether it does.
    """

    cause: str
    gain: float | None
    low: float | None
    high: float | None
    evidence: str
    remedy: str
    fault: bool = False
    severity: float | None = None
    certain: bool = True

    @property
    def counts(self) -> bool:
        """Whether it is named as a cause: a fault, a gain whose interval lies above zero, or a finding of the audit's
        that can distort accuracy by more than a point."""
        return self.fault or (self.low is not None and self.low > 0) or self._severe

    @property
    def worth(self) -> bool:
        """Whether it speaks against calling the training healthy."""
        return self.fault or (self.low or 0.0) > WORTH or self._severe

    @property
    def possible(self) -> bool:
        """Whether it may matter, and is not sure to."""
        return not self.counts and max(self.gain or 0.0, self.severity or 0.0) > WORTH

    @property
    def _severe(self) -> bool:
        return self.certain and (self.severity or 0.0) > WORTH


@dataclass(frozen=True)
class Result:
    """What an experiment found: the answer to its question in words, the effects, and its numbers (JSON-ready)."""

    answer: str
    effects: tuple[Effect, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict)


class NothingToTry(Exception):
    """An experiment has nothing to try here; the message is the reason that users read."""
