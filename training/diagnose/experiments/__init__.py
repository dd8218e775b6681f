"""The experiments: one file each, found by walking this folder.

A file `name.py` adds the experiment `name`. It holds `QUESTION`; `RUNS`, its cost: how many runs of the recipe it takes
once, and for each seed; `PLACE`, its place in the order: what makes the others' numbers worthless first, then what is
likeliest; ``ALWAYS = True`` where it is made whatever the budget; and `run`, from a lab (`training.diagnose.lab`) to
what it found and the lab for those that follow. The causes that it may find, and the remedy of each, stand in the
effects that it returns.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imageclinic.training.diagnose.lab import Lab
    from imageclinic.training.diagnose.results import Result


@dataclass(frozen=True)
class Experiment:
    """A question, and how it is answered. `once` and `each`: runs of the recipe that it takes, and that it takes for
    each seed. `always`: whether it is made whatever the budget."""

    question: str
    place: int
    once: int
    each: int
    always: bool
    run: Callable[[Lab], tuple[Result, Lab]]

    def runs(self, seeds: int) -> int:
        """About how many runs of the recipe it takes."""
        return self.once + self.each * seeds


def load() -> dict[str, Experiment]:
    """All experiments by name, in their order."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        file = importlib.import_module(f"{__name__}.{module.name}")
        once, each = file.RUNS
        found[module.name] = Experiment(file.QUESTION, file.PLACE, once, each, getattr(file, "ALWAYS", False), file.run)
    return dict(sorted(found.items(), key=lambda item: item[1].place))
