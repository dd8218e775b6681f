"""Small pictures → statistics, thumbnails and perceptual hashes, a batch at a time. Pure numpy.

A picture's numbers do not depend on the others in its batch.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from imageclinic.audit.scan.pictures.decoded_picture import LARGE
from imageclinic.audit.scan.pictures.plain_bars import border
from imageclinic.core.schema import ORIENTATIONS

#: Side of the grey square that the perceptual hash is computed from, and that is kept as a thumbnail.
THUMBNAIL = 32

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

# Perceived brightness, http://alienryderflex.com/hsp.html, as CleanVision uses it.
_PERCEIVED = np.array([0.241, 0.691, 0.068], dtype=np.float32)
# ITU-R 601 in 16-bit fixed point, as Pillow's convert("L"): sums stay below 2²⁴, so float32 is exact.
_GREY = np.array([19595, 38470, 7471], dtype=np.float32)


def statistics(colour: Bytes, grey: Bytes | None = None) -> dict[str, npt.NDArray[Any]]:
    """Everything that is computed from pixels.

    Args:
        colour: uint8 (n, 32, 32, 3), as `audit.scan.decode` makes them.
        grey: uint8 (n, 64, 64), of images larger than that.

    Returns:
        The pixel columns of the features table without `pixel_hash`, each of shape (n,), and `thumbnail`, uint8
        (n, 1024). Percentiles are read from a histogram of 256 bins.
    """
    planes = np.ascontiguousarray(colour.transpose(0, 3, 1, 2))
    values = planes.astype(np.float32)
    sampled = np.floor((np.einsum("nchw,c->nhw", values, _GREY) + 32768) / 65536)
    luminance = np.sqrt(np.einsum("nchw,c->nhw", np.square(values), _PERCEIVED)) / np.float32(255)
    spread = planes.max(axis=1) - planes.min(axis=1)
    counts = _histogram((luminance * 255 + 0.5).astype(np.uint8))
    share = _histogram(sampled.astype(np.uint8)) / (sampled.shape[1] * sampled.shape[2])
    picture = sampled if grey is None else grey.astype(np.float32)
    thumbnails = thumbnail(picture)
    hashes = phashes(thumbnails)
    return {
        **{f"phash_{o}": hashes[:, at] for at, o in enumerate(ORIENTATIONS)},
        "luminance_mean": np.clip(luminance.mean(axis=(1, 2)), 0, 1),
        "luminance_p05": (_percentile(counts, 5) / 255).astype(np.float32),
        "luminance_p99": (_percentile(counts, 99) / 255).astype(np.float32),
        "contrast": np.sqrt(_variance(luminance)),
        "entropy": np.maximum(0, -np.sum(share * np.log2(np.where(share > 0, share, 1)), axis=1)).astype(np.float32),
        "sharpness": sharpness(picture),
        "colour": (_percentile(_histogram(spread), 99) / 255).astype(np.float32),
        "border": border(picture),
        "thumbnail": thumbnails.reshape(len(thumbnails), -1),
    }


def _histogram(values: Bytes) -> npt.NDArray[np.int64]:
    """Counts (n, 256) of each picture's values."""
    n = len(values)
    bins = values.reshape(n, -1).astype(np.int64) + 256 * np.arange(n)[:, None]
    return np.bincount(bins.ravel(), minlength=256 * n).reshape(n, 256)


def _percentile(counts: npt.NDArray[np.int64], percent: float) -> npt.NDArray[np.int64]:
    """Smallest value that at least `percent` of the pixels do not exceed."""
    reached = np.cumsum(counts, axis=1) >= counts.sum(axis=1, keepdims=True) * (percent / 100)
    return np.argmax(reached, axis=1)


def sharpness(grey: Floats) -> Floats:
    """Mean squared Laplacian over mean squared slope of grey pictures (n, side, side), at 64 × 64 pixels.

    Measures how narrow edges are, and nothing else: an edge blurred by a Gaussian of σ pixels has 1 / (2 σ²), however
    high it is, and slow shading hardly counts. (The Laplacian's variance, the usual focus measure, grows with contrast;
    divided by the picture's variance, it falls with every shadow.) Smaller pictures are enlarged: they hold less
    detail than others of the dataset. 0 for a flat picture.
    """
    if grey.shape[1] != LARGE:
        matrix = _resampling(grey.shape[1], LARGE, _bicubic, 2).astype(np.float32)
        grey = matrix @ (grey @ matrix.T)
    left, right, up, down = grey[:, 1:-1, :-2], grey[:, 1:-1, 2:], grey[:, :-2, 1:-1], grey[:, 2:, 1:-1]
    buffer = grey[:, 1:-1, 1:-1] * np.float32(-4)
    for neighbour in (left, right, up, down):
        buffer += neighbour
    curvature = _mean_square(buffer)
    across = _mean_square(np.subtract(right, left, out=buffer))
    slope = (across + _mean_square(np.subtract(down, up, out=buffer))) / np.float32(4)
    # Half a grey level a pixel: there is no edge, only rounding.
    return np.asarray(curvature / np.maximum(slope, np.float32(0.25)))


def _mean_square(values: Floats) -> Floats:
    """Of each picture (n, height, width)."""
    flat = values.reshape(len(values), -1)
    return np.asarray(np.einsum("np,np->n", flat, flat) / np.float32(flat.shape[1]))


def _variance(values: Floats) -> Floats:
    """Of each picture (n, height, width); centred first, so that float32 is enough."""
    flat = values.reshape(len(values), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(np.einsum("np,np->n", centred, centred) / np.float32(flat.shape[1]))


def thumbnail(grey: Floats) -> Bytes:
    """Grey pictures (n, side, side) at THUMBNAIL × THUMBNAIL with a Lanczos filter, as imagehash shrinks them."""
    if grey.shape[1] != THUMBNAIL:
        matrix = _resampling(grey.shape[1], THUMBNAIL, _lanczos, 3).astype(np.float32)
        grey = np.round(matrix @ np.round(grey @ matrix.T))
    return np.clip(grey, 0, 255).astype(np.uint8)


def _lanczos(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


def _bicubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x = np.abs(x)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


@cache
def _resampling(before: int, after: int, kernel: object, support: int) -> npt.NDArray[np.float64]:
    """Matrix (after, before) that resamples a line of pixels as Pillow's resize does: the kernel is widened when
    shrinking, and its weights are normalised at the borders."""
    scale = before / after
    widened = max(scale, 1.0)
    centre = (np.arange(after) + 0.5) * scale
    distance = (np.arange(before)[None, :] + 0.5 - centre[:, None]) / widened
    weights = np.where(np.abs(distance) < support, kernel(distance), 0.0)  # type: ignore[operator]
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _dct_matrix(n: int) -> npt.NDArray[np.float64]:
    k, x = np.meshgrid(np.arange(8), np.arange(n), indexing="ij")
    return np.asarray(2 * np.cos(np.pi * k * (2 * x + 1) / (2 * n)))


_DCT = _dct_matrix(THUMBNAIL)
_SIGN = (-1.0) ** np.arange(8)
# Signs of the coefficients, and the numbers in ORIENTATIONS of what they give, as they are and transposed. A quarter
# turn anticlockwise is a transposition followed by a mirror top to bottom.
_SYMMETRIES = (
    (np.ones((8, 8)), 0, 5),
    (np.outer(np.ones(8), _SIGN), 4, 1),
    (np.outer(_SIGN, np.ones(8)), 6, 3),
    (np.outer(_SIGN, _SIGN), 2, 7),
)


def phashes(thumbnails: Bytes) -> npt.NDArray[np.uint64]:
    """The 64-bit perceptual hash (imagehash.phash) of pictures in all eight orientations.

    All come from one DCT: mirroring a picture changes the sign of its odd coefficients, transposing it transposes
    them. Coefficients are rounded, so that a flat picture's hash does not depend on rounding errors.

    Args:
        thumbnails: uint8 (n, 32, 32), grey.

    Returns:
        uint64 (n, 8), in the order of `ORIENTATIONS`.
    """
    coefficients = np.round(_DCT @ (thumbnails.astype(np.float64) @ _DCT.T), 6) + 0.0
    hashes = np.empty((len(thumbnails), len(ORIENTATIONS)), dtype=np.uint64)
    for signs, upright, transposed in _SYMMETRIES:
        turned = (coefficients * signs).reshape(-1, 64)
        bits = (turned > np.median(turned, axis=1)[:, None]).reshape(-1, 8, 8)
        hashes[:, upright] = _pack(bits)
        hashes[:, transposed] = _pack(bits.transpose(0, 2, 1))
    return hashes


def _pack(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    return np.packbits(bits.reshape(-1, 64), axis=1).view(">u8").ravel()
