"""Pairs that are surely not copies, and how alike they are: what likeness means in this dataset."""

from __future__ import annotations

import numpy as np

from imageclinic.audit.copies.candidate_pairs import Hashes, Ints, Pairs

#: Strangers lie within so many bits beyond the radius; so many of them, upright and turned apart, stand for all.
BAND, SAMPLE = 6, 1500
# Distances that are computed to find them.
_BUDGET = 1 << 23
#: Images whose strangers are looked for, among as many as the budget allows: one image's look-alikes are no sample.
_LEAST_ROWS = 1024
#: Distances that are worked out at a time.
_AT_ONCE = 1 << 20


def strangers(hashes: Hashes, radius: int, *, turned: int | None = None) -> Pairs:
    """A sample of pairs just beyond the radius: the nearest ones that are nearly surely not copies.

    Args:
        hashes: uint64 (n, orientations), as for `hamming_pairs`.
        radius: bits, of upright pairs.
        turned: bits, of mirrored and turned ones (of which two orientations stand for all); default: the same.

    Returns:
        Up to `SAMPLE` upright and up to `SAMPLE` turned pairs, within `BAND` bits beyond their radius.
    """
    n = len(hashes)
    rows = _evenly(n, max(_LEAST_ROWS, _BUDGET // max(n, 1)))
    others = _evenly(n, _BUDGET // max(len(rows), 1))
    step = max(1, _AT_ONCE // max(1, len(others)))
    parts = []
    for orientations, reach in (((0,), radius), ((1, 4), radius if turned is None else turned)):
        found = [np.empty((4, 0), dtype=np.intp)]
        for orientation in orientations:
            there = hashes[others, orientation]
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                distance = np.bitwise_count(hashes[some, :1] ^ there)
                within = (distance > reach) & (distance <= reach + BAND) & (some[:, None] != others)
                row, other = np.nonzero(within)
                turn = np.full(len(row), orientation)
                found.append(np.stack([some[row], others[other], distance[row, other].astype(np.intp), turn]))
        every = np.concatenate(found, axis=1)
        parts.append(every[:, np.linspace(0, every.shape[1] - 1, min(SAMPLE, every.shape[1])).astype(np.intp)])
    i, j, distance, orientation = np.concatenate(parts, axis=1)
    return Pairs(i, j, distance.astype(np.uint8), orientation.astype(np.uint8), distance.astype(np.uint8))


def _evenly(n: int, most: int) -> Ints:
    """At most `most` of the positions 0 to n − 1, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.intp)) if n else np.arange(0)
