"""How far vectors lie from their nearest neighbours when there are too many to compare all with all: inverted lists
(Jégou, Douze & Schmid, 2011). Vectors are sorted into lists by the nearest of some centres, and each is compared with
those of its own list and of the lists nearest to that.

What lies far from all has its nearest ones in many lists, and seems to lie farther than it does. So the farthest are
measured again, against all; and so are some that are drawn, by which the rest can be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imageclinic.audit.principal_axes import unit_vectors
from imageclinic.core.engines.piece_map import Arrays, PieceMap, here

#: Vectors in a list, about; lists that are compared; lists at most: to find the nearest of them costs as much.
LENGTH, COMPARED, MOST = 100, 16, 20_000
#: Share of the vectors that are measured again, and how many at most; and how many that are drawn.
AGAIN, MOST_AGAIN, DRAWN = 0.1, 50_000, 2_000
_STEPS = 3
#: Vectors that are taken together, and of which each is compared with so many together.
_PIECE, _ASKED = 1 << 12, 1 << 10

Floats = npt.NDArray[np.float32]
Vectors = Callable[[npt.NDArray[np.intp]], npt.NDArray[np.floating]]
Ints = npt.NDArray[np.intp]


def mean_distances(
    vectors: Vectors,
    n: int,
    neighbours: int,
    *,
    seed: int = 0,
    folder: Path | None = None,
    piece_map: PieceMap = here,
) -> tuple[npt.NDArray[np.float64], Ints, Ints]:
    """Mean cosine distance of each vector to its nearest ones.

    Args:
        vectors: rows → their vectors, (rows, d).
        n: how many there are.
        neighbours: how many of the nearest count.
        seed: of the centres.
        folder: for what does not fit in memory.
        piece_map: where vectors are compared.

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
    # Sorted by their lists, so that a list is a run of rows.
    unit = unit_vectors(vectors, order, centres.shape[1], folder)
    found = np.empty(n)
    pieces = _lists(centres, sizes, neighbours)
    found[order] = np.concatenate(piece_map(_in_lists, {"unit": unit}, pieces, images=n))
    farthest = np.argsort(-found[order], kind="stable")[: min(MOST_AGAIN, int(AGAIN * n))]
    drawn = np.random.default_rng(seed).permutation(n)[:DRAWN]
    again = np.union1d(farthest, drawn)
    asked = [_OfAll(rows, neighbours) for rows in _pieces(again, _ASKED)]
    found[order[again]] = np.concatenate(piece_map(_of_all, {"unit": unit}, asked, images=n))
    return found, np.sort(order[again]), np.sort(order[drawn])


class _List(NamedTuple):
    """A list, and those that its vectors are compared with: (first, last) rows, itself first."""

    lists: tuple[tuple[int, int], ...]
    neighbours: int


class _OfAll(NamedTuple):
    """Rows that are compared with all."""

    rows: Ints
    neighbours: int


def _lists(centres: Floats, sizes: Ints, neighbours: int) -> list[list[_List]]:
    """The lists that are not empty, in their order, as pieces of about `_PIECE` vectors."""
    ends = np.cumsum(sizes)
    pieces, held = list[list[_List]](), _PIECE
    for at in np.flatnonzero(sizes).tolist():
        # The lists nearest to it; as many more as it takes to have enough vectors.
        lists = _enough(np.argsort(-(centres[at] @ centres.T)), at, sizes, neighbours)
        if held >= _PIECE:
            pieces.append([])
            held = 0
        pieces[-1].append(_List(tuple((int(ends[k] - sizes[k]), int(ends[k])) for k in lists), neighbours))
        held += int(sizes[at])
    return pieces


def _in_lists(arrays: Arrays, lists: Sequence[_List]) -> npt.NDArray[Any]:
    """Mean cosine distance of the vectors of some lists to their nearest in the lists beside them."""
    unit, found = arrays["unit"], []
    for each in lists:
        others = np.concatenate([unit[first:last] for first, last in each.lists])
        start, end = each.lists[0]
        for rows in _pieces(np.arange(end - start), _ASKED):
            alike = unit[start + rows] @ others.T
            # The lists begin with this one: a vector is not its own neighbour.
            alike[np.arange(len(rows)), rows] = -np.inf
            found.append(_mean_distance(_best(alike, each.neighbours)))
    return np.concatenate(found)


def _of_all(arrays: Arrays, asked: _OfAll) -> npt.NDArray[Any]:
    """Mean cosine distance of some rows to their nearest of all."""
    unit, rows = arrays["unit"], asked.rows
    best, own_vectors = np.full((len(rows), asked.neighbours), -np.inf, np.float32), unit[rows]
    for others in _pieces(np.arange(len(unit))):
        alike = own_vectors @ unit[others[0] : others[-1] + 1].T
        own = np.flatnonzero((rows >= others[0]) & (rows <= others[-1]))
        alike[own, rows[own] - others[0]] = -np.inf
        best = _best(np.concatenate([best, alike], axis=1), asked.neighbours)
    return _mean_distance(best)


def _best(alike: Floats, neighbours: int) -> Floats:
    """(rows, neighbours): the greatest of each row."""
    return -np.partition(-alike, neighbours - 1, axis=1)[:, :neighbours]


def _mean_distance(best: Floats) -> npt.NDArray[np.float64]:
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


def _pieces(rows: Ints, size: int = _PIECE) -> Iterator[Ints]:
    for at in range(0, len(rows), size):
        yield rows[at : at + size]
