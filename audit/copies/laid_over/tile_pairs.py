"""Pairs of which one picture may hold the other: as a tile of a collage, or within a wide frame.

Neither a hash nor an embedding of the whole picture sees that. But a thumbnail of 32 × 32 pixels is enough to hash a
third of it, so the hashes of all tiles are had without decoding anything, and are searched like those of whole
pictures. What is found are candidates; pixels have the last word (`embedding_pairs.confirm`).

Of 40 tiles each, of collages of Caltech-101's pictures, the hashes of 90 % (2 × 2), 90 % (1 × 3) and 95 % (1 × 2) lay
within the radius of the original's; of 500 other pictures no pair did.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imageclinic.audit.copies.hamming import Search
from imageclinic.audit.copies.hamming import search as hamming_search
from imageclinic.audit.scan.pictures import image_statistics, plain_bars
from imageclinic.core import tables

Ints = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]

#: Bits by which the hash of a tile may differ from that of a whole picture.
RADIUS = 8
#: Rows and columns of collages.
GRIDS = ((1, 2), (2, 1), (2, 2), (1, 3), (3, 1))
#: Candidates at most, for each image and in small sets.
EACH, LEAST = 0.2, 1_000
#: Lines beyond a frame's that are cut away with it, for its edge is blurred in a thumbnail; and the least frame.
_BEYOND, _FRAME = (0.5, 1.0), 2
#: Grey levels by which a tile must deviate from plain.
_CONTRAST = 8.0
_SIDE = image_statistics.THUMBNAIL

_Box = tuple[float, float, float, float]


def candidates(
    thumbnails: Bytes, hashes: Hashes, *, search: Search = hamming_search
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Pairs of which one picture may hold the other.

    Args:
        thumbnails: uint8 (n, side, side), grey.
        hashes: uint64 (n,), of the whole pictures, upright.
        search: searches sets of hashes.

    Returns:
        (m, 2) positions, i < j, each pair once, the nearest first; and whether one may be a tile of the other, rather
        than framed by it.
    """
    holder, whole, distance, tile = _held(thumbnails, hashes, search)
    other = holder != whole
    pairs = np.sort(np.stack([holder, whole], axis=1), axis=1)[other]
    pairs, tile = _each_once(pairs, distance[other], tile[other])
    most = max(LEAST, int(EACH * len(hashes)))
    return pairs[:most], tile[:most]


def candidates_between(
    new: tuple[Bytes, Hashes], known: tuple[Bytes, Hashes], *, search: Search = hamming_search
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Pairs of a new and a known picture of which one may hold the other.

    Args:
        new, known: thumbnails and hashes, see `candidates`.
        search: searches sets of hashes.

    Returns:
        (pairs, 2) positions, in `new` and in `known`, each pair once, the nearest first; and whether one may be a tile.
    """
    holder, whole, distance, tile = _held(new[0], known[1], search)
    known_holder, new_whole, *rest = _held(known[0], new[1], search)
    pairs = np.concatenate([np.stack([holder, whole], axis=1), np.stack([new_whole, known_holder], axis=1)])
    return _each_once(pairs, np.concatenate([distance, rest[0]]), np.concatenate([tile, rest[1]]))


def _held(
    thumbnails: Bytes, hashes: Hashes, search: Search
) -> tuple[Ints, Ints, npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Pictures of which a part looks like another one: rows of `thumbnails` and of `hashes`, the distance, and whether
    the part is a tile."""
    holder, parts, tile = _parts(thumbnails)
    none = np.empty(0, np.intp)
    found: list[tuple[Ints, Ints, npt.NDArray[np.uint8]]] = [(none, none, np.empty(0, np.uint8))]

    def take(left: Ints, right: Ints, distance: npt.NDArray[np.uint8]) -> bool:
        found.append((left.copy(), right.copy(), distance.copy()))
        return True

    if len(parts) and len(hashes):
        search(parts, hashes, RADIUS, take)
    part, whole, distance = (np.concatenate(each) for each in zip(*found, strict=True))
    return holder[part], whole, distance, tile[part]


def _each_once(
    pairs: Ints, distance: npt.NDArray[np.uint8], tile: npt.NDArray[np.bool_]
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Pairs of two pictures, each once, the nearest first, and which may be tiles."""
    order = np.lexsort((tile, pairs[:, 1], pairs[:, 0], distance))
    _, first = np.unique(pairs[order], axis=0, return_index=True)
    kept = order[np.sort(first)]
    return np.asarray(pairs[kept], np.intp), tile[kept]


def joined(pairs: Ints, thumbnails: Bytes, hashes: Hashes) -> tuple[Ints, Ints]:
    """Pairs with the `candidates` among the same pictures, each once, and those of them that may be tiles, as numbers
    (`numbered`)."""
    more, tile = candidates(thumbnails, hashes)
    both = np.unique(np.concatenate([pairs, more]), axis=0)
    return both, numbered(more[tile, 0], more[tile, 1], len(hashes))


def numbered(i: Ints, j: Ints, n: int) -> Ints:
    """One number for each pair of n pictures."""
    return np.asarray(i.astype(np.int64) * n + j)


def transforms(pairs: Ints, tiled: Ints, moved: npt.NDArray[np.bool_]) -> npt.NDArray[np.str_]:
    """What pairs are, in `core.schema.TRANSFORMS`: `pairs` and those that may be tiles as numbers (`numbered`)."""
    return np.select([np.isin(pairs, tiled), moved], [tables.TILE, tables.ALIGNED], "identity")


def _parts(thumbnails: Bytes) -> tuple[Ints, Hashes, npt.NDArray[np.bool_]]:
    """For each part: the picture that it is of, its hash, and whether it is a tile (or else what a frame holds)."""
    everyone = np.arange(len(thumbnails))
    rows, hashes, tile = [], [], []
    for box in (box for grid in GRIDS for box in _tiles(*grid)):
        cut = _cut(thumbnails, box)
        shaped = cut.std(axis=(1, 2)) >= _CONTRAST
        rows.append(everyone[shaped])
        hashes.append(image_statistics.phashes(cut[shaped])[:, 0])
        tile.append(np.ones(len(rows[-1]), bool))
    bars = plain_bars.bars(thumbnails)
    for at in np.flatnonzero((bars >= _FRAME).sum(axis=1) >= 2):
        for beyond in _BEYOND:
            upper, lower, left, right = (n + beyond * (n > 0) for n in bars[at].tolist())
            cut = _cut(thumbnails[at : at + 1], (left, upper, _SIDE - right, _SIDE - lower))
            rows.append(everyone[at : at + 1])
            hashes.append(image_statistics.phashes(cut)[:, 0])
            tile.append(np.zeros(1, bool))
    return np.concatenate(rows), np.concatenate(hashes), np.concatenate(tile)


def _tiles(rows: int, columns: int) -> list[_Box]:
    """Left, top, right and bottom of each tile, in pixels of a thumbnail."""
    width, height = _SIDE / columns, _SIDE / rows
    return [(x * width, y * height, (x + 1) * width, (y + 1) * height) for y in range(rows) for x in range(columns)]


def _cut(thumbnails: Bytes, box: _Box) -> Bytes:
    """A part of each thumbnail, enlarged to the whole size by linear interpolation: (n, side, side)."""
    left, top, right, bottom = box
    across, down = _reading(left, right), _reading(top, bottom)
    return np.asarray(np.clip(np.round(down @ (thumbnails.astype(np.float32) @ across.T)), 0, 255), np.uint8)


def _reading(low: float, high: float) -> npt.NDArray[np.float32]:
    """Matrix (side, side) that reads an interval of a line of pixels, and none beyond it."""
    at = np.clip(low + (np.arange(_SIDE) + 0.5) / _SIDE * (high - low) - 0.5, np.ceil(low), np.floor(high) - 1)
    before = np.floor(at).astype(int)
    weight = (at - before).astype(np.float32)
    matrix = np.zeros((_SIDE, _SIDE), np.float32)
    rows = np.arange(_SIDE)
    np.add.at(matrix, (rows, before), 1 - weight)
    np.add.at(matrix, (rows, np.minimum(before + 1, _SIDE - 1)), weight)
    return matrix
