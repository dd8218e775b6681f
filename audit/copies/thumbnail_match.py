"""A second look at candidate pairs, on their thumbnails: could these be copies of one picture?

Two pictures of one kind (digits on white, hands before a wall) share the coarse shapes that a perceptual hash
holds. Copies also share the fine ones: grain, edges, stray pixels. So the thumbnails of a candidate pair are turned
upright, aligned over small crops, and correlated twice: the whole picture, and its detail, which is what is left
when the coarse shapes are taken away. How much detail two *different* pictures share depends on the dataset (much
among digits, little among photographs), so the threshold is set by the dataset's own look-alikes: pairs just beyond
the hash radius, which are nearly surely no copies.

Most candidates are no copies. All of them get a `glance` at a quarter of the pixels; only those that may pass are
looked at in full. The arithmetic of windows and correlations is in `audit.copies.aligned_crops`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from imageclinic.audit.copies.aligned_crops import (
    against,
    correlation,
    crops_of,
    detail_of,
    halved,
    upright_pairs,
    window_boxes,
)
from imageclinic.audit.copies.hamming import THREADS

Progress = Callable[[int, int], None]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

#: Correlation of the whole pictures that copies reach (one with a caption stuck on reached 0.72).
MIN_SIMILARITY = 0.7
#: Correlation of the detail: never asked for less than the first, nor for more than the second. Measured on
#: re-encoded, resized, brightened and cropped copies: photographs ≥ 0.93, 32-pixel photographs ≥ 0.72, digits ≥ 0.91;
#: different photographs of hands ≤ 0.82, different digits ≤ 0.96.
MIN_DETAIL, MAX_DETAIL = 0.7, 0.95
#: Expected number of wrongly confirmed pairs in the whole dataset, if detail is normal after Fisher's z.
EXPECTED_FALSE = 0.05

#: Similarity and detail that copies reach at a `glance`. Of 5,400 altered copies that pass the full look, none was
#: below 0.70 and 0.54; of look-alikes among photographs 4 to 15 % are above both, among digits 9 to 52 %.
GLANCE = (0.68, 0.45)
_TRIED = 3

#: Pairs whose crops are held at once: 80 kB each.
_CHUNK = 64


@dataclass(frozen=True)
class Looks:
    """What the second look saw, one value per pair: correlations in [−1, 1], and the best window: (on the first
    picture?, top, bottom, left, right) as shares of the side of the turned pictures."""

    similarity: Floats
    detail: Floats
    first: Flags
    window: Floats

    def only(self, rows: Ints) -> Looks:
        """Those of some pairs."""
        return Looks(self.similarity[rows], self.detail[rows], self.first[rows], self.window[rows])


def _chunked(work: Callable[[slice, Floats], None], n: int, side: int, progress: Progress | None) -> None:
    """Do `work` on slices of n pairs, in threads (numpy lets them run side by side). Each thread has room for the
    crops of both pictures of a slice: memory that the system has to find again every time costs more than the work."""
    room = threading.local()

    def task(part: slice) -> int:
        if not hasattr(room, "crops"):
            room.crops = np.empty((_CHUNK, 2 * len(window_boxes()), side, side), np.float32)
        work(part, room.crops[: part.stop - part.start])
        return part.stop

    slices = [slice(at, min(at + _CHUNK, n)) for at in range(0, n, _CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        for done in pool.map(task, slices):
            if progress:
                progress(done, n)


def likely(
    thumbnails: Bytes,
    i: Ints,
    j: Ints,
    distance: Bytes,
    orientation: Bytes,
    strangers: tuple[Ints, Ints, Bytes, Bytes],
    *,
    progress: Progress | None = None,
) -> tuple[Ints, Looks, Flags]:
    """Which candidate pairs look like copies.

    Args:
        thumbnails: uint8 (n, side, side).
        i, j: indices of the pairs, (pairs,).
        distance: Hamming distances of their hashes, in bits, (pairs,).
        orientation: of the second one, index into `tables.ORIENTATIONS`, (pairs,).
        strangers: i, j, distance and orientation of pairs just beyond the radius, which are nearly surely no copies.
        progress: called with (pairs done, pairs in all).

    Returns:
        The positions of pairs that reach MIN_SIMILARITY and MIN_DETAIL, what was seen of them, and whether they reach
        the threshold that this dataset sets, see `detail_threshold`.
    """
    similarity, detail = glance(thumbnails, i, j, orientation, progress=progress)
    may_pass = (similarity >= GLANCE[0]) & (detail >= GLANCE[1])
    at = np.flatnonzero(may_pass)
    seen = look(thumbnails, i[at], j[at], orientation[at])
    crowd_i, crowd_j, crowd_distance, crowd_orientation = strangers
    threshold = np.full(len(at), MIN_DETAIL)
    for turned in (False, True):
        inside, alike = (orientation[at] != 0) == turned, np.flatnonzero((crowd_orientation != 0) == turned)
        if inside.any():  # else nobody has to stand out from these strangers
            crowd = look(thumbnails, crowd_i[alike], crowd_j[alike], crowd_orientation[alike]).detail
            threshold[inside] = detail_threshold(crowd, crowd_distance[alike], distance[at[inside]], len(i))
    good = np.flatnonzero((seen.similarity >= MIN_SIMILARITY) & (seen.detail >= MIN_DETAIL))
    return at[good], seen.only(good), seen.detail[good] >= threshold[good]


def detail_threshold(crowd: Floats, crowd_distance: Bytes, distance: Bytes, candidates: int) -> npt.NDArray[np.float64]:
    """Correlation of detail from which on each candidate is a copy, from pairs just beyond the hash radius.

    These are nearly all different pictures, however many copies a dataset holds. Their detail, after Fisher's z
    transformation, is close to normal, and grows a little as hashes come closer: that growth is carried on into the
    radius. The threshold is where `EXPECTED_FALSE` of all candidates would lie above it. With fewer than 30 such
    pairs there is no crowd of look-alikes to beware of, and `MIN_DETAIL` holds.

    Args:
        crowd: correlations of the pairs beyond the radius, (m,).
        crowd_distance: their Hamming distances in bits, (m,).
        distance: Hamming distances of the candidates to judge, (pairs,).
        candidates: number of candidates in the whole dataset.

    Returns:
        One threshold per candidate to judge, in [MIN_DETAIL, MAX_DETAIL].
    """
    if len(crowd) < 30:
        return np.full(len(distance), MIN_DETAIL)
    z = np.arctanh(np.clip(crowd.astype(np.float64), -0.999, 0.999))
    steps = [b for b in np.unique(crowd_distance) if (crowd_distance == b).sum() >= 20]
    medians = [float(np.median(z[crowd_distance == b])) for b in steps]
    slope = min(0.0, float(np.polyfit(steps, medians, 1)[0])) if len(steps) > 1 else 0.0
    # The 95th percentile, because a few may be copies all the same.
    middle, high = np.percentile(z, [50, 95])
    sigma = (high - middle) / NormalDist().inv_cdf(0.95)
    deviations = -NormalDist().inv_cdf(min(0.5, EXPECTED_FALSE / max(1, candidates)))
    expected = middle + slope * (distance - np.median(crowd_distance))
    return np.clip(np.tanh(expected + deviations * sigma), MIN_DETAIL, MAX_DETAIL)


def glance(
    thumbnails: Bytes, i: Ints, j: Ints, orientation: Bytes, *, progress: Progress | None = None
) -> tuple[Floats, Floats]:
    """What `look` sees, about, at half the side and a quarter of the cost.

    Similarity is a little higher there. Detail is finer than what `look` calls detail, and suffers where the true crop
    lies between the windows, so the best of `_TRIED` windows counts. It is −1 where similarity is hopeless.
    """
    similarity, detail = np.empty(len(i), np.float32), np.full(len(i), -1, np.float32)

    windows = len(window_boxes())

    def work(part: slice, crops: Floats) -> None:
        one, two = (halved(p) for p in upright_pairs(thumbnails, i[part], j[part], orientation[part]))
        scores = np.concatenate(
            [
                against(crops_of(one, crops[:, :windows]), two),
                against(crops_of(two, crops[:, windows:]), one),
            ],
            axis=1,
        )
        similarity[part] = scores.max(axis=1)
        hope = np.flatnonzero(similarity[part] >= GLANCE[0])
        best = np.argsort(-scores[hope], axis=1)[:, :_TRIED]
        found = detail[part][hope]
        for window in best.T:
            whole = np.where((window < windows)[:, None, None], two[hope], one[hope])
            found = np.maximum(
                found,
                correlation(detail_of(crops[hope, window], 0.5), detail_of(whole, 0.5)),
            )
        detail[part][hope] = found

    _chunked(work, len(i), thumbnails.shape[1] // 2, progress)
    return similarity, detail


def look(thumbnails: Bytes, i: Ints, j: Ints, orientation: Bytes) -> Looks:
    """Compare pairs of thumbnails: each against all crops of the other.

    Args:
        thumbnails: uint8 (n, side, side).
        i, j: indices of the pairs, (pairs,).
        orientation: of the second ones, index into `tables.ORIENTATIONS`, (pairs,).
    """
    n = len(i)
    similarity, detail = np.empty(n, np.float32), np.empty(n, np.float32)
    first, best = np.empty(n, np.bool_), np.empty(n, np.intp)

    windows = len(window_boxes())

    def work(part: slice, crops: Floats) -> None:
        one, two = upright_pairs(thumbnails, i[part], j[part], orientation[part])
        scores = np.stack(
            [
                against(crops_of(one, crops[:, :windows]), two),
                against(crops_of(two, crops[:, windows:]), one),
            ]
        )
        first[part] = scores[0].max(axis=1) >= scores[1].max(axis=1)
        rows, which = np.arange(len(one)), (~first[part]).astype(np.intp)
        best[part] = scores.argmax(axis=2)[which, rows]
        similarity[part] = scores[which, rows, best[part]]
        whole = np.where(first[part][:, None, None], two, one)
        detail[part] = correlation(detail_of(crops[rows, best[part] + windows * which]), detail_of(whole))

    _chunked(work, n, thumbnails.shape[1], None)
    return Looks(np.clip(similarity, -1, 1), np.clip(detail, -1, 1), first, window_boxes()[best])
