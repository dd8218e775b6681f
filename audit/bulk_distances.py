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


def reach(vectors: Vectors, rows: Ints, share: float, *, seed: int = 0) -> Floats:
    """Cosine distance from each of some vectors within which a share of them lie.

    Args:
        vectors: rows → their vectors, (rows, d).
        rows: those that are compared with each other.
        share: in (0, 1).
        seed: of the sample, above `REFERENCES` rows.

    Returns:
        float64, one for each of `rows`.
    """
    drawn = rows
    if len(rows) > REFERENCES:
        drawn = np.sort(np.random.default_rng(seed).permutation(rows)[:REFERENCES])
    others = _unit(vectors(drawn))
    at = min(int(np.ceil(share * len(drawn))), len(drawn) - 1)  # the nearest of all is the vector itself
    found = np.empty(len(rows))
    for start in range(0, len(rows), _PIECE):
        alike = _unit(vectors(rows[start : start + _PIECE])) @ others.T
        found[start : start + _PIECE] = 1 + np.partition(-alike, at, axis=1)[:, at]
    return np.maximum(found, 0)


def _unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)
