"""Bars of one colour at the edges of pictures: frames, letterboxes, the rims of a scanner. Pure numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Grey levels by which pixels of a bar may differ from it: what JPEG at quality 50 leaves of a plain frame.
_LEVELS = 6
#: The share of a line's pixels that have the bar's colour: in the bar at least so many, behind it at most.
_PLAIN, _PICTURE = 0.98, 0.5


def bars(grey: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """How many lines at each edge belong to a bar.

    A bar is of one colour, ends at a straight edge, and is narrower than half the picture: behind it, one mixed line
    further, most of a line is something else. So an object on a plain ground has no bars.

    Args:
        grey: (n, side, side), any numbers from 0 to 255.

    Returns:
        (n, 4): lines at the upper, lower, left and right edge.
    """
    values = np.asarray(grey, dtype=np.float32)
    n, side, _ = values.shape
    turned = values.transpose(0, 2, 1)
    found = np.zeros((n, 4), dtype=np.int64)
    for edge, lines in enumerate((values, values[:, ::-1], turned, turned[:, ::-1])):
        level = np.median(lines[:, 0], axis=1)[:, None, None]
        alike = (np.abs(lines[:, : side // 2 + 1] - level) <= _LEVELS).mean(axis=2)  # (n, side / 2 + 1)
        plain = np.logical_and.accumulate(alike >= _PLAIN, axis=1).sum(axis=1)
        behind = alike[np.arange(n), np.minimum(plain + 1, side // 2)]
        found[:, edge] = np.where((plain < side // 2) & (behind <= _PICTURE), plain, 0)
    return found


def border(grey: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """The share of each picture's area, in [0, 1), that its `bars` take: (n,), of pictures (n, side, side)."""
    side = grey.shape[1]
    upper, lower, left, right = bars(grey).T
    inside = (side - upper - lower) * (side - left - right) / side**2
    return np.asarray(1 - inside, dtype=np.float32)
