"""How far vectors lie from their nearest neighbours when there are too many to compare all with all: inverted lists
(Jégou, Douze & Schmid, 2011). Vectors are sorted into lists by the nearest of some centres, and each is compared with
those of its own list and of the lists nearest to that.

What lies far from all has its nearest ones in many lists, and seems to lie farther than it does. So the farthest are
measured again, against all; and so are some that are drawn, by which the rest can be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imageclinic.core.large import large_arrays

#: Vectors in a list, about; lists that are compared; lists at most: to find the nearest of them costs as much.
LENGTH, COMPARED, MOST = 100, 16, 20_000
#: Share of the vectors that are measured again, and how many at most; and how many that are drawn.
AGAIN, MOST_AGAIN, DRAWN = 0.1, 50_000, 2_000
_STEPS = 3
_PIECE = 1 << 12

Floats = npt.NDArray[np.float32]
Vectors = Callable[[npt.NDArray[np.intp]], npt.NDArray[np.floating]]
Ints = npt.NDArray[np.intp]


def mean_distances(
    vectors: Vectors, n: int, neighbours: int, *, seed: int = 0, folder: Path | None = None
) -> tuple[npt.NDArray[np.float64], Ints, Ints]:
    """Mean cosine distance of each vector to its nearest ones.

    Args:
        vectors: rows → their vectors, (rows, d).
        n: how many there are.
        neighbours: how many of the nearest count.
        seed: of the centres.
        folder: for what does not fit in memory.

    Returns:
        float64 (n,); rows whose distance is exact: the farthest, see `AGAIN`, and those that were drawn; and the rows
        that were drawn. Of the others it is never less than the truth, and more where a near one is in a list that was
        not compared.
    """
    count = int(np.clip(n // LENGTH, 1, MOST))
    centres = _centres(vectors, n, count, seed)
    of = np.concatenate([_nearest(_unit(vectors(rows)), centres) for rows in _pieces(np.arange(n))])
    order = np.argsort(of, kind="stable")
    sizes = np.bincount(of, minlength=count)
    ends = np.cumsum(sizes)
    width = centres.shape[1]
    unit = (_unit(vectors(rows)) for rows in _pieces(order))
    sorted_vectors = large_arrays.filled(unit, (n, width), np.float32, folder)
    # The lists nearest to each, itself first; as many more as it takes to have enough vectors.
    ranked = np.argsort(-(centres @ centres.T), axis=1)
    found = np.empty(n)
    for at in range(count):
        if not sizes[at]:
            continue
        lists = _enough(ranked[at], at, sizes, neighbours)
        others = np.concatenate([sorted_vectors[ends[k] - sizes[k] : ends[k]] for k in lists])
        for rows in _pieces(np.arange(ends[at] - sizes[at], ends[at])):
            alike = sorted_vectors[rows] @ others.T
            # `lists` begins with this one: a vector is not its own neighbour.
            alike[np.arange(len(rows)), rows - (ends[at] - sizes[at])] = -np.inf
            best = -np.partition(-alike, neighbours - 1, axis=1)[:, :neighbours]
            found[order[rows]] = np.maximum(1 - best.mean(axis=1, dtype=np.float64), 0)
    farthest = np.argsort(-found[order], kind="stable")[: min(MOST_AGAIN, int(AGAIN * n))]
    drawn = np.random.default_rng(seed).permutation(n)[:DRAWN]
    again = np.union1d(farthest, drawn)
    found[order[again]] = _exact(sorted_vectors, again, neighbours)
    return found, np.sort(order[again]), np.sort(order[drawn])


def _exact(unit: Floats, rows: Ints, neighbours: int) -> npt.NDArray[np.float64]:
    """Mean cosine distance of some rows to their nearest of all."""
    best = np.full((len(rows), neighbours), -np.inf, np.float32)
    for others in _pieces(np.arange(len(unit))):
        for part in _pieces(np.arange(len(rows))):
            alike = unit[rows[part]] @ unit[others].T
            own = np.flatnonzero((rows[part] >= others[0]) & (rows[part] <= others[-1]))
            alike[own, rows[part][own] - others[0]] = -np.inf
            both = np.concatenate([best[part], alike], axis=1)
            best[part] = -np.partition(-both, neighbours - 1, axis=1)[:, :neighbours]
    return np.asarray(np.maximum(1 - best.mean(axis=1, dtype=np.float64), 0))


def _enough(ranked: Ints, own: int, sizes: Ints, neighbours: int) -> Ints:
    lists = np.concatenate([[own], ranked[ranked != own]])
    enough = int(np.searchsorted(np.cumsum(sizes[lists]), neighbours + 1)) + 1
    return lists[: max(COMPARED, enough)]


def _centres(vectors: Vectors, n: int, count: int, seed: int) -> Floats:
    """Some steps of k-means with directions, on a sample."""
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(n)[: max(10 * count, 1)])
    points = _unit(vectors(sample))
    centres = points[rng.permutation(len(points))[:count]]
    for _ in range(_STEPS):
        of = np.concatenate([_nearest(points[rows], centres) for rows in _pieces(np.arange(len(points)))])
        order = np.argsort(of, kind="stable")
        used, start = np.unique(of[order], return_index=True)
        centres[used] = _unit(np.add.reduceat(points[order], start, axis=0))
    return centres


def _nearest(points: Floats, centres: Floats) -> Ints:
    return np.asarray((points @ centres.T).argmax(axis=1))


def _unit(vectors: npt.NDArray[np.floating]) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)


def _pieces(rows: Ints) -> Iterator[Ints]:
    for at in range(0, len(rows), _PIECE):
        yield rows[at : at + _PIECE]
