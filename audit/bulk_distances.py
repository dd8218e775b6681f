"""How far vectors lie from the bulk of a set: pictures that are alike are each other's nearest neighbours, however
strange they are, so what counts is how far one must go to meet a whole share of the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Vectors = Callable[[Ints], npt.NDArray[np.floating]]

#: Vectors that others are compared with, at most: a random sample, so that time grows with their number only.
REFERENCES = 4_000
_PIECE = 1 << 10


def reach(vectors: Vectors, rows: Ints, share: float, *, most: int | None = None, seed: int = 0) -> Floats:
    """Cosine distance from each of some vectors within which a share of them lie.

    Args:
        vectors: rows → their vectors, (rows, d).
        rows: those that are compared with each other.
        share: in (0, 1).
        most: above so many rows they are compared with a random sample of so many; None: `REFERENCES`.
        seed: of the sample.

    Returns:
        float64, one for each of `rows`.
    """
    others = _drawn(vectors, rows, most, seed)
    at = min(int(np.ceil(share * len(others))), len(others) - 1)  # the nearest of all is the vector itself
    return _within(vectors, rows, others, at)


def reach_of_new(
    new: npt.NDArray[np.floating],
    vectors: Vectors,
    rows: Ints,
    share: float,
    *,
    most: int | None = None,
    seed: int = 0,
) -> Floats:
    """The same from other vectors, (m, d), within which a share of `rows` lie, of which there is at least one: float64
    (m,)."""
    others = _drawn(vectors, rows, most, seed)
    at = max(min(int(np.ceil(share * len(others))), len(others)) - 1, 0)
    return _within(lambda asked: new[asked], np.arange(len(new)), others, at)


def _drawn(vectors: Vectors, rows: Ints, most: int | None, seed: int) -> npt.NDArray[np.float32]:
    most = REFERENCES if most is None else most
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    return _unit(vectors(rows))


def _within(vectors: Vectors, rows: Ints, others: npt.NDArray[np.float32], at: int) -> Floats:
    """Distance to the nearest but `at` of others."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), _PIECE):
        alike = _unit(vectors(rows[start : start + _PIECE])) @ others.T
        found[start : start + _PIECE] = 1 + np.partition(-alike, at, axis=1)[:, at]
    return np.maximum(found, 0)


def _unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)
