"""Crowds of look-alikes; in a large dataset found without looking at all of their pairs, which are k(k−1)/2 of k.

A few images, evenly spaced, are asked who is near to them. Whoever is near to many of these stands in a crowd and
leaves; then four times as many are asked, until a quarter of all is. As large crowds have left by then, each round
finds a bounded number of pairs for each image.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imageclinic.audit.copies import hamming

#: With fewer images the pairs of any crowd can be looked at.
FEWEST = 100_000
#: Asked in the first round; near to more than so many of those that are asked stands for a crowd.
_FIRST, _SURE = 64, 8
#: An image that looks like more than so many others, and like more than this share of a dataset, is one of a fixed
#: camera's, or of one kind of page: an original whose copies are so large a part of a dataset is not met with.
SCENE = (30, 0.25)

Ints = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]


def crowds(left: Hashes, right: Hashes | None, active: Ints, bits: int, most: int) -> tuple[Ints, Ints]:
    """Images that have surely more than `most` others at exactly `bits` bits.

    Args:
        left: uint64 (n,), one hash for each image.
        right: uint64 (n, each), further hashes of each image; None: `left`.
        active: positions of the images that are looked at.
        bits: distance, at least 1: equal hashes are few, see `candidate_pairs.MAX_EQUAL`.
        most: others that an image may have.

    Returns:
        Positions of those images, and for each the first of those asked that it is near to.
    """
    others = left[:, None] if right is None else right
    found: list[tuple[Ints, Ints]] = []
    asked = _FIRST
    while len(active) >= FEWEST and asked <= len(active) // 4:
        some = active[np.linspace(0, len(active) - 1, asked).astype(np.intp)]
        near, first = _near(left, others, active, some, bits)
        # One that has `most` others in all is near to so many of those asked, on average.
        inside = near[active] > max(_SURE, 2 * most * asked / len(active))
        if inside.any():
            crowd = active[inside]
            found.append((crowd, first[crowd]))
            active = active[~inside]
        asked *= 4
    if not found:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    crowd, first = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(crowd)
    return crowd[order], first[order]


def _near(left: Hashes, others: Hashes, active: Ints, some: Ints, bits: int) -> tuple[Ints, Ints]:
    """For each image, how many of `some` are at exactly `bits` bits of it, and the first of them; `others` has the
    hashes of each image in a row."""
    near, first = np.zeros(len(left), np.intp), np.full(len(left), len(left))
    each = others.shape[1]

    def count(p: Ints, q: Ints, distance: Bytes) -> bool:
        one, other = active[p], some[q // each]
        kept = (distance == bits) & (one != other)
        np.add.at(near, one[kept], 1)
        np.minimum.at(first, one[kept], other[kept])
        return True

    hamming.search(left[active], np.ascontiguousarray(others[some]).ravel(), bits, count)
    return near, first


def one_scene(i: Ints, j: Ints, n: int, notes: list[str]) -> npt.NDArray[np.bool_]:
    """Which of these pairs are between images that are each like a large part of all n; see SCENE."""
    degree = np.bincount(np.concatenate([i, j]), minlength=n)
    scene = degree > max(SCENE[0], SCENE[1] * n)
    inside = scene[i] & scene[j]
    if inside.any():
        notes.append(
            f"{scene.sum():,} images show one scene, as from a camera that does not move: each looks like more than "
            f"{SCENE[1]:.0%} of all, which says nothing about copies. They were compared for equal pixels only; if "
            "some of them belong together in one split, say so in a group column"
        )
    return inside
