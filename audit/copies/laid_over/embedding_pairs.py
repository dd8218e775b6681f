"""Copies that a hash of the whole picture does not see: cropped to a part, turned by a few degrees, sheared, framed.

A network's embedding hardly minds these, so candidates are pairs that lie nearer to each other than to the look-alikes
around them (as Lowe, 2004, compares a descriptor with the second nearest). Their keypoints lay one picture over the
other (`keypoint_alignment`), and what the two then differ in has the last word (`local_differences`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imageclinic.audit.copies import full_decode_match, local_differences
from imageclinic.audit.copies.compact.connected_components import components
from imageclinic.audit.copies.laid_over import keypoint_alignment
from imageclinic.audit.copies.laid_over.keypoint_alignment import Shown

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.intp]
Progress = Callable[[int, int], None]

#: Nearest images of each that are candidates; the place of the look-alike that they are compared with; and how much
#: nearer they must be. Of 240 altered copies among 900 Caltech-101 photographs 93 % were candidates.
NEAREST, LOOK_ALIKE, NEARER = 2, 6, 0.75
#: Candidates at most, for each image and in small sets: the nearest, relative to their look-alikes.
EACH, LEAST = 0.5, 1_000
#: More images are not searched: each is compared with all.
MOST_IMAGES = 100_000
#: Pixels of the shorter side below which a picture has no keypoints to speak of.
LEAST_SIDE = 64
#: A picture whose corners lie this near to the other's, as a share of the diagonal, is as a whole like it.
_MOVED = 0.03
_BATCH = 256
#: Pictures at most that wait with their keypoints (about half a MB each) for a later batch.
_KEPT = 256

_File = tuple[Path, Shown]


@dataclass(frozen=True)
class Pairs:
    """Copies: positions `i` < `j`; `moved`: whether one is laid over the other turned, scaled or beside the middle;
    `similarity`: correlation of their detail, `difference`: largest local one, see
    `local_differences.Differences.anywhere`. `gone`: positions of images that can't be decoded any more."""

    i: Ints
    j: Ints
    moved: npt.NDArray[np.bool_]
    similarity: npt.NDArray[np.float32]
    difference: npt.NDArray[np.float32]
    gone: Ints


def candidates(vectors: Floats) -> Ints:
    """Pairs that lie nearer to each other than to the look-alikes around them.

    Args:
        vectors: (n, features), embeddings.

    Returns:
        (m, 2) positions, i < j; the nearest, relative to their look-alikes, first, and at most `EACH` · n of them.
    """
    n = len(vectors)
    if n <= LOOK_ALIKE:
        return np.empty((0, 2), np.intp)
    unit = _unit(vectors)
    nearest, near, crowd = _look_alikes(unit, unit, np.arange(n))
    one, two = np.repeat(np.arange(n), NEAREST), nearest.ravel()
    pairs = np.sort(np.stack([one, two], axis=1), axis=1)
    return _nearer(pairs, near.ravel(), np.minimum(crowd[one], crowd[two]), max(LEAST, int(EACH * n)))


def candidates_between(new: Floats, known: Floats) -> Ints:
    """Pairs of a new and a known picture that lie nearer to each other than to the look-alikes of both among the known.

    Args:
        new: (m, features), embeddings.
        known: (n, features), embeddings by the same embedder.

    Returns:
        (pairs, 2) positions, in `new` and in `known`; the nearest, relative to their look-alikes, first.
    """
    if not len(new) or len(known) <= LOOK_ALIKE:
        return np.empty((0, 2), np.intp)
    unit = _unit(known)
    nearest, near, crowd = _look_alikes(_unit(new), unit, None)
    one, two = np.repeat(np.arange(len(new)), NEAREST), nearest.ravel()
    asked, row = np.unique(two, return_inverse=True)
    *_, of_known = _look_alikes(unit[asked], unit, asked)
    return _nearer(np.stack([one, two], axis=1), near.ravel(), np.minimum(crowd[one], of_known[row]), len(one))


def _unit(vectors: Floats) -> npt.NDArray[np.float32]:
    unit = vectors.astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    return unit


def _look_alikes(
    asked: npt.NDArray[np.float32], known: npt.NDArray[np.float32], own: Ints | None
) -> tuple[Ints, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Positions in `known` of the `NEAREST` of each that is asked and how similar they are, and the similarity of the
    `LOOK_ALIKE`-th. `own`: where those that are asked lie in `known` themselves, if they do."""
    n = len(asked)
    nearest = np.empty((n, NEAREST), np.intp)
    near, crowd = np.empty((n, NEAREST), np.float32), np.empty(n, np.float32)
    for start in range(0, n, _BATCH):
        rows = np.arange(start, min(n, start + _BATCH))
        alike = asked[rows] @ known.T
        if own is not None:
            alike[rows - start, own[rows]] = -1
        at = np.argpartition(-alike, LOOK_ALIKE - 1, axis=1)[:, :LOOK_ALIKE]
        values = np.take_along_axis(alike, at, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        values, at = np.take_along_axis(values, order, axis=1), np.take_along_axis(at, order, axis=1)
        nearest[rows], near[rows], crowd[rows] = at[:, :NEAREST], values[:, :NEAREST], values[:, -1]
    return nearest, near, crowd


def _nearer(pairs: Ints, near: Floats, around: Floats, most: int) -> Ints:
    """Of pairs those that are `NEARER` than what is around them, each once, the nearest first."""
    ratio = (1 - near) / np.maximum(1 - around, 1e-6)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], ratio))
    kept = pairs[order[ratio[order] < NEARER]]
    _, first = np.unique(kept, axis=0, return_index=True)
    return np.asarray(kept[np.sort(first)][:most])


def confirm(
    pairs: Ints, path: Callable[[int], Path], *, progress: Progress | None = None, threads: int | None = None
) -> Pairs:
    """Lay the pictures of each pair over each other, and keep the pairs that then differ in nothing.

    Args:
        pairs: (m, 2), see `candidates`.
        path: position → file.
        progress: called with (pairs done, pairs).
        threads: None: some for each core.
    """
    if not len(pairs):
        return tabulated((), ())
    ordered = together(pairs)
    last = dict(zip(ordered.ravel().tolist(), np.repeat(np.arange(len(ordered)), 2).tolist(), strict=True))
    known: dict[int, Shown | None] = {}
    found: list[tuple[int, int, bool, float, float]] = []
    gone: set[int] = set()
    with keypoint_alignment.one_thread_each(), ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(ordered), _BATCH):
            batch = ordered[start : start + _BATCH]
            files = [at for at in np.unique(batch).tolist() if at not in known]
            known |= zip(files, pool.map(lambda at: _shown(path(at)), files), strict=True)
            gone |= {at for at in files if known[at] is None}
            there = {at: picture for at, picture in known.items() if picture is not None}
            rows = [(i, j) for i, j in batch.tolist() if i in there and j in there]
            hopes = pool.map(lambda row, seen=there: keypoint_alignment.may_align(*(seen[at] for at in row)), rows)
            rows = [row for row, hope in zip(rows, hopes, strict=True) if hope]
            # Each picture's once, however many pairs ask for them.
            asked = sorted({at for row in rows for at in row})
            for _ in pool.map(lambda at, seen=there: seen[at].keypoints, asked):
                pass
            judged = pool.map(lambda row, seen=there: _judge(*((path(at), seen[at]) for at in row)), rows)
            for (i, j), verdict in zip(rows, judged, strict=True):
                if verdict is not None:
                    found.append((i, j, *verdict))
            end = start + len(batch)
            waiting = sorted((at for at in known if last[at] >= end), key=last.__getitem__)
            known = {at: known[at] for at in waiting[:_KEPT]}
            if progress:
                progress(end, len(ordered))
    return tabulated(found, gone)


def together(pairs: Ints) -> Ints:
    """Pairs (m, 2) in an order in which those of one connected group follow each other, so that a picture need not be
    read again for a pair far behind; by i and j within a group."""
    if not len(pairs):
        return pairs
    group = components(pairs[:, 0], pairs[:, 1], int(pairs.max()) + 1)
    return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0], group[pairs[:, 0]]))])


def tabulated(found: Sequence[Sequence[float]], gone: Iterable[int]) -> Pairs:
    """The columns of rows (i, j, moved, similarity, difference), by i and j."""
    table = np.array(found, np.float64).reshape(-1, 5)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    return Pairs(
        table[:, 0].astype(np.intp),
        table[:, 1].astype(np.intp),
        table[:, 2].astype(bool),
        table[:, 3].astype(np.float32),
        table[:, 4].astype(np.float32),
        np.array(sorted(gone), np.intp),
    )


def _shown(path: Path) -> Shown | None:
    """None where the file can't be decoded any more."""
    try:
        return keypoint_alignment.shown(full_decode_match.picture(path))
    except Exception:  # decoders raise anything; the caller names the file
        return None


def _judge(one: _File, two: _File) -> tuple[bool, float, float] | None:
    """Whether one is moved in the other, similarity and difference of two pictures that are copies, else None."""
    (path, seen), (other_path, other_seen) = one, two
    laid = keypoint_alignment.align(seen.keypoints, other_seen.keypoints)
    if laid is None:
        return None
    similarity = local_differences.detail_correlation(laid.one, laid.two)
    if laid.moved < _MOVED:
        # Two shots of one scene are distinguished by grain, which only full decodes have.
        (whole,) = full_decode_match.compare([full_decode_match.Pair(path, other_path, 0, True, (0, 1, 0, 1))])
        return (False, similarity, whole.difference) if whole.copy else None
    found = local_differences.differences(laid.one, laid.two)
    if found.inside > 1 or full_decode_match.hash_share(laid.one, laid.two) > full_decode_match.MAX_HASH_SHARE:
        return None
    return True, similarity, found.anywhere
