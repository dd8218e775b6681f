"""How far vectors lie from their own class, in units of what its usual members vary.

Mahalanobis distance to the own class's mean, with one covariance for all classes (Lee et al., 2018; classes are those
given, not predicted). Two things make it find strangers, also many that are alike. They would stretch the covariance in
their own direction, and be near by that measure: so it is learnt from a core without those that seem strangest, twice
over, as in the minimum covariance determinant (Rousseeuw & Van Driessen, 1999). And a vector is nearer to a covariance
that it took part in, by much where components are hundreds: so each is measured by what was learnt from others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imageclinic.audit.principal_axes import of_length_one, principal_axes
from imageclinic.core.large import large_arrays

#: Share of each class that the core leaves out, how often it is chosen, and parts in which vectors are held out.
_LEFT_OUT, _ROUNDS, _FOLDS = 0.15, 2, 5
#: Classes of fewer have no mean of their own; one of more has it, drawn to that of all as by so many members.
_LEAST, _DRAWN_BY = 5, 2
#: Added to the variance of each component: this share of the mean one, because small variances are underestimated.
_FLOOR = 0.1
_PIECE = 1 << 14

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


class Distances(NamedTuple):
    """float64, one for each vector, at least 0; all 0 where the vectors don't differ.

    `own`: to its class. `other`: to another class, drawn at random; equal to `own` where there is one class.
    """

    own: Floats
    other: Floats


def distances(
    vectors: npt.NDArray[np.float32],
    rows: Ints,
    codes: Ints,
    strangest: Floats,
    *,
    strange: npt.NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Distances:
    """Distance of some vectors to their class, and to another.

    Args:
        vectors: (n, d).
        rows: those that are measured, and measured by, in a fixed order.
        codes: the class of each of `rows`, from 0.
        strangest: of each of `rows`, any measure of how strange it seems, more being stranger: the first core is
            chosen by it. Equal ones are drawn.
        strange: those of `rows` that are in no core, as they are known to be strange; None: none.
        seed: of folds and draws.
    """
    return _measured(vectors, rows, codes, strangest, strange, seed).distances


class Usual(NamedTuple):
    """What a set's usual members are like: `parts` of it (`_Part`), each learnt without a fifth of the set."""

    parts: tuple[_Part, ...]

    def distances(self, vectors: npt.NDArray[np.float32], codes: Ints) -> Floats:
        """(m,): mean distance of other vectors (m, d) to their class; `codes` (m,) number classes as the set's."""
        rows = np.arange(len(vectors))
        found = np.zeros(len(rows))
        for part in self.parts:
            found += np.sqrt(_squared(_placed(vectors, rows, part.mean, part.axes), rows, codes, part.learnt))
        return found / max(len(self.parts), 1)


class _Part(NamedTuple):
    """Mean (d,) and axes (d, components), and what is usual in these components."""

    mean: Floats
    axes: Floats
    learnt: _Learnt


def usual(
    vectors: npt.NDArray[np.float32],
    rows: Ints,
    codes: Ints,
    strangest: Floats,
    *,
    strange: npt.NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> tuple[Usual, Distances]:
    """Learn what is usual in a set, to measure others by it.

    Args:
        vectors, rows, codes, strangest, strange, seed: see `distances`.

    Returns:
        What is usual, and how far the set's own lie from their class as if they were new. `distances` holds covariances
        out, and learns components from all: those fit the set's own better than others, above all where it is small.
        Here each is measured in components that it took no part in, either.
    """
    measured = _measured(vectors, rows, codes, strangest, strange, seed)
    if not measured.distances.own.any():  # the set's vectors don't differ
        return Usual(()), measured.distances
    own, other, parts = np.zeros(len(rows)), np.zeros(len(rows)), []
    another = _others(codes, np.random.default_rng(seed))
    for fold in range(_FOLDS):
        known, asked = np.flatnonzero(measured.fold != fold), np.flatnonzero(measured.fold == fold)
        mean, axes, _ = principal_axes(vectors, rows[known], unit=True)
        placed = _placed(vectors, rows, mean, axes)
        learnt = _learnt(placed, codes, known[measured.core[known]], vectors.shape[1])
        own[asked] = np.sqrt(_squared(placed, asked, codes[asked], learnt))
        other[asked] = np.sqrt(_squared(placed, asked, another[asked], learnt))
        parts.append(_Part(mean, axes, learnt))
    return Usual(tuple(parts)), Distances(own, other)


class _Measured(NamedTuple):
    """What came of a measurement, for each of its rows: distances, the fold, and whether it is in the core."""

    distances: Distances
    fold: Ints
    core: npt.NDArray[np.bool_]


def _measured(
    vectors: npt.NDArray[np.float32],
    rows: Ints,
    codes: Ints,
    strangest: Floats,
    strange: npt.NDArray[np.bool_] | None,
    seed: int,
) -> _Measured:
    """See `distances`."""
    mean, axes, _ = principal_axes(vectors, rows, unit=True)
    placed = _placed(vectors, rows, mean, axes)
    if placed.shape[1] == 1:
        return _Measured(Distances(np.zeros(len(rows)), np.zeros(len(rows))), np.zeros(len(rows), np.intp), rows >= 0)
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(rows)) % _FOLDS
    own = strangest
    known_strange = np.zeros(len(rows), bool) if strange is None else strange
    for _ in range(_ROUNDS):
        core = _core(np.where(known_strange, np.inf, own), codes, rng.permutation(len(rows))) & ~known_strange
        learnt = [
            _learnt(placed, codes, np.flatnonzero((fold != part) & core), vectors.shape[1]) for part in range(_FOLDS)
        ]
        own = _by_others(placed, fold, codes, learnt)
    return _Measured(Distances(own, _by_others(placed, fold, _others(codes, rng), learnt)), fold, core)


def _by_others(placed: npt.NDArray[np.float32], fold: Ints, classes: Ints, learnt: list[_Learnt]) -> Floats:
    """Distance of each vector to one class for each, by what was learnt without its fold."""
    found = np.empty(len(placed))
    for part, usual in enumerate(learnt):
        asked = np.flatnonzero(fold == part)
        found[asked] = np.sqrt(_squared(placed, asked, classes[asked], usual))
    return found


def _others(codes: Ints, rng: np.random.Generator) -> Ints:
    """For each another class than its own, drawn at random; its own where there is one class."""
    classes = int(codes.max()) + 1
    shift = rng.integers(1, classes, len(codes)) if classes > 1 else np.zeros(len(codes), np.intp)
    return np.asarray((codes + shift) % classes)


def _placed(vectors: npt.NDArray[np.float32], rows: Ints, mean: Floats, axes: Floats) -> npt.NDArray[np.float32]:
    """Components of some vectors, of length 1, along axes, and in the last column the squared length of what lies
    outside."""

    def pieces() -> list[Ints]:
        return [rows[at : at + _PIECE] for at in range(0, len(rows), _PIECE)]

    def place(piece: Ints) -> npt.NDArray[np.float32]:
        centred = of_length_one(vectors[piece]) - mean
        inside = centred @ axes
        outside = np.maximum((centred**2).sum(1) - (inside**2).sum(1), 0)
        return np.column_stack([inside, outside]).astype(np.float32)

    shape = (len(rows), axes.shape[1] + 1)
    return large_arrays.filled((place(piece) for piece in pieces()), shape, np.float32, None)


def _core(strangest: Floats, codes: Ints, draw: Ints) -> npt.NDArray[np.bool_]:
    """Of each class, those that seem least strange."""
    order = np.lexsort((draw, strangest, codes))
    size = np.bincount(codes)
    place = np.arange(len(codes)) - (np.cumsum(size) - size)[codes[order]]
    core = np.empty(len(codes), bool)
    core[order] = place < np.ceil(size * (1 - _LEFT_OUT))[codes[order]]
    return core


class _Learnt(NamedTuple):
    """What is usual: each class's mean (classes, components), axes (components, components) with the variance along
    each, and the variance along any direction outside of the components, infinite where there is none."""

    centres: Floats
    axes: Floats
    variance: Floats
    outside: float


def _learnt(placed: npt.NDArray[np.float32], codes: Ints, known: Ints, width: int) -> _Learnt:
    """What is usual, by those known."""
    last = placed.shape[1] - 1
    centres = _centres(placed, codes, known)
    moments = np.zeros((last, last))
    for piece in _pieces(known):
        off = placed[piece, :last] - centres[codes[piece]]
        moments += off.T @ off
    spread, axes = np.linalg.eigh(moments / len(known))
    spread = np.maximum(spread, 0)
    outside = float(np.median(placed[known, last]))
    floor = max(_FLOOR * (spread.sum() + outside) / width, 1e-12)
    return _Learnt(centres, axes, spread + floor, outside / (width - last) + floor if width > last else np.inf)


def _squared(placed: npt.NDArray[np.float32], asked: Ints, classes: Ints, usual: _Learnt) -> Floats:
    """Squared distance of those asked to one class for each."""
    last = placed.shape[1] - 1
    found = [np.empty(0)]
    for at in _pieces(np.arange(len(asked))):
        piece = asked[at]
        turned = (placed[piece, :last] - usual.centres[classes[at]]) @ usual.axes
        found.append((turned**2 / usual.variance).sum(1) + placed[piece, last] / usual.outside)
    return np.concatenate(found)


def _centres(placed: npt.NDArray[np.float32], codes: Ints, known: Ints) -> Floats:
    """The mean of each class (classes, components)."""
    components = placed.shape[1] - 1
    sums, size = np.zeros((codes.max() + 1, components)), np.zeros(codes.max() + 1)
    for piece in _pieces(known):
        order = piece[np.argsort(codes[piece], kind="stable")]
        classes, start = np.unique(codes[order], return_index=True)
        sums[classes] += np.add.reduceat(placed[order, :components].astype(np.float64), start, axis=0)
        size += np.bincount(codes[piece], minlength=len(size))
    of_all = sums.sum(0) / len(known)
    own = (sums + _DRAWN_BY * of_all) / (size + _DRAWN_BY)[:, None]
    return np.where((size >= _LEAST)[:, None], own, of_all)


def _pieces(rows: Ints) -> list[Ints]:
    return [rows[at : at + _PIECE] for at in range(0, len(rows), _PIECE)]
