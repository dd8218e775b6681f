"""Many linear heads over the same embeddings, trained at once as one Keras layer: `training.predict.linear_heads` says
how, and solves small problems itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from imageclinic.training.predict.linear_heads import CHECK_EVERY, MAX_STEPS, Basis, Heads, steps_of

_CHUNK_BYTES = 256 << 20


class LinearHeads(keras.layers.Layer):
    """Linear heads side by side: (n, d) → logits (n, heads, classes)."""

    def __init__(self, heads: int, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.classes = classes

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (input_shape[-1], self.heads, self.classes)
        self.kernel = self.add_weight(shape=shape, initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=shape[1:], initializer="zeros", name="bias")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.einsum("nd,dhk->nhk", inputs, self.kernel) + self.bias


def train(
    basis: Basis,
    labels: npt.NDArray[np.int32],
    used: npt.NDArray[np.bool_],
    strengths: npt.NDArray[np.float32],
    classes: int,
    *,
    tolerance: float,
    progress: Callable[[int, int], None] | None = None,
) -> Heads:
    """As `linear_heads.train`, but that no head leaves before the others.

    Raises:
        tensorflow.errors.ResourceExhaustedError: memory ran out.
    """
    n, d = basis.x.shape
    heads = used.shape[1]
    layer = LinearHeads(heads, classes)
    layer.build((None, d))
    count = used.sum(0).astype(np.float32)
    chunk = max(1, _CHUNK_BYTES // (4 * heads * classes))
    with tf.device("/CPU:0" if n > chunk else None):
        chunks = [
            (
                tf.constant(basis.x[i : i + chunk]),
                tf.constant(labels[i : i + chunk]),
                used[i : i + chunk] / count,
            )
            for i in range(0, n, chunk)
        ]
    step_sizes = [tf.constant(s[..., None], tf.float32) for s in steps_of(basis, count, strengths)]
    decay = tf.constant(strengths[:, None])
    per_head = tf.constant(count[:, None])

    def add_gradients(x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor, sums: list[tf.Tensor]) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            target = tf.broadcast_to(y[:, None], (tf.shape(y)[0], heads))
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(target, layer(x))
            loss = tf.reduce_sum(loss * tf.cast(weight, tf.float32))
        found = tape.gradient(loss, [layer.kernel.value, layer.bias.value])
        return [s + g for s, g in zip(sums, found, strict=True)]

    def step(
        gradients: list[tf.Tensor], last: list[tf.Tensor], momentum: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        at = [layer.kernel.value, layer.bias.value]
        smoothing = (tf.nn.softmax(at[1]) - 1 / classes) / per_head
        gradients = [gradients[0] + decay * at[0], gradients[1] + smoothing]
        new = [a - s * g for a, s, g in zip(at, step_sizes, gradients, strict=True)]
        moved = [b - a for a, b in zip(last, new, strict=True)]
        distance = _per_head([s * g * g for s, g in zip(step_sizes, gradients, strict=True)])
        uphill = _per_head([g * m for g, m in zip(gradients, moved, strict=True)]) > 0
        momentum = tf.where(uphill, 1.0, momentum)
        following = (1 + tf.sqrt(1 + 4 * momentum**2)) / 2
        push = ((momentum - 1) / following)[:, None]
        layer.kernel.assign(new[0] + push * moved[0])
        layer.bias.assign(new[1] + push * moved[1])
        return new, following, tf.reduce_max(distance)

    add_gradients, step = tf.function(add_gradients, reduce_retracing=True), tf.function(step)
    zeros = [tf.zeros_like(layer.kernel.value), tf.zeros_like(layer.bias.value)]
    last, momentum = zeros, tf.ones(heads)
    for done in range(1, MAX_STEPS + 1):
        sums = zeros
        for x, y, weight in chunks:
            sums = add_gradients(x, y, weight, sums)
        last, momentum, distance = step(sums, last, momentum)
        if done % CHECK_EVERY == 0:
            if progress is not None:
                progress(done, MAX_STEPS)
            if float(distance) < tolerance:
                break
    return Heads(last[0].numpy(), last[1].numpy())


def _per_head(values: list[tf.Tensor]) -> tf.Tensor:
    kernel, bias = values
    return tf.reduce_sum(kernel, (0, 2)) + tf.reduce_sum(bias, 1)
