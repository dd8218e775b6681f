"""Many linear heads over the same embeddings, trained at once.

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

Small problems are solved here, by NumPy, and heads that are exact leave: those with strong penalties are soon. Large
ones are a Keras layer (`training.predict.keras_heads`), because TensorFlow divides all of a step among the cores and
works on a GPU; to load it takes longer than to solve a small one. Those of more rows than heads are fitted to otherwise
are solved in pieces (`training.predict.by_sample.heads_in_pieces`), by `train_in_blocks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MAX_STEPS = 400
CHECK_EVERY = 10
#: A head leaves before the others are done when it is so much more exact than it must be. At the tolerance itself weak
#: penalties would stop early, which acts as a stronger one, and the choice between them would be another.
_SETTLED = 0.01
#: Rows × heads × classes up to which NumPy solves a problem: it holds a few arrays of so many float32.
SMALL = 1 << 22
#: Rows whose gradients are summed together in `train_in_blocks`: a block's arrays stay in a processor's cache.
BLOCK = 4096
#: Rows or columns up to which the principal axes are exact.
_EXACT = 2048
# Share of the greatest variance below which a direction is rounding.
_NOTHING = 1e-12

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Basis:
    """Embeddings, centred, scaled to unit mean variance and turned to their principal components.

    It looks at no label, so using the held-out rows for it gives the heads nothing of their labels.
    """

    x: Floats
    """(n, components)"""
    moments: Floats
    """(components,): mean square of each column."""


class Heads(NamedTuple):
    """Trained heads. The logits of rows x by head h are ``x @ kernel[:, h] + bias[h]``."""

    kernel: Floats
    """(components, heads, classes)"""
    bias: Floats
    """(heads, classes)"""


def principal(embeddings: Floats, most: int | None = None) -> Basis:
    """Turn embeddings, float32 (n, d), into a `Basis` of at most so many components. The scale between dimensions is
    kept."""
    mean = embeddings.mean(0, dtype=np.float64).astype(np.float32)
    centred = embeddings - mean
    scale = max(float(np.sqrt(np.mean(np.square(centred), dtype=np.float64))), float(np.finfo(np.float32).tiny))
    centred /= np.float32(scale)
    x = centred @ axes(centred, most)
    return Basis(x, np.mean(np.square(x), axis=0))


def axes(centred: Floats, most: int | None = None) -> Floats:
    """The principal axes of centred rows, (n, d), as columns, (d, components), the longest first; at most so many.

    Few of very many are found by a randomised decomposition (Halko, Martinsson and Tropp 2011) with a fixed seed: the
    exact one takes minutes at 5,000 columns. Fewer rows than columns span fewer axes, which follow from the rows'
    products with each other: a fifth of an SVD's time.
    """
    n, d = centred.shape
    if most is not None and min(n, d) > max(_EXACT, 2 * most):
        from sklearn.utils.extmath import randomized_svd  # here, for its import takes long

        found = randomized_svd(centred, most, n_oversamples=64, n_iter=4, random_state=0)[2].T
    elif n < d:
        rows = centred.astype(np.float64)
        variance, turn = (each[..., ::-1][..., :most] for each in np.linalg.eigh(rows @ rows.T))
        # Where all rows are alike there is no axis: one of zeros is better than none.
        kept = np.flatnonzero(variance > variance[0] * _NOTHING) if variance[0] > 0 else np.arange(1)
        found = rows.T @ (turn[:, kept] / np.sqrt(np.maximum(variance[kept], np.finfo(np.float64).tiny)))
    else:
        found = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    return np.asarray(found[:, :most], np.float32)


def train(
    basis: Basis,
    labels: npt.NDArray[np.int32],
    used: npt.NDArray[np.bool_],
    strengths: Floats,
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

    Raises:
        MemoryError, tensorflow.errors.ResourceExhaustedError: see `training.out_of_memory`.
    """
    if used.size * classes <= SMALL:
        return _train(basis, labels, used, strengths, classes, tolerance, progress)
    from imageclinic import training

    training.load_tensorflow()
    from imageclinic.training.predict import keras_heads

    return keras_heads.train(basis, labels, used, strengths, classes, tolerance=tolerance, progress=progress)


def train_in_blocks(
    basis: Basis,
    labels: npt.NDArray[np.int32],
    used: npt.NDArray[np.bool_],
    strengths: Floats,
    classes: int,
    *,
    tolerance: float,
) -> Heads:
    """As `train`, but by NumPy whatever the size, `BLOCK` rows at a time: what it holds beside its arguments does not
    grow with the rows, and in one thread of BLAS the bits depend on nothing but the arguments."""
    return _train(basis, labels, used, strengths, classes, tolerance, None, _gradients_in_blocks)


def steps_of(
    basis: Basis, count: Floats, strengths: Floats
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """What gradients are multiplied by, Böhning's bound inverted: of kernels (components, heads), of biases (heads,).
    `count`: (heads,) rows of each head."""
    n = len(basis.x)
    kernel = 1 / (0.5 * n / count * basis.moments[:, None] + strengths)
    return kernel, 1 / (0.5 * (n + 1) / count)


def _train(
    basis: Basis,
    labels: npt.NDArray[np.int32],
    used: npt.NDArray[np.bool_],
    strengths: Floats,
    classes: int,
    tolerance: float,
    progress: Callable[[int, int], None] | None,
    summed: Callable[..., list[Floats]] | None = None,
) -> Heads:
    """`train` by NumPy. Heads are the last axis here, so that sums over classes run along rows of memory. `summed`: see
    `_gradients`, which it is by default."""
    summed = summed or _gradients
    x, d, heads = basis.x, basis.x.shape[1], used.shape[1]
    count = used.sum(0).astype(np.float32)
    found = Heads(np.zeros((d, heads, classes), np.float32), np.zeros((heads, classes), np.float32))
    active, weight, decay = np.arange(heads), (used / count).astype(np.float32), strengths.astype(np.float32)
    steps = [each[..., None, :].astype(np.float32) for each in steps_of(basis, count, strengths)]
    at = [np.zeros((d, classes, heads), np.float32), np.zeros((classes, heads), np.float32)]
    last = at
    momentum: npt.NDArray[np.floating] = np.ones(heads, np.float32)
    for done in range(1, MAX_STEPS + 1):
        sums = summed(x, labels, weight, at)
        smoothing = (_softmax(at[1].copy()) - 1 / np.float32(classes)) / count
        gradients = [sums[0] + decay * at[0], sums[1] + smoothing]
        new = [a - s * g for a, s, g in zip(at, steps, gradients, strict=True)]
        moved = [b - a for a, b in zip(last, new, strict=True)]
        distance = _per_head([s * g * g for s, g in zip(steps, gradients, strict=True)])
        uphill = _per_head([g * m for g, m in zip(gradients, moved, strict=True)]) > 0
        momentum = np.where(uphill, np.float32(1), momentum)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        push = (momentum - 1) / following
        at, last, momentum = [b + push * m for b, m in zip(new, moved, strict=True)], new, following
        if done % CHECK_EVERY == 0:
            if progress is not None:
                progress(done, MAX_STEPS)
            every = done == MAX_STEPS or bool((distance < tolerance).all())
            ended = (distance < _SETTLED * tolerance) | every
            if not ended.any():
                continue
            found.kernel[:, active[ended]] = last[0][..., ended].swapaxes(1, 2)
            found.bias[active[ended]] = last[1][:, ended].T
            going = ~ended
            if not going.any():
                break
            active, weight, decay, count = active[going], weight[:, going], decay[going], count[going]
            momentum = momentum[going]
            at, last, steps = ([np.ascontiguousarray(e[..., going]) for e in each] for each in (at, last, steps))
    return found


def _gradients(x: Floats, labels: npt.NDArray[np.int32], weight: Floats, at: list[Floats]) -> list[Floats]:
    """Of the heads' weighted losses, without penalties, by kernels and biases."""
    kernel, bias = at
    apart = (x @ kernel.reshape(len(kernel), -1)).reshape(len(x), *bias.shape)
    apart += bias
    apart = _softmax(apart)
    apart[np.arange(len(x)), labels] -= 1
    apart *= weight[:, None]
    return [(x.T @ apart.reshape(len(x), -1)).reshape(kernel.shape), apart.sum(0)]


def _gradients_in_blocks(x: Floats, labels: npt.NDArray[np.int32], weight: Floats, at: list[Floats]) -> list[Floats]:
    """As `_gradients`, `BLOCK` rows at a time. Few heads make short runs of memory, so that rows are the last axis."""
    kernel, bias = at
    turned, found = np.ascontiguousarray(kernel.reshape(len(kernel), -1).T), [np.zeros_like(each) for each in at]
    for start in range(0, len(x), BLOCK):
        rows, given = x[start : start + BLOCK], labels[start : start + BLOCK]
        apart = (turned @ rows.T).reshape(*bias.shape, len(rows))
        apart += bias[..., None]
        apart = np.moveaxis(_softmax(np.moveaxis(apart, 0, -2)), -2, 0)  # over classes
        apart[given, :, np.arange(len(rows))] -= 1
        apart *= weight[start : start + BLOCK].T
        found[0] += (apart.reshape(-1, len(rows)) @ rows).T.reshape(kernel.shape)
        found[1] += apart.sum(-1)
    return found


def _softmax(logits: Floats) -> Floats:
    """Over the last axis but one, in place: (…, classes, heads)."""
    logits -= logits.max(axis=-2, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-2, keepdims=True)
    return logits


def _per_head(values: list[Floats]) -> Floats:
    kernel, bias = values
    return np.asarray(kernel.sum(axis=(0, 1)) + bias.sum(axis=0))
