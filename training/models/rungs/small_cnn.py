"""Three convolutions."""

from __future__ import annotations

from typing import Any

PLACE = 20
WHAT = "three convolutions"


def features(x: Any, regularizer: Any) -> Any:
    """Keras tensors (n, height, width, channels) to (n, features)."""
    import keras

    from imageclinic.training.models import convolutions

    for filters in (16, 32, 64):
        # Pooled before it is normalised: a quarter of the work.
        x = keras.layers.MaxPooling2D()(convolutions.convolution(x, filters, regularizer))
        x = convolutions.activated(x)
    return keras.layers.GlobalAveragePooling2D()(x)
