"""Options that the Python API and the command line share: a field of a dataclass says an option's default, its help,
and which numbers it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any

from imageclinic.core.errors import InputError


@dataclass(frozen=True)
class Range:
    """The numbers that an option takes: from `least` to `most`, both included unless `above` (more than `least`) or
    `below` (less than `most`). Never NaN nor infinity. `whole`: integers only."""

    least: float
    most: float
    above: bool = False
    below: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        kind = Integral if self.whole else Real
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        number: Any = value
        return bool(
            (self.least < number if self.above else self.least <= number)
            and (number < self.most if self.below else number <= self.most)
        )

    def __str__(self) -> str:
        """``from 1 to 1,000``; ``above 0, up to 100``; ``from 0, below 1``."""
        upwards = f"above {_shown(self.least)}," if self.above else f"from {_shown(self.least)}"
        if self.below:
            return f"{upwards.rstrip(',')}, below {_shown(self.most)}"
        return f"{upwards} {'up to' if self.above else 'to'} {_shown(self.most)}"

    @property
    def in_words(self) -> str:
        """``a whole number from 1 to 1,000``."""
        return f"{'a whole number' if self.whole else 'a number'} {self}"

    def check(self, name: str, value: object) -> None:
        """Raises InputError, which names the option, when it does not take `value`. None, no number given, passes."""
        if value is not None and value not in self:
            raise InputError(f"{name.replace('_', ' ')} {value}", expected=self.in_words)


def _shown(number: float) -> str:
    return f"{number:,.12g}" if number == int(number) else f"{number:g}"


def whole(least: int, most: int) -> Range:
    """Integers from `least` to `most`."""
    return Range(least, most, whole=True)


#: What Keras and Optuna both take.
SEED = whole(0, 2**31 - 1)
#: Ports of a machine.
PORT = whole(0, 65_535)  # 0: one that is free
#: Right ones among the next 100 flags, below which reviewers stop.
STOP_BELOW = Range(0, 100, above=True)
#: Images that two persons must decide about.
TWO_REVIEWERS = whole(0, 100_000)
#: The share of a queue that is images with a known answer.
GOLD_RATE = Range(0, 0.5)
#: A share or a score.
SHARE = Range(0, 1)


def option(
    default: Any,
    help: str,
    numbers: Range | None = None,
    *,
    given_as: Any = None,
    **shown: Any,
) -> Any:
    """A field of a dataclass of options.

    Args:
        default: its default. None or empty: its help says what holds then.
        help: a phrase or two for ``--help``.
        numbers: of an option that is a number: which it takes.
        given_as: its type on the command line; None: that of the field.
        shown: how the command line shows it: further arguments of `typer.Option`, such as `metavar`.
    """
    ways = {"show_default": default not in (None, ()), **shown}
    return field(default=default, metadata={"help": help, "numbers": numbers, "type": given_as, "shown": ways})


class CheckedOptions:
    """A dataclass of options whose numbers are checked when it is made: raises InputError. None passes."""

    def __post_init__(self) -> None:
        options: Any = self
        for each in fields(options):
            if (numbers := each.metadata.get("numbers")) is not None:
                numbers.check(each.name, getattr(self, each.name))


def listed(names: Sequence[str]) -> str:
    """``a, b or c``."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
