"""The optimizers that a training may use, all with decoupled weight decay on kernels only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras

from imageclinic.core.errors import InputError

#: Name → what makes it from a learning rate and a weight decay.
OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "adamw": keras.optimizers.AdamW,
    "sgd": partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
    "rmsprop": keras.optimizers.RMSprop,
}


def make(name: str, learning_rate: float, weight_decay: float) -> keras.optimizers.Optimizer:
    """An optimizer that leaves biases and normalisation out of the weight decay.

    Args:
        name: a name in `OPTIMIZERS`; ``sgd`` has Nesterov momentum 0.9.
        learning_rate: above 0.
        weight_decay: at least 0.

    Raises:
        InputError: for an unknown name; lists the known ones.
    """
    if name not in OPTIMIZERS:
        raise InputError(f"unknown optimizer {name!r}", expected=f"one of {', '.join(OPTIMIZERS)}")
    optimizer = OPTIMIZERS[name](float(learning_rate), weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
