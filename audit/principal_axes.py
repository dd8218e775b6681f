"""Principal components of vectors, and those whose spreads are drawn together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imageclinic.core.large import large_arrays

#: Components, at most.
COMPONENTS = 256
#: Vectors that are taken together.
_PIECE = 1 << 14

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


def principal_axes(
    vectors: npt.NDArray[np.float32], rows: Ints | None = None, *, unit: bool = False
) -> tuple[Floats, Floats, Floats]:
    """The mean of vectors, their principal axes and the spread along each, strongest first.

    Args:
        vectors: (n, d).
        rows: those that count, in the order in which they are summed; None: all.
        unit: scale each to length 1 before.

    Returns:
        float64 (d,), (d, k) and (k,), the variance; k is at most a fifth of the rows, because what is left is noise.
    """
    rows = np.arange(len(vectors)) if rows is None else rows
    n, width = len(rows), vectors.shape[1]

    def taken(piece: Ints) -> npt.NDArray[np.floating]:
        return of_length_one(vectors[piece]) if unit else vectors[piece]

    pieces = [rows[at : at + _PIECE] for at in range(0, n, _PIECE)]
    mean = np.sum([taken(piece).sum(0, dtype=np.float64) for piece in pieces], axis=0) / n
    few = taken(rows) - mean if n < width else None
    if few is not None:  # the same spreads, of what the few images span: a sixth of an SVD's time
        spread, turn = np.linalg.eigh(few @ few.T / n)
    else:
        moments = np.zeros((width, width))
        for piece in pieces:
            centred = taken(piece) - mean
            moments += centred.T @ centred
        spread, turn = np.linalg.eigh(moments / n)
    kept = np.argsort(spread)[::-1][: min(COMPONENTS, max(2, n // 5))]
    kept = kept[spread[kept] > spread.max() * 1e-9]
    axes, spread = turn[:, kept], spread[kept]
    if few is not None:
        axes = few.T @ axes / np.sqrt(n * spread)
    return mean, axes, spread


def evened_axes(vectors: npt.NDArray[np.float32], order: Ints | None = None) -> tuple[Floats, Floats]:
    """The mean of vectors (n, d), taken in an order of their rows, and what turns centred ones to principal components,
    each divided by the square root of its spread."""
    mean, axes, spread = principal_axes(vectors, order)
    return mean, axes / spread**0.25


def unit_vectors(
    vectors: Callable[[Ints], npt.NDArray[np.floating]], rows: Ints, width: int, folder: Path | None = None
) -> npt.NDArray[np.float32]:
    """Vectors (rows, width), each divided by its length, taken a piece at a time.

    Args:
        vectors: rows → their vectors, (rows, width).
        rows: which, in the order of the result.
        width: of a vector.
        folder: for what does not fit in memory, see `core.large.large_arrays`.
    """
    pieces = (rows[at : at + _PIECE] for at in range(0, len(rows), _PIECE))
    return large_arrays.filled(
        (of_length_one(vectors(piece)).astype(np.float32) for piece in pieces), (len(rows), width), np.float32, folder
    )


def of_length_one(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Vectors (n, d), each divided by its length."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))
