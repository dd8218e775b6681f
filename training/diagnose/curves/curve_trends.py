"""How a curve moves: its end, its last third, its unsteadiness. Pure functions on one number an epoch."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

Curve: TypeAlias = npt.NDArray[np.float64]


def end(curve: Curve) -> float:
    """Where a curve ends: the median of its last epochs, so that one odd epoch does not decide."""
    return float(np.median(curve[-max(3, len(curve) // 5) :]))


def third(curve: Curve) -> int:
    """Number of epochs in the last third, at least 4."""
    return max(4, len(curve) // 3)


def falls(curve: Curve) -> bool:
    """Whether the last third falls: a line's slope, with its 95 % interval, is below 0, and by 2 % of the range of
    the whole curve. (Epochs depend on each other, so the interval is too narrow: a rule of thumb.)"""
    tail = curve[-third(curve) :]
    line = stats.linregress(np.arange(len(tail)), tail)
    upper = line.slope + float(stats.t.ppf(0.975, len(tail) - 2)) * line.stderr
    return bool(upper < 0 and -line.slope * (len(tail) - 1) > 0.02 * float(np.ptp(curve)))


def unsteadiness(curve: Curve) -> float:
    """Standard deviation of a curve around its trend, from second differences, which a line does not move."""
    return float(np.sqrt(np.mean(np.square(np.diff(curve, 2))) / 6)) if len(curve) > 2 else 0.0
