"""The rungs of the capacity ladder: one file each, found by walking this folder.

A file `name.py` makes the model `name` known to every command. It holds `PLACE` (in the ladder: the greater the
number, the larger the network), `WHAT` (in a few words, for the documentation), `features` (from inputs and a penalty
on kernels to features) and, where it also takes vectors, ``TAKES_VECTORS = True``. It imports Keras when `features` is
called, so that a command's help can name the rungs without loading it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rung:
    """What it is, in words; the function from inputs (and a penalty on kernels) to features; whether the inputs may be
    vectors instead of images."""

    what: str
    features: Callable[[Any, Any], Any]
    takes_vectors: bool


def load() -> dict[str, Rung]:
    """All rungs by name, from the smallest to the largest."""
    modules = {m.name: importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)}
    return {
        name: Rung(module.WHAT, module.features, getattr(module, "TAKES_VECTORS", False))
        for name, module in sorted(modules.items(), key=lambda item: item[1].PLACE)
    }


#: Those that are trained from scratch, from the smallest to the largest.
LADDER = load()
