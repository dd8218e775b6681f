"""Lays one picture over another by what both show, however it was turned by a few degrees, cropped, scaled, sheared or
framed: keypoints (SIFT: Lowe, 2004) whose descriptors agree, and the affine map that most of them share (RANSAC:
Fischler & Bolles, 1981), both by OpenCV.

Keypoints of a picture take 15 to 25 ms. Those of half its side take a quarter of that, and show of most pairs of
strangers that they are strangers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

#: Longer side, in pixels, at which keypoints are sought, and how many at most.
_SIDE, _KEYPOINTS = 320, 500
#: The same for a first look at a pair: how many must agree to look on, and of how few nothing can be said. Of 1,065
#: copies among cats, dogs and household rubbish none was lost so (none if 6 had to agree, either), and of 1,243 pairs
#: of strangers 673 were looked at no further: 389 of 450 where no copies were planted, and 112 of 580 of the rubbish,
#: much of which is plain.
_GLANCE_SIDE, _GLANCE_KEYPOINTS, _GLANCE_NEAR = 160, 200, 2.0
_GLANCE_AGREEING, _TOO_FEW = 5, 60
#: A keypoint's nearest descriptor must be nearer than so much of the second nearest (Lowe's ratio).
_RATIO = 0.8
#: Pixels within which a matched keypoint agrees with the map.
_NEAR = 3.0
#: Keypoints that must agree, and as a share of those that were matched: strangers share a few by chance.
_FEWEST, _SHARE = 15, 0.35
#: Changes of the scale that are tried, the most that the axes are scaled apart, and the least cosine of their angle: a
#: picture that is laid over another by more is another one.
_SCALES, _STRETCH, _SHEAR = (0.2, 5.0), 1.4, 0.35
#: What both show: at least so much of the area of the smaller one, for two tiles of a map that overlap show more
#: than one (a picture of 3 : 2 has three quarters in common with itself turned by 30°); and so many pixels each way.
_LEAST_SHARED, _LEAST_SIDE = 0.7, 48


@dataclass(frozen=True)
class Keypoints:
    """Of one picture: `image` (RGB), scaled down; `points` (n, 2) in its pixels; `descriptors` (n, 128)."""

    image: Image.Image
    points: Floats
    descriptors: Floats


@dataclass(frozen=True)
class Shown:
    """A picture that may be laid over others: `image` in RGB, scaled down, and its keypoints at half of that."""

    image: Image.Image
    glance: Keypoints

    @functools.cached_property
    def keypoints(self) -> Keypoints:
        """All of them, sought when they are asked for, and kept."""
        return _keypoints(self.image, _KEYPOINTS)


@dataclass(frozen=True)
class Aligned:
    """The part that two pictures share, cut from one and warped from the other, of one size. `agreeing`: keypoints that
    agree. `moved`: by how much the corners of the second one lie off those of the first, as a share of the diagonal."""

    one: Image.Image
    two: Image.Image
    agreeing: int
    moved: float


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Pictures are looked at side by side: threads of OpenCV's and of BLAS's own would only take the processor from
    each other (SIFT took a fifth longer with them, a match of descriptors six times as long)."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        cv2.setNumThreads(before)


def shown(image: Image.Image) -> Shown:
    """A picture of any mode that Pillow turns to RGB."""
    small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    half = small.copy()
    half.thumbnail((_GLANCE_SIDE, _GLANCE_SIDE), Image.Resampling.BOX)
    return Shown(small, _keypoints(half, _GLANCE_KEYPOINTS))


def _keypoints(image: Image.Image, most: int) -> Keypoints:
    import cv2  # here, for its import takes long

    found, descriptors = cv2.SIFT.create(nfeatures=most).detectAndCompute(np.asarray(image.convert("L")), None)
    points = np.array([p.pt for p in found], np.float32).reshape(-1, 2)
    if descriptors is None:
        return Keypoints(image, points, np.empty((0, 128), np.float32))
    # Hellinger's distance in place of Euclid's ("RootSIFT": Arandjelović & Zisserman, 2012).
    shares = descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-9)
    return Keypoints(image, points, np.sqrt(shares, dtype=np.float32))


def may_align(one: Shown, two: Shown) -> bool:
    """Whether one of two pictures may be laid over the other, by a first look."""
    import cv2

    first, second = one.glance, two.glance
    if min(len(first.points), len(second.points)) < _TOO_FEW:
        return True
    source, target = _matched(second, first)
    if len(source) < _GLANCE_AGREEING:
        return False
    cv2.setRNGSeed(0)
    found, agrees = cv2.estimateAffine2D(source, target, ransacReprojThreshold=_GLANCE_NEAR, maxIters=500)
    return found is not None and int(agrees.sum()) >= _GLANCE_AGREEING


def align(one: Keypoints, two: Keypoints) -> Aligned | None:
    """Lay the second picture over the first; None where nothing shows that both are of one original."""
    import cv2

    source, target = _matched(two, one)
    if len(source) < _FEWEST:
        return None
    cv2.setRNGSeed(0)
    estimated, agrees = cv2.estimateAffine2D(source, target, ransacReprojThreshold=_NEAR, maxIters=2_000)
    if estimated is None:
        return None
    found = np.asarray(estimated, np.float64)
    agreeing = int(agrees.sum())
    if agreeing < max(_FEWEST, _SHARE * len(source)) or not _plausible(found[:, :2]):
        return None
    shared = _shared(one.image.size, two.image.size, found)
    if shared is None:
        return None
    left, top, right, bottom = shared
    moved = cv2.warpAffine(
        np.asarray(two.image),
        found.astype(np.float32),
        one.image.size,
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_REPLICATE,
    )
    box = (left, top, right, bottom)
    off = _corners(two.image.size) @ found[:, :2].T + found[:, 2] - _corners(one.image.size)
    share = float(np.linalg.norm(off, axis=1).max() / np.hypot(*one.image.size))
    return Aligned(one.image.crop(box), Image.fromarray(moved).crop(box), agreeing, share)


def _matched(source: Keypoints, target: Keypoints) -> tuple[Floats, Floats]:
    """Points (n, 2) of either picture whose descriptors are each other's nearest, and much nearer than the next."""
    if min(len(source.points), len(target.points)) < 2:
        return source.points[:0], target.points[:0]
    alike = source.descriptors @ target.descriptors.T
    nearest = alike.argmax(axis=1)
    rows = np.arange(len(nearest))
    mutual = alike.argmax(axis=0)[nearest] == rows
    best = alike[rows, nearest]
    alike[rows, nearest] = -1
    first, second = (np.sqrt(np.maximum(2 - 2 * values, 0)) for values in (best, alike.max(axis=1)))
    kept = mutual & (first < _RATIO * second)
    return source.points[kept], target.points[nearest[kept]]


def _plausible(matrix: npt.NDArray[np.float64]) -> bool:
    """Whether a map (2, 2) is one that people make: no mirror, no squeeze, a little shear."""
    if np.linalg.det(matrix) <= 0:
        return False
    large, small = np.linalg.svd(matrix, compute_uv=False)
    x, y = matrix[:, 0], matrix[:, 1]
    shear = abs(float(x @ y)) / float(np.linalg.norm(x) * np.linalg.norm(y))
    return bool(_SCALES[0] <= small and large <= _SCALES[1] and large <= _STRETCH * small and shear <= _SHEAR)


def _shared(
    one: tuple[int, int], two: tuple[int, int], matrix: npt.NDArray[np.float64]
) -> tuple[int, int, int, int] | None:
    """The largest upright box, about the middle of what both show, that lies within both: left, top, right, bottom in
    pixels of the first. None where it is too small."""
    corners = _corners(two) @ matrix[:, :2].T + matrix[:, 2]
    x, y = np.meshgrid(np.arange(one[0]) + 0.5, np.arange(one[1]) + 0.5)
    inside = np.ones(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0
    smaller = min(one[0] * one[1], two[0] * two[1] * abs(float(np.linalg.det(matrix[:, :2]))))
    if inside.sum() < _LEAST_SHARED * smaller:
        return None
    return _largest_box(inside)


def _corners(size: tuple[int, int]) -> npt.NDArray[np.float64]:
    width, height = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)


def _largest_box(inside: Flags) -> tuple[int, int, int, int] | None:
    """A box within a convex region, grown from its middle: as wide and high as the region, times the largest share that
    fits."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    middle_y, middle_x = (float(np.mean(at)) for at in np.nonzero(inside))
    for share in np.linspace(1, 0.3, 29):
        half_y, half_x = share * (rows[-1] - rows[0]) / 2, share * (columns[-1] - columns[0]) / 2
        top, bottom = max(int(middle_y - half_y), rows[0]), min(int(middle_y + half_y), rows[-1])
        left, right = max(int(middle_x - half_x), columns[0]), min(int(middle_x + half_x), columns[-1])
        if inside[[top, top, bottom, bottom], [left, right, left, right]].all():
            if min(bottom - top, right - left) < _LEAST_SIDE:
                return None
            return int(left), int(top), int(right), int(bottom)
    return None
