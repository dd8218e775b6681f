"""The optimizers, one entry each: all that any command knows of them. Weight decay is decoupled, on kernels only.

Keras is imported when one is made, so that a command's help can name them without loading it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from imageclinic.core.errors import InputError
from imageclinic.core.option_fields import listed

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Optimizer:
    """`keras_name`: its class in `keras.optimizers`; `usual_rate`: a learning rate that usually does, which is also
    Keras's own; `arguments`: what it is always made with; `remark`: on these, for users. `instead`: the optimizer that
    is offered in its place. One with such a name is known only because a user's model may be compiled with it."""

    keras_name: str
    usual_rate: float = 1e-3
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    remark: str = ""
    instead: str | None = None


OPTIMIZERS: dict[str, Optimizer] = {
    "adamw": Optimizer("AdamW"),
    "adam": Optimizer("Adam", instead="adamw"),
    "sgd": Optimizer("SGD", 1e-2, MappingProxyType({"momentum": 0.9, "nesterov": True}), "with momentum"),
    "rmsprop": Optimizer("RMSprop"),
}
#: The names that `train` and `tune` take.
OFFERED = tuple(name for name, optimizer in OPTIMIZERS.items() if optimizer.instead is None)


def check(name: str, among: Collection[str] = OPTIMIZERS) -> None:
    """Raises InputError for a name that is none of those; lists them."""
    if name not in among:
        raise InputError(f"unknown optimizer {name!r}", expected=f"one of {', '.join(among)}")


def in_words(among: Collection[str]) -> str:
    """These names with what users should know of them, to be listed in a sentence."""
    remarks = {name: OPTIMIZERS[name].remark for name in among}
    return listed([f"{name} ({remark})" if remark else name for name, remark in remarks.items()])


def offered(name: str) -> str:
    """The name itself, or that of the optimizer which is offered instead."""
    return OPTIMIZERS[name].instead or name


def make(name: str, learning_rate: float, weight_decay: float) -> keras.optimizers.Optimizer:
    """An optimizer that leaves biases and normalisation out of the weight decay.

    Args:
        name: a name in `OPTIMIZERS`.
        learning_rate: above 0.
        weight_decay: at least 0.

    Raises:
        InputError: for an unknown name; lists the known ones.
    """
    import keras

    check(name)
    kind = OPTIMIZERS[name]
    made = getattr(keras.optimizers, kind.keras_name)(float(learning_rate), weight_decay=weight_decay, **kind.arguments)
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def code(name: str, learning_rate: float, **more: str) -> str:
    """The Python expression that makes it, to be shown to users; `more`: further arguments, as they are written."""
    kind = OPTIMIZERS[name]
    arguments = [f"{learning_rate:g}", *(f"{k}={v}" for k, v in {**kind.arguments, **more}.items())]
    return f"keras.optimizers.{kind.keras_name}({', '.join(arguments)})"
