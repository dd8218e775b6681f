"""The offline embedder: dictionaries of image patches. It needs no download, no labels and no GPU.

After Coates and Ng, "The Importance of Encoding Versus Training with Sparse Coding and Vector Quantization"
(2011): every 6×6 patch of the image, at 32×32 and at half of that, is contrast-normalised, whitened (ZCA) and
compared with a dictionary of k-means centres, learnt from the dataset's own patches. What exceeds a threshold,
in either sign, is averaged over each cell of a grid, over the image and its mirror image. The averages are
evened out (square root, standardised) and turned to their principal components, whose spreads are drawn
together (the square root of each), because the first tell more of light and framing than of content. Every
vector has length 1.

It knows nothing but the dataset's pixels: it tells textures, colours and coarse shapes apart, and is far
weaker than a pretrained network on photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils.extmath import randomized_svd

from imageclinic.training.data import image_pipelines
from imageclinic.training.data.grey_images import SIZE, is_grey
from imageclinic.training.embed.embedder import Embedder, Progress, Ready
from imageclinic.training.embed.small_images import SORTED

VERSION = "1"
WIDTH = 512
#: Images that the dictionary and the components are learnt from, at most.
SAMPLE = 2500

# Each scale: how many times smaller the image is made, centres, and cells of the grid in each direction.
_SCALES = ((1, 800, 3), (2, 800, 2))
_PATCH = 6
_PATCHES = 50_000
_THRESHOLD = 0.25
_NOISE = 10.0  # added to a patch's variance, of pixels in [0, 255]: what counts as flat
_WHITENING = 0.1  # added to the eigenvalues: what counts as noise
_BATCH = 32
_CHUNK = 16 * _BATCH

Floats = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]


@keras.saving.register_keras_serializable("imageclinic")
class PatchDictionary(keras.layers.Layer):
    """Images in [0, 255], (n, height, width, channels) → square roots of pooled activations (n, values).

    Weights: `kernel` (patch pixels, centres) and `bias` (centres,), applied to contrast-normalised patches.
    """

    def __init__(self, centres: int, grid: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.centres = centres
        self.grid = grid
        self.values = 2 * grid**2 * centres  # both signs

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        pixels = _PATCH * _PATCH * int(input_shape[-1] or 1)
        self.kernel = self.add_weight(shape=(pixels, self.centres), name="kernel", trainable=False)
        self.bias = self.add_weight(shape=(self.centres,), name="bias", trainable=False)
        rows, columns = (_cells(int(side or 0) - _PATCH + 1, self.grid) for side in input_shape[1:3])
        pool = np.einsum("ay,bx->abyx", rows, columns).reshape(self.grid**2, -1)
        self.pool = keras.ops.convert_to_tensor(pool, "float32")

    def call(self, inputs: Any) -> Any:
        mirrored = keras.ops.flip(inputs, axis=2)
        return keras.ops.sqrt((self._pooled(inputs) + self._pooled(mirrored)) / 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "centres": self.centres, "grid": self.grid}

    def _pooled(self, images: Any) -> Any:
        ops = keras.ops
        patches = ops.image.extract_patches(images, _PATCH, strides=1, padding="valid")
        patches = ops.reshape(patches, (-1, self.pool.shape[1], self.kernel.shape[0]))
        patches = _normalise(patches, ops)
        found = ops.matmul(patches, self.kernel) + self.bias
        both = (ops.relu(found - _THRESHOLD), ops.relu(-found - _THRESHOLD))
        pooled = ops.concatenate([ops.matmul(self.pool, sign) for sign in both], axis=-1)
        return ops.reshape(pooled, (-1, self.values))


def as_embedder() -> Embedder:
    """The embedder ``patches``: it learns from a sample of the images that it is prepared with."""

    def prepare(paths: Sequence[Path], seed: int, progress: Progress) -> Ready:
        # Sorted, so that the order of the rows does not matter.
        unique = sorted(set(paths)) if len(paths) <= SORTED else paths
        drawn = np.random.default_rng(seed).permutation(len(unique))[:SAMPLE]
        sample = [unique[i] for i in np.sort(drawn)]
        images = image_pipelines.load_images(sample, SIZE)
        channels = 1 if is_grey(images) else 3
        if channels == 1:
            images = image_pipelines.load_images(sample, SIZE, channels=1)
        model, vectors = fit(images, seed, progress=progress)
        known = dict(zip(sample, vectors, strict=True))
        return Ready(model.predict_on_batch, vectors.shape[1], SIZE, channels, known)

    advice = (
        "weak on photographs. Far better flags come from a pretrained network: --model efficientnet_lite2, whose "
        "weights come with imageclinic, or your own with --model FILE.keras"
    )
    return Embedder("patches", VERSION, "patches, learnt from these images", prepare, learns=True, advice=advice)


def fit(images: Images, seed: int, *, progress: Callable[[int, int], None] | None = None) -> tuple[keras.Model, Floats]:
    """Learn the embedder from images of `SIZE`.

    Args:
        images: uint8 (n, 32, 32, 1 or 3), n ≥ 1. More than `SAMPLE` cost time and bring little.
        seed: of the draw of patches, the dictionary and the components.
        progress: called with (images done, images in all).

    Returns:
        A Keras model from images in [0, 255] to vectors of length 1, at most `WIDTH` wide; and its vectors of
        `images`, float32 (n, width), which are computed on the way.
    """
    shape = keras.Input(images.shape[1:])
    pooling = keras.Model(shape, _pooled(shape, images, seed))
    pooled = np.empty((len(images), pooling.output_shape[-1]), np.float32)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].astype(np.float32)
        pooled[start : start + _CHUNK] = pooling.predict(chunk, batch_size=_BATCH, verbose=0)
        if progress is not None:
            progress(start + len(chunk), len(images))

    mean, turn = _learn_components(pooled, seed)
    projection = keras.layers.Dense(turn.shape[1])
    unit = keras.layers.UnitNormalization()
    model = keras.Model(shape, unit(projection(pooling.output)))
    projection.set_weights([turn, -mean @ turn])
    return model, np.asarray(unit(projection(pooled)))


def _pooled(shape: Any, images: Images, seed: int) -> Any:
    """The pooled activations of all scales, as a Keras tensor made from the input `shape`."""
    outputs = []
    for factor, centres, grid in _SCALES:
        shrink = keras.layers.AveragePooling2D(factor)
        kernel, bias = _learn_dictionary(shrink, images, centres, seed)
        dictionary = PatchDictionary(len(bias), grid)
        outputs.append(dictionary(shrink(shape)))
        dictionary.set_weights([kernel, bias])
    return keras.layers.Concatenate()(outputs)


def _learn_dictionary(shrink: Any, images: Images, centres: int, seed: int) -> tuple[Floats, Floats]:
    """Kernel (patch pixels, centres) and bias (centres,) that take a normalised patch to its whitened inner
    products with the centres, all of length 1. Fewer than `centres` where there are few distinct patches."""
    generator = np.random.default_rng(seed)
    small = np.concatenate(
        [np.asarray(shrink(images[i : i + _CHUNK].astype(np.float32))) for i in range(0, len(images), _CHUNK)]
    )
    windows = np.lib.stride_tricks.sliding_window_view(small, (_PATCH, _PATCH), axis=(1, 2))
    places = int(np.prod(windows.shape[:3]))
    chosen = np.sort(generator.choice(places, min(_PATCHES, places), replace=False))
    drawn = np.moveaxis(windows[np.unravel_index(chosen, windows.shape[:3])], 1, -1)
    patches = _normalise(drawn.reshape(len(chosen), -1), np)

    mean = patches.mean(0)
    variances, axes = np.linalg.eigh(np.cov(patches, rowvar=False))
    whiten = ((axes / np.sqrt(np.maximum(variances, 0) + _WHITENING)) @ axes.T).astype(np.float32)
    whitened = (patches - mean) @ whiten
    distinct = len(np.unique(whitened[:: max(1, len(whitened) // 10_000)].round(3), axis=0))
    means = MiniBatchKMeans(
        max(1, min(centres, distinct // 4)),
        init="random",
        n_init=1,
        max_iter=10,
        batch_size=2048,
        compute_labels=False,
        reassignment_ratio=0,
        random_state=seed,
    ).fit(whitened)
    found = means.cluster_centers_
    found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)
    kernel = (whiten @ found.T).astype(np.float32)
    return kernel, -mean @ kernel


def _learn_components(pooled: Floats, seed: int) -> tuple[Floats, Floats]:
    """Mean (values,) and matrix (values, width) that standardise, turn to principal components and draw their
    spreads together."""
    mean, spread = pooled.mean(0), np.maximum(pooled.std(0), 1e-6)
    standard = (pooled - mean) / spread
    width = min(WIDTH, *standard.shape)
    _, values, axes = randomized_svd(standard, width, n_oversamples=32, n_iter=2, random_state=seed)
    # Where all images are alike there is no component: one of zeros is better than none.
    width = max(1, int((values > values[0] * 1e-4).sum()))
    evened = axes[:width] / np.sqrt(np.maximum(values[:width], 1e-6))[:, None]
    return mean, (evened / spread).T.astype(np.float32)


def _normalise(patches: Any, ops: Any) -> Any:
    """Patches (…, pixels) less their mean, over their standard deviation; `ops` is numpy or keras.ops."""
    centred = patches - ops.mean(patches, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    return centred / ops.sqrt(variance + _NOISE)


def _cells(places: int, grid: int) -> Floats:
    """(grid, places): averages over equal parts of a line of places."""
    cell = np.arange(places) * grid // places
    inside = cell == np.arange(grid)[:, None]
    average: Floats = (inside / inside.sum(1, keepdims=True)).astype(np.float32)
    return average
