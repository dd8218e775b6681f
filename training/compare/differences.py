"""The difference of two arms' accuracies with its interval, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from imageclinic.training.compare import intervals


def difference(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], groups: npt.NDArray[np.object_]) -> dict[str, Any]:
    """Accuracy of `b` minus that of `a`.

    Args:
        a, b: whether each run was right on each test image, bool (seeds, n).
        groups: of the test images, (n,).

    Returns:
        `estimate, low, high, half_width` (None where there is no interval: one seed, or one group) and `verdict`
        (``gain``, ``worse``, ``no gain shown``, ``no interval``).
    """
    if len(a) < 2 or len(np.unique(groups)) < 2:
        estimate = float(b.mean() - a.mean())
        return {"estimate": estimate, "low": None, "high": None, "half_width": None, "verdict": "no interval"}
    found = intervals.delta_interval(a, b, groups)
    return {
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "half_width": found.half_width,
        "verdict": found.verdict,
    }


def points(value: float) -> str:
    """An accuracy's change in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def span(delta: Mapping[str, Any]) -> str:
    """A difference's interval in brackets; empty where there is none."""
    return "" if delta["low"] is None else f" (95 % interval {points(delta['low'])} to {points(delta['high'])})"
