"""Random changes to training images that keep their label: Keras layers, in the strengths that have names.

The layers work on float images in [0, 255], before any rescaling, and do nothing at inference.
"""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from imageclinic.core.errors import InputError
from imageclinic.training.models.augmentation_strengths import STRENGTHS

#: A class with fewer images than this share of the average class is starved.
STARVED = 0.5


def layers(strength: str, *, mirror: bool = False, seed: int | None = None) -> list[keras.Layer]:
    """The layers of a strength, to put in front of a model (`training.models.capacity_ladder.build` does).

    Args:
        strength: a name in `training.models.augmentation_strengths.STRENGTHS`.
        mirror: also mirror left and right. Only for classes that mean the same mirrored: photos of things do,
            digits, letters and left-or-right diagnoses do not.
        seed: of the changes; None: Keras's global one.

    Returns:
        Keras layers, in the order in which they apply; empty for ``none`` without mirroring.

    Raises:
        InputError: for an unknown strength; lists the known ones.
    """
    if strength not in STRENGTHS:
        raise InputError(f"unknown augmentation {strength!r}", expected=f"one of {', '.join(STRENGTHS)}")
    chosen = STRENGTHS[strength]
    found: list[keras.Layer] = [keras.layers.RandomFlip("horizontal", seed=seed)] if mirror else []
    if chosen is None:
        return found
    if chosen.shift:
        found.append(keras.layers.RandomTranslation(chosen.shift, chosen.shift, fill_mode="nearest", seed=seed))
    if chosen.turn:
        found.append(keras.layers.RandomRotation(chosen.turn, fill_mode="nearest", seed=seed))
    if chosen.zoom:
        found.append(keras.layers.RandomZoom(chosen.zoom, fill_mode="nearest", seed=seed))
    if chosen.brightness:
        found.append(keras.layers.RandomBrightness(chosen.brightness, value_range=(0, 255), seed=seed))
    if chosen.contrast:
        found.append(keras.layers.RandomContrast(chosen.contrast, value_range=(0, 255), seed=seed))
    return found


def starved(labels: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """The class numbers, among those in `labels`, that have less than half as many images as the average class."""
    numbers, counts = np.unique(labels, return_counts=True)
    return numbers[counts < STARVED * counts.mean()]


def strengthened(
    batches: tf.data.Dataset, classes: npt.NDArray[np.integer], strength: str, *, seed: int
) -> tf.data.Dataset:
    """The same batches with the images of some classes changed at random, on top of what the model does itself.

    Args:
        batches: (images float32 (n, height, width, channels) in [0, 255], class numbers (n,)).
        classes: the class numbers whose images are changed.
        strength: a name in `training.models.augmentation_strengths.STRENGTHS`.
        seed: of the changes.
    """
    change = keras.Sequential(layers(strength, seed=seed))
    chosen = tf.constant(classes, tf.int32)

    def apply(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.where(tf.reduce_any(labels[:, None] == chosen[None], axis=1))

        def changed() -> tf.Tensor:
            return tf.tensor_scatter_nd_update(images, rows, change(tf.gather_nd(images, rows), training=True))

        return tf.cond(tf.size(rows) > 0, changed, lambda: images), labels

    # One batch at a time, so that the same seed gives the same changes.
    return batches.map(apply).prefetch(tf.data.AUTOTUNE)
