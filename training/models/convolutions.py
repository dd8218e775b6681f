"""The layers that the convolutional rungs are made of."""

from __future__ import annotations

from typing import TypeAlias

import keras

_L = keras.layers
Tensor: TypeAlias = keras.KerasTensor
Regularizer: TypeAlias = keras.regularizers.Regularizer | None


def convolution(x: Tensor, filters: int, regularizer: Regularizer, *, side: int = 3, stride: int = 1) -> Tensor:
    """A convolution without bias: a normalisation follows."""
    layer = _L.Conv2D(filters, side, strides=stride, padding="same", use_bias=False, kernel_regularizer=regularizer)
    return layer(x)


def normalised(x: Tensor) -> Tensor:
    """Batch normalisation."""
    # Keras's momentum of 0.99 needs thousands of steps: small sets would be validated with stale statistics.
    return _L.BatchNormalization(momentum=0.9)(x)


def activated(x: Tensor) -> Tensor:
    """Batch normalisation, then ReLU."""
    return _L.ReLU()(normalised(x))
