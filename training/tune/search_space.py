"""What a hyperparameter search varies: ranges and choices, read from ``name=low:high`` and ``name=a,b,c``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import optuna

from imageclinic.core.errors import InputError
from imageclinic.training.models import optimizers
from imageclinic.training.models.augmentation_strengths import STRENGTHS
from imageclinic.training.models.rungs import LADDER
from imageclinic.training.option_ranges import BATCH, DROPOUT, PENALTY, RATE

Value: TypeAlias = float | int | str
_STEPS = 4  # points of a grid over a range


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `log`: on a logarithmic scale; `whole`: integers only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """A value for the trial."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def grid(self) -> list[Value]:
        """A few values, evenly spaced on the range's scale."""
        points = (np.geomspace if self.log else np.linspace)(self.low, self.high, _STEPS)
        if self.whole:
            return sorted({int(point) for point in np.round(points)})
        # Ends as they were written, and the others without digits that mean nothing.
        return [self.low, *(float(f"{point:.3g}") for point in points[1:-1]), self.high]


@dataclass(frozen=True)
class Choice:
    """One of these values."""

    values: tuple[Value, ...]

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """A value for the trial."""
        chosen: Any = trial.suggest_categorical(name, self.values)
        return chosen

    def grid(self) -> list[Value]:
        """All of them."""
        return list(self.values)


Space: TypeAlias = Mapping[str, Range | Choice]

#: Everything that can be searched, with what it is searched over unless asked otherwise.
KNOWN: dict[str, Range | Choice] = {
    "learning_rate": Range(1e-4, 3e-2, log=True),
    "batch_size": Choice((16, 32, 64, 128)),
    "optimizer": Choice(optimizers.OFFERED),
    "dropout": Range(0.0, 0.6),
    # What counts is its product with learning rate and steps: short runs take more than is usual.
    "weight_decay": Range(1e-4, 1.0, log=True),
    "augment": Choice(tuple(STRENGTHS)),
    "l1": Range(1e-7, 1e-3, log=True),
    "l2": Range(1e-7, 1e-2, log=True),
    "model": Choice(tuple(LADDER)),
}
#: What is searched when nothing is named. The penalties do what weight decay does, and a rung may cost ten times more.
USUAL = ("learning_rate", "batch_size", "optimizer", "dropout", "weight_decay", "augment")
_WHOLE = ("batch_size",)
#: The numbers that may be tried.
_NUMBERS = {
    "learning_rate": RATE,
    "batch_size": BATCH,
    "dropout": DROPOUT,
    "weight_decay": PENALTY,
    "l1": PENALTY,
    "l2": PENALTY,
}


def parse(over: Sequence[str]) -> dict[str, Range | Choice]:
    """The space that the user names.

    Args:
        over: each ``name`` (its usual range), ``name=low:high`` or ``name=a,b,c``; none: those in `USUAL`.

    Returns:
        Name → range or choice, in the order of `KNOWN`.

    Raises:
        InputError: an unknown or repeated name, or values that it can't take; says which it can.
    """
    found: dict[str, Range | Choice] = {}
    for text in over:
        name, given, values = (part.strip() for part in text.partition("="))
        name = name.replace("-", "_")
        if name not in KNOWN:
            raise InputError(f"--over {text}: unknown hyperparameter {name!r}", expected=f"one of {', '.join(KNOWN)}")
        if name in found:
            raise InputError(f"--over names {name} twice", expected="each hyperparameter once")
        found[name] = _values(name, values, text) if given else KNOWN[name]
    chosen = found or {name: KNOWN[name] for name in USUAL}
    return {name: chosen[name] for name in KNOWN if name in chosen}


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Value]:
    """A value for each hyperparameter, by the study's sampler."""
    return {name: part.suggest(trial, name) for name, part in space.items()}


def grid(space: Space) -> dict[str, list[Value]]:
    """The values of each hyperparameter that a grid combines."""
    return {name: part.grid() for name, part in space.items()}


def holds(space: Space, values: Mapping[str, Value]) -> bool:
    """Whether the values lie in the space."""
    return all(
        values[name] in part.values
        if isinstance(part, Choice)
        else isinstance(values[name], (int, float)) and part.low <= float(values[name]) <= part.high
        for name, part in space.items()
    )


def described(space: Space) -> dict[str, Any]:
    """The space as JSON-ready values: equal exactly for equal spaces."""
    return {
        name: {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(part).items()}
        for name, part in space.items()
    }


def _values(name: str, values: str, text: str) -> Range | Choice:
    known = KNOWN[name]
    if name not in _NUMBERS:
        names = tuple(value.strip() for value in values.split(","))
        wrong = [value for value in names if value not in known.grid()]
        if wrong or len(set(names)) < len(names):
            raise InputError(
                f"--over {text}: " + (f"unknown {name} {wrong[0]!r}" if wrong else "a value twice"),
                expected=f"some of {', '.join(map(str, known.grid()))}, separated by commas",
            )
        return Choice(names)
    if ":" in values:
        low, _, high = values.partition(":")
        ends = _number(name, low, text), _number(name, high, text)
        if not ends[0] < ends[1]:
            raise InputError(f"--over {text}", expected="a lower and then a higher number")
        # Dropout is a share; all else matters by its order of magnitude, which zero has none of.
        return Range(ends[0], ends[1], log=name != "dropout" and ends[0] > 0, whole=name in _WHOLE)
    numbers = tuple(_number(name, value, text) for value in values.split(","))
    if len(set(numbers)) < len(numbers):
        raise InputError(f"--over {text}: a value twice", expected="different values")
    return Choice(numbers)


def _number(name: str, value: str, text: str) -> float | int:
    try:
        number = int(value) if name in _WHOLE else float(value)
    except ValueError:
        number = math.nan
    if number not in _NUMBERS[name]:
        raise InputError(
            f"--over {text}: {value.strip()!r}",
            expected=f"{_NUMBERS[name].in_words}; a range is written low:high, a choice a,b,c",
        )
    return number
