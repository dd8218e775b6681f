"""The capacity ladder: models of growing size, each trained from scratch.

| rung | what it is | parameters | multiply-adds an image |
|---|---|---|---|
| ``linear`` | one dense layer on given features or raw pixels | 5,130 | 5,120 |
| ``small_cnn`` | three convolutions | 24,570 | 2,802,304 |
| ``large_cnn`` | six convolutions in three blocks | 289,642 | 38,634,752 |

Counted for 10 classes; ``linear`` for 512 features, the others for 32×32 colour images. Convolutional rungs
end in global average pooling: they take any image size from 8 pixels up, and their cost grows with the area.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import keras

from audit.errors import InputError
from training import augment as augmentation

_L = keras.layers
Tensor: TypeAlias = keras.KerasTensor
Regularizer: TypeAlias = keras.regularizers.Regularizer | None


def build(
    rung: str,
    input_shape: Sequence[int],
    classes: int,
    *,
    dropout: float = 0.2,
    l1: float = 0.0,
    l2: float = 0.0,
    augment: str = "none",
    mirror: bool = False,
    seed: int = 0,
) -> keras.Model:
    """A model from the ladder, with fresh weights, not compiled. (Weight decay is the optimizer's: see
    `training.fit.fit`.)

    Args:
        rung: a name in `LADDER`.
        input_shape: (height, width, channels) for images as floats or bytes in [0, 255], rescaled inside; or
            (features,) for vectors, taken as they are (``linear`` only).
        classes: number of classes, at least 2.
        dropout: share of the last features dropped in training, in [0, 1).
        l1: strength of the L1 penalty on kernels, at least 0.
        l2: strength of the L2 penalty on kernels, at least 0.
        augment: strength of augmentation, a name in `training.augment.STRENGTHS`; images only.
        mirror: whether augmentation may mirror left and right.
        seed: of the initial weights. Sets the global seeds of Python, NumPy and TensorFlow.

    Returns:
        A model from (n, *input_shape) to probabilities (n, classes).

    Raises:
        InputError: for an unknown rung (lists the ladder), or a shape or number that it can't take.
    """
    shape = tuple(int(side) for side in input_shape)
    _check(rung, shape, classes, dropout, l1, l2)
    keras.utils.set_random_seed(seed)
    regularizer = keras.regularizers.L1L2(l1, l2) if l1 or l2 else None
    inputs = keras.Input(shape)
    features = inputs
    if len(shape) == 3:
        for layer in augmentation.layers(augment, mirror=mirror):
            features = layer(features)
        features = _L.Rescaling(1 / 127.5, offset=-1.0)(features)
    features = LADDER[rung](features, regularizer)
    if dropout:
        features = _L.Dropout(dropout)(features)
    head = _L.Dense(classes, activation="softmax", dtype="float32", kernel_regularizer=regularizer)
    return keras.Model(inputs, head(features), name=rung)


def multiply_adds(model: keras.Model) -> int:
    """Multiplications (with an addition each) of convolutions and dense layers for one image, forward."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, (_L.Conv2D, _L.Dense)):
            positions = 1
            for side in layer.output.shape[1:-1]:
                positions *= side
            total += positions * int(layer.kernel.shape.num_elements())
    return total


def _check(rung: str, shape: tuple[int, ...], classes: int, dropout: float, l1: float, l2: float) -> None:
    if rung not in LADDER:
        raise InputError(f"unknown model {rung!r}", expected=f"one of {', '.join(LADDER)}")
    if classes < 2:
        raise InputError(f"{classes} class to tell apart", expected="at least 2")
    images = len(shape) == 3 and min(shape[:2]) >= 8 and shape[2] >= 1
    vectors = len(shape) == 1 and shape[0] >= 1 and rung == "linear"
    if not (images or vectors):
        raise InputError(
            f"model {rung} can't take inputs of shape {shape}",
            expected="(height, width, channels) of at least 8×8 pixels, or (features,) for linear",
        )
    if not 0 <= dropout < 1 or l1 < 0 or l2 < 0:
        raise InputError(
            f"dropout {dropout}, L1 {l1}, L2 {l2}",
            expected="dropout from 0 to below 1, penalties of at least 0",
        )


def _linear(x: Tensor, _: Regularizer) -> Tensor:
    return x if len(x.shape) == 2 else _L.Flatten()(x)


def _small_cnn(x: Tensor, regularizer: Regularizer) -> Tensor:
    for filters in (16, 32, 64):
        # Pooled before it is normalised: a quarter of the work.
        x = _L.MaxPooling2D()(_convolution(x, filters, regularizer))
        x = _activated(x)
    return _L.GlobalAveragePooling2D()(x)


def _large_cnn(x: Tensor, regularizer: Regularizer) -> Tensor:
    for filters in (32, 64, 128):
        for _ in range(2):
            x = _activated(_convolution(x, filters, regularizer))
        x = _L.MaxPooling2D()(x)
    return _L.GlobalAveragePooling2D()(x)


def _convolution(x: Tensor, filters: int, regularizer: Regularizer) -> Tensor:
    return _L.Conv2D(filters, 3, padding="same", use_bias=False, kernel_regularizer=regularizer)(x)


def _activated(x: Tensor) -> Tensor:
    # Keras's momentum of 0.99 needs thousands of steps: small sets would be validated with stale statistics.
    return _L.ReLU()(_L.BatchNormalization(momentum=0.9)(x))


#: Name → function from inputs to features, from the smallest to the largest.
LADDER: dict[str, Callable[[Tensor, Regularizer], Tensor]] = {
    "linear": _linear,
    "small_cnn": _small_cnn,
    "large_cnn": _large_cnn,
}
