"""Perceptual hashes in all orientations → pairs of look-alikes, never more than a bound.

The search itself is `audit.copies.hamming`. Some datasets hold crowds: ten thousand nearly blank pages are fifty
million pairs, and say nothing. Where there are more pairs than `limit`, each image is searched only as far as its own
neighbourhood is no crowd: to the largest distance at which at most `limit` / images look-alikes lie around it. Nearest
copies stay, images outside of the crowd are searched as before, and the number of pairs is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from imageclinic.audit.copies import hamming
from imageclinic.audit.copies.crowds import crowds

#: More images of one hash than this are paired with the first of them only: k equal ones make k(k−1)/2 pairs.
MAX_EQUAL = 64

#: Hashes that are searched in together: their tables take 30 bytes each.
_BLOCK = 1 << 24

Ints = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pairs:
    """Pairs of images, ordered by i and j; i < j.

    `distance` in bits; `orientation` of j that is nearest to i, as a column of the hashes; `reach`: the distance to
    which both images were searched. `crowded` and `equal` count the images that were not searched to the end.
    """

    i: Ints
    j: Ints
    distance: Bytes
    orientation: Bytes
    reach: Bytes
    crowded: int = 0
    equal: int = 0

    def __len__(self) -> int:
        return len(self.i)


def hamming_pairs(
    hashes: Hashes,
    radius: int,
    *,
    turned: int | None = None,
    limit: int | None = None,
    search: hamming.Search = hamming.search,
    progress: Progress | None = None,
) -> Pairs:
    """All pairs i < j within `radius` bits between image i and some orientation of image j.

    Args:
        hashes: uint64 (n, orientations); column 0 is the image as it is.
        radius: bits, 0 to 64.
        turned: radius for the other orientations; the same by default.
        limit: bound on the number of pairs, for upright and for turned ones apart. None: all of them, exactly.
        search: searches sets of hashes.
        progress: called with (done, total).

    Returns:
        The pairs, each with its nearest orientation, the first one of those that are equally near. Exact, unless
        `crowded` or `equal` is more than 0.
    """
    n, orientations = hashes.shape
    report = progress or (lambda done, total: None)
    kept, stars = _equal(hashes[:, 0]) if limit is not None else (np.arange(n), np.empty((0, 2), np.intp))
    upright = np.ascontiguousarray(hashes[kept, 0])
    share = 1 if orientations == 1 else 3

    i, j, distance, reach = _bounded(upright, None, radius, limit, search, lambda at: report(at, 100 * share))
    found = [(kept[i], kept[j], distance, np.zeros(len(i), np.uint8), np.minimum(reach[i], reach[j]))]
    crowded = np.zeros(n, dtype=bool)
    crowded[kept[reach < radius]] = True
    if orientations > 1:
        radius = radius if turned is None else turned
        others = hashes[:, 1:] if len(kept) == n else hashes[kept, 1:]
        i, at, distance, reach = _bounded(upright, others, radius, limit, search, lambda at: report(100 + 2 * at, 300))
        j, orientation = np.divmod(at, orientations - 1)
        found.append((kept[i], kept[j], distance, (orientation + 1).astype(np.uint8), reach[i]))
        crowded[kept[reach < radius]] = True
    if len(stars):
        zeros = np.zeros(len(stars), np.uint8)
        found.append((stars[:, 0], stars[:, 1], zeros, zeros, zeros))
    parts = [np.concatenate(part) for part in zip(*found, strict=True)]
    i, j, distance, orientation, reach = parts
    order = np.lexsort((orientation, distance, j, i))
    i, j = i[order], j[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (i[1:] != i[:-1]) | (j[1:] != j[:-1])
    order = order[first]
    return Pairs(i[first], j[first], distance[order], orientation[order], reach[order], int(crowded.sum()), len(stars))


def by_chance(n: int, upright: int, turned: int) -> float:
    """Pairs of n unlike images that 64 random bits put within `upright` bits of each other, or `turned` in one of seven
    other orientations: expected number."""
    share = sum(
        times * sum(comb(64, bits) for bits in range(radius + 1)) for times, radius in ((1, upright), (7, turned))
    )
    return n * (n - 1) / 2 * share / 2**64


def _equal(hashes: Hashes) -> tuple[Ints, Ints]:
    """Positions to search, and pairs (first, other) (k, 2) of equal hashes that are too many to be searched."""
    _, first, group, count = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    spare = (count > MAX_EQUAL)[group] & (first[group] != np.arange(len(hashes)))
    return np.flatnonzero(~spare), np.stack([first[group[spare]], np.flatnonzero(spare)], axis=1)


def _bounded(
    left: Hashes,
    right: Hashes | None,
    radius: int,
    limit: int | None,
    search: hamming.Search,
    report: Callable[[int], None],
) -> tuple[Ints, Ints, Bytes, Bytes]:
    """Pairs p < image of q, their distances, and how far each of `left` was searched.

    `right` holds further hashes for every one of `left`, (images, each); None: pairs within `left`. When
    the pairs are too many, they are searched bit by bit, and who has too many neighbours is searched no further. It
    keeps one pair of the distance at which it left, with the first of its neighbours, so that a crowd hangs together.
    As soon as someone has left, the rest is tried in one go again.
    """
    n = len(left)
    active, reach, degree = np.arange(n), np.full(n, radius, np.uint8), np.zeros(n, np.int64)
    found: list[tuple[Ints, Ints, Bytes]] = []
    bits = -1

    def leave(crowd: Ints, first: Ints) -> None:
        nonlocal active
        reach[crowd] = max(0, bits - 1)
        p, q = crowd, first
        if right is None:
            p, q = np.minimum(p, q), np.maximum(p, q)
        found.append((p, q, np.full(len(crowd), bits, np.uint8)))
        active = np.setdiff1d(active, crowd, assume_unique=True)

    while bits < radius:
        sink = _Sink(active, n, right, limit, bits)
        if _in_blocks(search, left[active], right, radius, sink.take, report):
            found.append(sink.pairs())
            break
        most = max(1, (2 if right is None else 1) * (limit or 0) // n)
        left_now = False
        while bits < radius and not left_now:
            bits += 1
            if bits:
                crowd, first = crowds(left, right, active, bits, most)
                if len(crowd):
                    leave(crowd, first)
                    left_now = True
            counter = _Counter(active, n, right, limit, bits - 1)
            _in_blocks(search, left[active], right, bits, counter.take)
            crowd = active[(degree + counter.degree > most)[active]]
            if len(crowd):
                left_now = True
                leave(crowd, counter.first[crowd])
                counter = _Counter(active, n, right, limit, bits - 1)
                _in_blocks(search, left[active], right, bits, counter.take)
            degree += counter.degree
            found.append(counter.pairs())
    p, q, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    return p, q, distance, reach


def _in_blocks(
    search: hamming.Search,
    left: Hashes,
    right: Hashes | None,
    radius: int,
    take: hamming.Sink,
    report: Callable[[int], None] = lambda done: None,
) -> bool:
    """`search` for `left` in rows of `right`, some at a time; positions there are those in all of them."""
    if right is None:
        return bool(search(left, None, radius, take, progress=lambda done, total: report(done)))
    each = right.shape[1]
    step = max(1, _BLOCK // each)
    starts = range(0, len(right), step)
    for at, start in enumerate(starts):
        block = np.ascontiguousarray(right[start : start + step]).ravel()
        if not search(
            left,
            block,
            radius,
            lambda p, q, distance: take(p, q + start * each, distance),  # noqa: B023 - called before the next block
            progress=lambda done, total: report((100 * at + done) // len(starts)),  # noqa: B023
        ):
            return False
    return True


class _Sink:
    """Collects pairs of `active` images, p < image of q, that are more than `beyond` bits apart; ends the search when
    there are more than `limit`."""

    def __init__(self, active: Ints, n: int, right: Hashes | None, limit: int | None, beyond: int) -> None:
        self.active, self.limit, self.beyond = active, limit, beyond
        self.each = 0 if right is None else right.shape[1]
        self.parts: list[tuple[Ints, Ints, Bytes]] = []
        self.count = 0

    def take(self, p: Ints, q: Ints, distance: Bytes) -> bool:
        """See `hamming.Sink`."""
        p = self.active[p]
        if self.each:
            right = (p < q // self.each) & (distance > self.beyond)
        else:
            q = self.active[q]
            p, q = np.minimum(p, q), np.maximum(p, q)
            right = distance > self.beyond
        return self.keep(p[right], q[right], distance[right])

    def keep(self, p: Ints, q: Ints, distance: Bytes) -> bool:
        """Collect pairs that are wanted."""
        self.count += len(p)
        if self.limit is not None and self.count > self.limit:
            self.parts.clear()
            return False
        self.parts.append((p, q, distance))
        return True

    def pairs(self) -> tuple[Ints, Ints, Bytes]:
        """What was collected, in a fixed order."""
        if not self.parts:
            return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.uint8)
        p, q, distance = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        order = np.lexsort((q, p))
        return p[order], q[order], distance[order]


class _Counter(_Sink):
    """Counts the pairs of each image, beyond the limit too, and remembers the first of its neighbours."""

    def __init__(self, active: Ints, n: int, right: Hashes | None, limit: int | None, beyond: int) -> None:
        super().__init__(active, n, right, limit, beyond)
        self.degree, self.first = np.zeros(n, np.int64), np.full(n, np.iinfo(np.intp).max)

    def keep(self, p: Ints, q: Ints, distance: Bytes) -> bool:
        """Collect and count pairs."""
        ends = ((p, q),) if self.each else ((p, q), (q, p))
        for one, other in ends:
            np.add.at(self.degree, one, 1)
            np.minimum.at(self.first, one, other)
        super().keep(p, q, distance)
        return True
