"""A second look at candidate pairs: are these two files copies of one picture?

Two pictures of one kind (digits on white, hands before a wall) share the coarse shapes that a perceptual hash
holds. Copies also share the fine ones: grain, edges, stray pixels. So the thumbnails of a candidate pair are turned
upright, aligned over small crops, and correlated twice: the whole picture, and its detail, which is what is left
when the coarse shapes are taken away. How much detail two *different* pictures share depends on the dataset (much
among digits, little among photographs), so the threshold is set by the dataset's own bulk of candidates.
At last, the survivors are compared on full decodes: by a 256-bit hash (imagehash), or pixel by pixel.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm

from audit.scan import THUMBNAIL
from audit.tables import ORIENTATIONS

Progress = Callable[[int, int], None]
Floats = npt.NDArray[np.float32]

#: Shares of a picture that a crop may have left.
CROPS = (1.0, 0.95, 0.9)
#: Correlation of the whole pictures that copies reach (one with a caption stuck on reached 0.72).
MIN_SIMILARITY = 0.7
#: Correlation of the detail: never asked for less than the first, nor for more than the second. Measured on
#: re-encoded, resized, brightened and cropped copies: photographs ≥ 0.93, 32-pixel photographs ≥ 0.72, digits ≥ 0.91;
#: different photographs of hands ≤ 0.82, different digits ≤ 0.96.
MIN_DETAIL, MAX_DETAIL = 0.7, 0.95
#: Expected number of wrongly confirmed pairs in the whole dataset, if detail is normal after Fisher's z.
EXPECTED_FALSE = 0.05
#: Share of differing bits of the 256-bit hashes that two full decodes of copies stay below.
MAX_HASH_SHARE = 0.25

#: Pictures whose crops are held at once: 160 kB each.
_CHUNK = 256
_COARSE_SIGMA = 1.5


@dataclass(frozen=True)
class Looks:
    """What the second look saw, one value per pair: float32 correlations in [−1, 1], and the best window:
    (on the first picture?, top, bottom, left, right) as shares of the side."""

    similarity: Floats
    detail: Floats
    first: npt.NDArray[np.bool_]
    window: Floats


def _windows() -> Floats:
    boxes = {(0.0, 1.0, 0.0, 1.0)}
    for crop in CROPS[1:]:
        slack = 1 - crop
        for top in (0.0, slack / 2, slack):
            for left in (0.0, slack / 2, slack):
                boxes.add((top, top + crop, left, left + crop))
    return np.array(sorted(boxes, key=lambda b: (b[0] - b[1], b)), dtype=np.float32)


def _resample(low: float, high: float, side: int) -> Floats:
    """Matrix (side, side) that reads the interval [low, high] of a line of pixels, linearly interpolated."""
    at = (low + (np.arange(side) + 0.5) / side * (high - low)) * side - 0.5
    left = np.floor(at).astype(int)
    weight = at - left
    matrix = np.zeros((side, side), dtype=np.float32)
    rows = np.arange(side)
    np.add.at(matrix, (rows, np.clip(left, 0, side - 1)), 1 - weight)
    np.add.at(matrix, (rows, np.clip(left + 1, 0, side - 1)), weight)
    return matrix


@lru_cache(maxsize=1)
def _operators() -> list[tuple[Floats, Floats, Floats, Floats]]:
    blur = gaussian_filter1d(np.eye(THUMBNAIL, dtype=np.float32), _COARSE_SIGMA, axis=0)
    pairs = [(_resample(t, b, THUMBNAIL), _resample(left, r, THUMBNAIL)) for t, b, left, r in _windows()]
    return [(rows, columns, blur @ rows, blur @ columns) for rows, columns in pairs]


def _apply(pictures: Floats, rows: Floats, columns: Floats) -> Floats:
    """rows @ picture @ columns.T for each picture, as two plain matrix products."""
    half = pictures @ columns.T
    return np.ascontiguousarray((half.transpose(0, 2, 1) @ rows.T).transpose(0, 2, 1))


def _unit(pictures: Floats) -> Floats:
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    length = np.sqrt(np.square(centred).sum(axis=(1, 2), keepdims=True))
    return centred / np.maximum(length, 1e-6)


def turn(pictures: npt.NDArray[np.float32], orientation: int) -> npt.NDArray[np.float32]:
    """Pictures (n, side, side) in one of `tables.ORIENTATIONS`."""
    flipped = pictures[:, :, ::-1] if orientation >= 4 else pictures
    return np.rot90(flipped, orientation % 4, axes=(1, 2))


def look(
    thumbnails: npt.NDArray[np.uint8],
    i: npt.NDArray[np.int64],
    j: npt.NDArray[np.int64],
    orientation: npt.NDArray[np.uint8],
    *,
    progress: Progress | None = None,
) -> Looks:
    """Compare pairs of thumbnails, the second one turned into `orientation`.

    Args:
        thumbnails: uint8 (n, 32, 32).
        i, j: indices of the pairs, (pairs,).
        orientation: index into `tables.ORIENTATIONS`, (pairs,).
        progress: called with (pairs done, pairs in all).
    """
    n = len(i)
    report = progress or (lambda done, total: None)
    # Once with crops of the first picture against the whole second one, once the other way round. The crops are
    # symmetrical, so that turning the second by T is the same as turning the first by T's inverse.
    one = _crops_against(thumbnails, i, j, orientation, lambda done: report(done // 2, n))
    two = _crops_against(thumbnails, j, i, _INVERSE[orientation], lambda done: report((n + done) // 2, n))
    first = one[0] >= two[0]
    boxes = _windows()
    window = boxes[np.where(first, one[2], two[2])]
    similarity, detail = np.where(first, one[0], two[0]), np.where(first, one[1], two[1])
    return Looks(np.clip(similarity, -1, 1), np.clip(detail, -1, 1), first, window)


# Position in ORIENTATIONS of the one that undoes each: mirrored ones undo themselves.
_INVERSE = np.array([0, 3, 2, 1, 4, 5, 6, 7])


def _crops_against(
    thumbnails: npt.NDArray[np.uint8],
    cropped: npt.NDArray[np.int64],
    whole: npt.NDArray[np.int64],
    orientation: npt.NDArray[np.integer],
    report: Callable[[int], None],
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """For each pair, over all crops of the one: the best correlation with the whole other, turned picture; the
    correlation of their detail at that crop; and the crop's index."""
    n = len(cropped)
    similarity, detail, best = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.int64)
    order = np.argsort(cropped, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(cropped[order]) > 0]) if n else np.empty(0, np.int64)
    stops = np.r_[starts[1:], n]
    for chunk in range(0, len(starts), _CHUNK):
        images = cropped[order[starts[chunk : chunk + _CHUNK]]]
        crops, fine = _descriptors(thumbnails[images].astype(np.float32))
        for at, (start, stop) in enumerate(
            zip(starts[chunk : chunk + _CHUNK], stops[chunk : chunk + _CHUNK], strict=True)
        ):
            rows = order[start:stop]
            others = np.empty((len(rows), THUMBNAIL, THUMBNAIL), np.float32)
            for o in np.unique(orientation[rows]):
                turned = orientation[rows] == o
                others[turned] = turn(thumbnails[whole[rows[turned]]].astype(np.float32), int(o))
            plain, sharp = _whole(others)
            scores = plain @ crops[at].T
            chosen = scores.argmax(axis=1)
            best[rows], similarity[rows] = chosen, scores[np.arange(len(rows)), chosen]
            detail[rows] = np.einsum("nk,nk->n", sharp, fine[at][chosen])
        report(int(stops[min(chunk + _CHUNK, len(starts)) - 1]))
    return similarity, detail, best


def _whole(pictures: Floats) -> tuple[Floats, Floats]:
    """Whole pictures, and their detail, as unit vectors (n, pixels)."""
    _, _, blur, _ = _operators()[0]
    n = len(pictures)
    return _unit(pictures).reshape(n, -1), _unit(pictures - _apply(pictures, blur, blur)).reshape(n, -1)


def _descriptors(pictures: Floats) -> tuple[Floats, Floats]:
    """All crops of pictures, and the crops' detail, as unit vectors (n, crops, pixels)."""
    plain, fine = [], []
    for rows, columns, blur_rows, blur_columns in _operators():
        cut = _apply(pictures, rows, columns)
        plain.append(_unit(cut).reshape(len(pictures), -1))
        fine.append(_unit(cut - _apply(pictures, blur_rows, blur_columns)).reshape(len(pictures), -1))
    return np.stack(plain, axis=1), np.stack(fine, axis=1)


def detail_threshold(
    detail: Floats, distance: npt.NDArray[np.uint8], orientation: npt.NDArray[np.uint8], radius: int
) -> npt.NDArray[np.float64]:
    """Correlation of detail from which on each candidate is a copy, from the crowd of candidates itself.

    The candidates at the rim of the hash radius are nearly all different pictures. Their detail, after Fisher's z
    transformation, is close to normal, and grows a little as hashes come closer. The threshold is where
    `EXPECTED_FALSE` of all candidates would lie above it, fitted for upright and for turned pairs apart. With fewer
    than 30 at the rim there is no crowd of look-alikes to beware of, and `MIN_DETAIL` holds.

    Args:
        detail: correlations, (pairs,).
        distance: Hamming distances in bits, (pairs,).
        orientation: 0 for upright pairs, (pairs,).
        radius: the largest distance of candidates.

    Returns:
        One threshold per pair, in [MIN_DETAIL, MAX_DETAIL].
    """
    threshold = np.full(len(detail), MIN_DETAIL)
    z = np.arctanh(np.clip(detail.astype(np.float64), -0.999, 0.999))
    deviations = norm.isf(min(0.5, EXPECTED_FALSE / max(1, len(detail))))
    for group in (orientation == 0, orientation != 0):
        rim = group & (distance > radius - 5)
        if rim.sum() < 30:
            continue
        bits = distance[rim]
        steps = [b for b in np.unique(bits) if (bits == b).sum() >= 20]
        medians = [float(np.median(z[rim][bits == b])) for b in steps]
        slope = min(0.0, float(np.polyfit(steps, medians, 1)[0])) if len(steps) > 1 else 0.0
        # The 95th percentile, because the rim may hold a few copies beyond it.
        middle, high = np.percentile(z[rim], [50, 95])
        sigma = (high - middle) / norm.ppf(0.95)
        expected = middle + slope * (distance[group] - np.median(bits))
        threshold[group] = np.tanh(expected + deviations * sigma)
    return np.clip(threshold, MIN_DETAIL, MAX_DETAIL)


@contextlib.contextmanager
def _decoding(path: Path) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of size, which the scan has judged
        with Image.open(path) as image:
            image.load()
            yield image


def same_pixels(one: Path, two: Path) -> bool:
    """Whether two files decode to the same size and the same RGB pixels. Raises OSError when one can't be decoded."""
    with _decoding(one) as a, _decoding(two) as b:
        return a.size == b.size and np.array_equal(np.asarray(a.convert("RGBA")), np.asarray(b.convert("RGBA")))


def hash_share(one: Path, two: Path, orientation: int, first: bool, window: Floats) -> float:
    """Share of differing bits, in [0, 1], of the 256-bit perceptual hashes of two full decodes, after turning the
    second into `orientation` and cutting the first (or else the second) to `window`.

    Raises:
        OSError: when a file can't be decoded.
    """
    with _decoding(one) as a, _decoding(two) as b:
        left, right = a.convert("L"), _turned(b.convert("L"), orientation)
    if first:
        left = _cut(left, window)
    else:
        right = _cut(right, window)
    return (imagehash.phash(left, hash_size=16) - imagehash.phash(right, hash_size=16)) / 256


_TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    if ORIENTATIONS[orientation].startswith("flip"):
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    operation = _TURNS[orientation % 4]
    return image if operation is None else image.transpose(operation)


def _cut(image: Image.Image, window: Floats) -> Image.Image:
    top, bottom, left, right = (float(x) for x in window)
    return image.crop(
        (
            round(left * image.width),
            round(top * image.height),
            round(right * image.width),
            round(bottom * image.height),
        )
    )
