"""The arithmetic of aligned crops: pictures turned upright, cut to windows, and correlated. Pure; numpy on many pairs.

A picture is (side, side), float32. Its windows are the whole picture and nine places for each smaller crop.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]

#: Shares of a picture that a crop may have left.
CROPS = (1.0, 0.95, 0.9)
_COARSE_SIGMA = 1.5  # of the blur, in pixels, that leaves the coarse shapes


@cache
def window_boxes() -> Floats:
    """(top, bottom, left, right), whole pictures first; nine places for each smaller crop."""
    boxes = []
    for share in CROPS:
        boxes += [(top, top + share, left, left + share) for top in _places(share) for left in _places(share)]
    return np.array(boxes, dtype=np.float32)


def _places(share: float) -> tuple[float, ...]:
    return (0.0,) if share == 1 else (0.0, (1 - share) / 2, 1 - share)


@cache
def _readers(side: int) -> list[Floats]:
    """For each share, the matrices (places, side, side) that read its windows along one side."""
    return [np.stack([_resample(at, at + share, side) for at in _places(share)]) for share in CROPS]


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


def crops_of(pictures: Floats, out: Floats) -> Floats:
    """All windows of pictures (n, side, side), resampled to the side, in `out`: (n, windows, side, side)."""
    n, side, _ = pictures.shape
    at = 0
    for readers in _readers(side):
        places = len(readers)
        columns = pictures[:, None] @ readers.transpose(0, 2, 1)
        part = out[:, at : at + places**2].reshape(n, places, places, side, side)
        np.matmul(readers[None, :, None], columns[:, None], out=part)
        at += places**2
    return out


def against(crops: Floats, whole: Floats) -> Floats:
    """Correlation of each crop with the whole other picture: (n, windows)."""
    n, windows, side, _ = crops.shape
    flat = crops.reshape(n, windows, side * side)
    product = np.matmul(flat, _unit(whole)[:, :, None])[..., 0]
    mean = flat.mean(axis=2)
    square = np.einsum("nwp,nwp->nw", flat, flat) - side * side * mean * mean
    return np.asarray(product / np.sqrt(np.maximum(square, 1e-6)))


def turn(pictures: Floats, orientation: int) -> Floats:
    """Pictures (n, side, side) in one of `tables.ORIENTATIONS`."""
    flipped = pictures[:, :, ::-1] if orientation >= 4 else pictures
    return np.rot90(flipped, orientation % 4, axes=(1, 2))


def upright_pairs(thumbnails: Bytes, i: Ints, j: Ints, orientation: Bytes) -> tuple[Floats, Floats]:
    """The pictures of pairs, of mean 0, the second ones turned upright."""
    one, two = thumbnails[i].astype(np.float32), thumbnails[j].astype(np.float32)
    for o in np.unique(orientation):
        two[orientation == o] = turn(two[orientation == o], int(o))
    return one - one.mean(axis=(1, 2), keepdims=True), two - two.mean(axis=(1, 2), keepdims=True)


def halved(pictures: Floats) -> Floats:
    """Pictures of even side at half the side: means of 2 × 2 pixels."""
    even, odd = pictures[:, ::2], pictures[:, 1::2]
    return (even[:, :, ::2] + even[:, :, 1::2] + odd[:, :, ::2] + odd[:, :, 1::2]) / np.float32(4)


@cache
def _blur(side: int, sigma: float) -> Floats:
    """Matrix (side, side) that blurs a line of pixels by a Gaussian, cut off at 4 sigma; beyond its ends a line goes on
    as its mirror image. It is the one of `scipy.ndimage.gaussian_filter1d`, whose import takes longer than the search
    for copies among 1,000 photographs."""
    reach = int(4 * sigma + 0.5)
    offsets, rows = np.arange(-reach, reach + 1), np.arange(side)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    blur = np.zeros((side, side))
    for offset, weight in zip(offsets, weights / weights.sum(), strict=True):
        column = (rows + offset) % (2 * side)
        blur[rows, np.where(column < side, column, 2 * side - 1 - column)] += weight
    return blur.astype(np.float32)


def detail_of(pictures: Floats, scale: float = 1.0) -> Floats:
    """The detail of pictures: what a blur takes away, whose sigma is `scale` times 1.5 pixels."""
    blur = _blur(pictures.shape[1], scale * _COARSE_SIGMA)
    return np.asarray(pictures - blur @ pictures @ blur.T)


def correlation(one: Floats, two: Floats) -> Floats:
    """Of each picture with the other of its pair: (n,), in [−1, 1]; 0 where one is flat."""
    return np.asarray(np.einsum("np,np->n", _unit(one), _unit(two)))


def _unit(pictures: Floats) -> Floats:
    """Pictures as vectors (n, pixels) of mean 0 and length 1; flat ones as zeros."""
    flat = pictures.reshape(len(pictures), pictures.shape[1] * pictures.shape[2])
    centred = flat - flat.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("np,np->n", centred, centred))[:, None]
    return np.asarray(centred / np.maximum(length, 1e-6))
