"""Residual blocks: He et al., "Deep Residual Learning for Image Recognition" (2016), as they cut it for CIFAR-10."""

from __future__ import annotations

from typing import Any

PLACE = 40
WHAT = "six residual blocks of two convolutions"


def features(x: Any, regularizer: Any) -> Any:
    """Keras tensors (n, height, width, channels) to (n, features)."""
    import keras

    from imageclinic.training.models.convolutions import activated, convolution, normalised

    x = activated(convolution(x, 32, regularizer))
    for filters, stride in ((32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        shortcut = x
        if stride > 1:
            shortcut = normalised(convolution(x, filters, regularizer, side=1, stride=stride))
        x = activated(convolution(x, filters, regularizer, stride=stride))
        x = normalised(convolution(x, filters, regularizer))
        x = keras.layers.ReLU()(keras.layers.Add()([x, shortcut]))
    return keras.layers.GlobalAveragePooling2D()(x)
