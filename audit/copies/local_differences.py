"""What two aligned pictures still differ in, at full detail: the second look that separates look-alikes from copies.

Re-encoding, resizing, brightening and cropping change a picture everywhere alike. So copies, once aligned to a fraction
of a pixel (OpenCV's ECC: Evangelidis & Psarakis, 2008), differ no more in one place than in another, but for edges,
where resampling and quantisation leave more. What differs more in one place (a scratch, a moved hand, the next slice,
another colour) is not the same picture there. And two shots of one scene, by a camera that does not move, have grain of
their own, where a copy has the grain of its original, or has lost it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

#: Longer side, in pixels, at which pictures are compared.
SIDE = 160
#: Of the blur, in pixels, that leaves no detail.
_COARSE = 4.0
#: Logos, dates and captions lie within this share of the sides from an edge.
MARGIN = 0.28
#: Differences of brightness, in grey levels of 255, that alterations leave: everywhere; so many times the median
#: difference; and so much of the contrast around. Of chroma, in units of CIE L*a*b*: everywhere, and of the chroma.
_EVERYWHERE, _OF_MEDIAN, _OF_CONTRAST = 1.9, 2.6, 0.8
_CHROMA, _OF_CHROMA = 10.0, 0.25
#: Of the fit of brightness, per pixel, for levels in [−1, 1].
_RIDGE = 0.002
#: Chroma that only 2 % of a grey picture exceed: a copy may have lost its colour.
_GREY = 5.0
#: Correlation of the grain, in the flattest parts, below which two shots are two. It is judged where both pictures have
#: grain of so many grey levels, of so nearly the same strength: a copy that lost it, or got some, is another thing.
GRAIN, _GRAIN_LEVELS, _GRAIN_RATIO = 0.2, 1.5, 1.6
_BLOCK, _FEWEST_BLOCKS, _FLATTEST = 8, 16, 0.15
#: Pixels each way at most, and how far they may be moved.
_GRAIN_SIDE, _LARGEST_SHIFT = 400, 12


@dataclass(frozen=True)
class Differences:
    """How two pictures differ once they are aligned.

    Attributes:
        anywhere: the largest local difference, of brightness or chroma, relative to what alterations of a whole picture
            leave: above 1 it is another picture there.
        inside: the same, margins apart, where logos and captions lie.
        separate: the pictures are two shots: both have grain, and not the same.
    """

    anywhere: float
    inside: float
    separate: bool


def differences(one: Image.Image, two: Image.Image) -> Differences:
    """Compare two pictures, RGB or grey, that show the same part of a scene in the same orientation, to within a few
    per cent of the side, in any two sizes."""
    size = _common_size(one, two)
    left, right = _scaled(one, size), _scaled(two, size)
    warp = _alignment(_grey(left), _grey(right))
    moved, shared = _warped(right, warp)
    if shared.sum() < _BLOCK**2:
        return Differences(math.inf, math.inf, False)
    expected, backwards = _fits(_grey(left), _grey(moved), shared)
    brightness = _brightness(_grey(left), _grey(moved), expected, backwards, shared)
    # The darker one is brightened, so that what the other cut off at white has lost its colour in both.
    if backwards.mean() > _grey(left).mean():
        left = _brightened(left, backwards)
    else:
        moved = _brightened(moved, expected)
    excess = np.where(shared, np.maximum(brightness, _chroma(left, moved, shared)), 0)
    height, width = shared.shape
    y, x = round(MARGIN * height), round(MARGIN * width)
    inside = excess[y : height - y, x : width - x]
    anywhere, within = float(excess.max()), float(inside.max(initial=0))
    asked = within <= 1 and one.size == two.size
    return Differences(anywhere, within, asked and _separate_grain(one, two, warp[:, 2] * one.width / width))


def detail_correlation(one: Image.Image, two: Image.Image) -> float:
    """Correlation, in [−1, 1], of the detail of two aligned pictures of one size; 0 where one of them has none."""
    left, right = (_grey(_scaled(picture, one.size)) for picture in (one, two))
    details = [(grey - _blur(grey, _COARSE)).ravel() for grey in (left, right)]
    if min(float(detail.std()) for detail in details) < 1e-6:
        return 0.0
    return float(np.corrcoef(details[0], details[1])[0, 1])


def _common_size(one: Image.Image, two: Image.Image) -> tuple[int, int]:
    """(width, height) of both pictures for the comparison: the smaller one's, no longer than SIDE."""
    width, height = min(one.width, two.width), min(one.height, two.height)
    scale = min(1.0, SIDE / max(width, height))
    return max(_BLOCK, round(width * scale)), max(_BLOCK, round(height * scale))


def _scaled(image: Image.Image, size: tuple[int, int]) -> Floats:
    """A picture as (height, width, 3), float32 in [0, 255]."""
    import cv2  # here, for its import takes long

    values = np.asarray(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.float32)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _grey(picture: Floats) -> Floats:
    return np.asarray(picture @ np.array([0.299, 0.587, 0.114], np.float32))


def _blur(picture: Floats, sigma: float) -> Floats:
    import cv2

    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.float32)


def _mean(picture: Floats, side: int) -> Floats:
    import cv2

    return np.asarray(cv2.blur(picture, (side, side)), dtype=np.float32)


def _alignment(one: Floats, two: Floats) -> Floats:
    """The affine map (2, 3) from pixels of the first grey picture to the second; the identity where none is found:
    coarse shapes first, then fine ones."""
    import cv2

    warp, every = np.eye(2, 3, dtype=np.float32), np.full(one.shape, 255, np.uint8)
    for sigma, steps in ((3.0, 20), (1.0, 30)):
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 3e-4)
        try:
            _, found = cv2.findTransformECC(
                _blur(one, sigma), _blur(two, sigma), warp.copy(), cv2.MOTION_AFFINE, criteria, every, 1
            )
        except cv2.error:  # it does not converge: nothing to hold on to, or other pictures
            continue
        warp = np.asarray(found, dtype=np.float32)
    return warp


def _warped(picture: Floats, warp: Floats) -> tuple[Floats, Flags]:
    """The picture where the other one's pixels are, and which of these it has."""
    import cv2

    height, width = picture.shape[:2]
    flags = cv2.INTER_LINEAR + cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(picture, warp, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    there = cv2.warpAffine(np.ones((height, width), np.float32), warp, (width, height), flags=flags)
    return np.asarray(moved, dtype=np.float32), np.asarray(there > 0.99)


def _fits(one: Floats, two: Floats, shared: Flags) -> tuple[Floats, Floats]:
    """Each picture as the other's values make one expect it: the first one, then the second."""
    x, y = two[shared], one[shared]
    usable = (np.minimum(x, y) > 6) & (np.maximum(x, y) < 249)
    usable = usable if usable.mean() > 0.1 else np.ones_like(usable)
    return _fitted(x[usable], y[usable], two), _fitted(y[usable], x[usable], one)


def _brightened(picture: Floats, grey: Floats) -> Floats:
    """A picture in colour with another brightness."""
    return np.clip(picture * (grey / np.maximum(_grey(picture), 1))[..., None], 0, 255).astype(np.float32)


def _brightness(one: Floats, two: Floats, expected: Floats, backwards: Floats, shared: Flags) -> Floats:
    """Local difference of brightness, relative to what alterations leave.

    Each is expected from the other by a parabola (brightness, contrast, gamma): see `_fits`. What one of them cut off
    at black or white is no difference, and neither is what changes slowly over the picture.
    """
    cut = ((two >= 249) & (backwards >= 246)) | ((one >= 249) & (expected >= 246))
    cut |= ((two <= 6) & (backwards <= 9)) | ((one <= 6) & (expected <= 9))
    seen = shared & ~cut
    rest = np.where(seen, one - expected, 0).astype(np.float32)
    rest -= _blur(rest, SIDE / 8)
    apart = np.abs(_blur(rest, 1.2))
    contrast = np.minimum(_contrast(one), _contrast(expected))
    tolerance = _EVERYWHERE + _OF_MEDIAN * float(np.median(apart[shared])) + _OF_CONTRAST * contrast
    return _mean(np.where(seen, apart / tolerance, 0).astype(np.float32), 5)


def _fitted(x: Floats, y: Floats, at: Floats) -> Floats:
    """Values `at` by the parabola that takes x to y: ridge regression of the change, so that grey levels that hardly
    occur are taken for unchanged."""
    levels = x.astype(np.float64) / 127.5 - 1
    terms = np.stack([np.ones_like(levels), levels, levels * levels])
    penalty = np.diag([0.0, _RIDGE, _RIDGE]) * len(x)
    change = np.linalg.solve(terms @ terms.T + penalty + 1e-9 * np.eye(3), terms @ (y - x).astype(np.float64))
    u = at.astype(np.float64) / 127.5 - 1
    return np.clip(at + change[0] + change[1] * u + change[2] * u * u, -50, 305).astype(np.float32)


def _contrast(picture: Floats) -> Floats:
    """Standard deviation of the fine shapes around each pixel."""
    detail = _blur(picture, 0.8) - _blur(picture, 4)
    return np.sqrt(np.maximum(_mean(detail * detail, 5), 0))


def _chroma(one: Floats, two: Floats, shared: Flags) -> Floats:
    """Local difference of chroma, relative to what alterations leave; 0 where one of the pictures is grey.

    More or less saturation, and a cast over the whole picture, are no difference.
    """
    import cv2

    scaled = (np.ascontiguousarray(p / np.float32(255)) for p in (one, two))
    left, right = (_mean(np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2LAB)[..., 1:], np.float32), 7) for p in scaled)
    strength = [np.hypot(p[..., 0], p[..., 1]) for p in (left, right)]
    if min(float(np.quantile(s[shared], 0.98)) for s in strength) < _GREY:
        return np.zeros(shared.shape, np.float32)
    # `take` of whole pixels, and a median of each channel by itself: a mask over pixels and channels takes ten times
    # as long, and gives the same.
    pixels = np.flatnonzero(shared)
    products, squares = ((p * right).reshape(-1, 2).take(pixels, axis=0).sum() for p in (left, right))
    scale = float(products / max(float(squares), 1e-6))
    apart = left - np.clip(scale, 0.5, 2.0) * right
    cast = np.array([np.median(apart[..., channel].take(pixels)) for channel in (0, 1)])
    apart -= np.clip(cast, -8, 8)
    tolerance = _CHROMA + _OF_CHROMA * np.minimum(*strength)
    return _mean((np.hypot(apart[..., 0], apart[..., 1]) / tolerance).astype(np.float32), 5)


def _separate_grain(one: Image.Image, two: Image.Image, shift: Floats) -> bool:
    """Whether two pictures of one size have grain of their own; see GRAIN. Compared pixel by pixel, at the best of the
    whole shifts around `shift` (x, y in pixels) and none: what is resampled loses its grain."""
    import cv2

    left, right = (_middle(np.asarray(image.convert("L"), dtype=np.float32)) for image in (one, two))
    places = _flattest(left)
    if not len(places):
        return False
    # The mixed second derivative: blind to edges along the sides, and to all that changes slowly.
    kernel = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32) / 6
    first, second = (np.asarray(cv2.filter2D(p, -1, kernel), dtype=np.float32) for p in (left, right))
    own = _cut_out(first, places).astype(np.float64)
    seen = []
    x, y = (round(float(v)) for v in shift)
    for move in {(0, 0), *((y + dy, x + dx) for dx in (-1, 0, 1) for dy in (-1, 0, 1))}:
        if max(map(abs, move)) <= _LARGEST_SHIFT:
            other = _cut_out(second, places + np.array(move)).astype(np.float64)
            weak, strong = sorted(float(np.sqrt(np.mean(v * v))) for v in (own, other))
            seen.append((float(np.mean(own * other)) / max(weak * strong, 1e-9), weak, strong))
    correlation, weak, strong = max(seen)
    return correlation < GRAIN and weak >= _GRAIN_LEVELS and strong <= _GRAIN_RATIO * weak


def _middle(picture: Floats) -> Floats:
    """At most _GRAIN_SIDE pixels each way."""
    top, left = (max(0, (n - _GRAIN_SIDE) // 2) for n in picture.shape)
    return picture[top : top + _GRAIN_SIDE, left : left + _GRAIN_SIDE]


def _flattest(picture: Floats) -> Ints:
    """(top, left) of the flattest blocks that are neither black nor white, far enough from the edges to be moved;
    none where too little is left."""
    smooth = _blur(picture, 1.5)
    slope = np.hypot(np.diff(smooth, axis=0)[:, 1:], np.diff(smooth, axis=1)[1:])
    reach = _LARGEST_SHIFT
    height, width = picture.shape
    corners = [(top, left) for top in range(reach, height - reach - _BLOCK, _BLOCK) for left in _columns(width)]
    places = np.array(corners, dtype=np.intp).reshape(-1, 2)
    levels = _cut_out(smooth, places)
    places = places[(levels.min(axis=1, initial=255) > 8) & (levels.max(axis=1, initial=0) < 247)]
    if len(places) * _FLATTEST < _FEWEST_BLOCKS:
        return places[:0]
    order = np.argsort(_cut_out(slope, places).mean(axis=1), kind="stable")
    return places[order[: math.ceil(_FLATTEST * len(places))]]


def _columns(width: int) -> range:
    return range(_LARGEST_SHIFT, width - _LARGEST_SHIFT - _BLOCK, _BLOCK)


def _cut_out(picture: Floats, places: Ints) -> Floats:
    """The blocks at places (top, left) of a picture: (blocks, pixels)."""
    within = np.arange(_BLOCK)
    rows, columns = places[:, :1, None] + within[None, :, None], places[:, 1:, None] + within[None, None, :]
    return np.asarray(picture[rows, columns]).reshape(len(places), _BLOCK * _BLOCK)
