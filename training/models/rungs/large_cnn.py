"""Six convolutions in three blocks."""

from __future__ import annotations

from typing import Any

PLACE = 30
WHAT = "six convolutions in three blocks"


def features(x: Any, regularizer: Any) -> Any:
    """Keras tensors (n, height, width, channels) to (n, features)."""
    import keras

    from imageclinic.training.models import convolutions

    for filters in (32, 64, 128):
        for _ in range(2):
            x = convolutions.activated(convolutions.convolution(x, filters, regularizer))
        x = keras.layers.MaxPooling2D()(x)
    return keras.layers.GlobalAveragePooling2D()(x)
