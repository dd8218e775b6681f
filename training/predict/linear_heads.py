"""Many linear heads over the same embeddings, trained at once as one Keras layer.

Each head is a multinomial logistic regression with its own training rows (those of a fold) and its own L2
strength. All see the same matrix, so one wide matrix product serves them all. A head's objective is::

    mean over its rows of −log softmax(x·W + b)[label]  +  strength / 2 · ‖W‖²  +  smoothing of b

where the smoothing is one imaginary image at the embeddings' mean, shared by all classes alike. It bounds the
bias of a class that a head never sees, which so gets a probability near 1 / (classes · images).

It is minimised over full batches by Nesterov's accelerated gradient with adaptive restart (O'Donoghue and
Candès 2015), preconditioned by Böhning's (1992) bound on the Hessian of the softmax, ½ XᵀX + strength. In the
basis of principal components that bound is diagonal, and it holds for any subset of the rows, so all heads
share it; the L2 penalty does not change with the basis. The problem is convex and the start is zero: nothing
is random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.utils.extmath import randomized_svd

MAX_STEPS = 400
_CHECK_EVERY = 10
_CHUNK_BYTES = 256 << 20
#: Rows or columns up to which the principal axes are exact.
_EXACT = 2048


@dataclass(frozen=True)
class Basis:
    """Embeddings, centred, scaled to unit mean variance and turned to their principal components.

    It looks at no label, so using the held-out rows for it gives the heads nothing of their labels.
    """

    x: npt.NDArray[np.float32]
    """(n, components)"""
    moments: npt.NDArray[np.float32]
    """(components,): mean square of each column."""


def principal(embeddings: npt.NDArray[np.float32], most: int | None = None) -> Basis:
    """Turn embeddings, float32 (n, d), into a `Basis` of at most so many components. The scale between dimensions is
    kept."""
    mean = embeddings.mean(0, dtype=np.float64).astype(np.float32)
    centred = embeddings - mean
    scale = max(float(np.sqrt(np.mean(np.square(centred), dtype=np.float64))), float(np.finfo(np.float32).tiny))
    centred /= np.float32(scale)
    x = centred @ axes(centred, most)
    return Basis(x, np.mean(np.square(x), axis=0))


def axes(centred: npt.NDArray[np.float32], most: int | None = None) -> npt.NDArray[np.float32]:
    """The principal axes of centred rows, (n, d), as columns, (d, components), the longest first; at most so many.

    Few of very many are found by a randomised decomposition (Halko, Martinsson and Tropp 2011) with a fixed seed: the
    exact one takes minutes at 5,000 columns.
    """
    n, d = centred.shape
    if most is not None and min(n, d) > max(_EXACT, 2 * most):
        found = randomized_svd(centred, most, n_oversamples=64, n_iter=4, random_state=0)[2].T
    elif n < d:
        found = np.linalg.svd(centred, full_matrices=False)[2].T
    else:
        found = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    return np.asarray(found[:, :most], np.float32)


class Heads(keras.layers.Layer):
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
    """Train one head per column of `used`.

    Args:
        basis: the embeddings.
        labels: (n,) in [0, classes).
        used: (n, heads), which rows a head trains on; at least one a head.
        strengths: (heads,), the L2 strength of each, > 0.
        classes: number of classes.
        tolerance: stop when every head's squared gradient, preconditioned, is under this. That is about twice
            the distance from the least loss, in nats, or more where the penalty is weak.
        progress: called with (steps done, most steps).

    Returns:
        The trained layer.
    """
    n, d = basis.x.shape
    heads = used.shape[1]
    layer = Heads(heads, classes)
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
    steps_of = (
        1 / (0.5 * n / count[None, :, None] * basis.moments[:, None, None] + strengths[None, :, None]),
        np.broadcast_to(1 / (0.5 * (n + 1) / count)[:, None], (heads, classes)),
    )
    step_sizes = [tf.constant(s, tf.float32) for s in steps_of]
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
        if done % _CHECK_EVERY == 0:
            if progress is not None:
                progress(done, MAX_STEPS)
            if float(distance) < tolerance:
                break
    layer.kernel.assign(last[0])
    layer.bias.assign(last[1])
    return layer


def _per_head(values: list[tf.Tensor]) -> tf.Tensor:
    kernel, bias = values
    return tf.reduce_sum(kernel, (0, 2)) + tf.reduce_sum(bias, 1)
