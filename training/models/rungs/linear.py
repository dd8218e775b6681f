"""One dense layer: nothing precedes the classifier."""

from __future__ import annotations

from typing import Any

PLACE = 10
WHAT = "one dense layer on given features or raw pixels"
TAKES_VECTORS = True


def features(x: Any, _: Any) -> Any:
    """Keras tensors (n, …) to (n, features)."""
    import keras

    return x if len(x.shape) == 2 else keras.layers.Flatten()(x)
