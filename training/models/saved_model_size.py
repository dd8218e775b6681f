"""How much memory a saved model asks for, found out before it is loaded: a file of a few megabytes can ask for many
gigabytes, by packed parts or by layers that its weights don't fill."""

from __future__ import annotations

import contextlib
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras

from imageclinic.core.errors import InputError

#: Keras stores weights as they are. Packed by another tool, a file may grow so many times; and small ones by so much.
_GROWTH, _FREE = 10, 64 << 20


def check(path: Path) -> None:
    """Raises InputError when a ``.keras`` file asks for far more memory than it has bytes.

    Args:
        path: a zip archive. What else is wrong with it is left to Keras.
    """
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        asked = sum(part.file_size for part in archive.infolist())
        if asked <= _most(size):
            asked = max(_stored(archive), _built(archive))
    if asked > _most(size):
        raise InputError(
            f"{path} has {size:,} bytes and would take {asked:,} bytes of memory",
            expected=f"at most {_most(size):,}, for Keras stores weights as they are",
            fix="save it again with model.save('NAME.keras')",
        )


def _most(size: int) -> int:
    return _GROWTH * size + _FREE


def _stored(archive: zipfile.ZipFile) -> int:
    """Bytes of all arrays in the file of weights."""
    sizes: list[int] = []

    def add(_: str, part: Any) -> None:
        if isinstance(part, h5py.Dataset):
            sizes.append(math.prod(part.shape or ()) * part.dtype.itemsize)

    for name in archive.namelist():
        if name.endswith(".h5"):
            readable = contextlib.suppress(OSError, ValueError, KeyError)
            with readable, archive.open(name) as member, h5py.File(member, "r") as weights:
                weights.visititems(add)
    return sum(sizes)


def _built(archive: zipfile.ZipFile) -> int:
    """Bytes of the weights of the layers that the file describes. They are described here, too, and not made."""
    with contextlib.suppress(Exception), keras.StatelessScope(initialize_variables=False):  # Keras raises many kinds
        config = json.loads(archive.read("config.json"))
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        found = sum(_bytes(weight) for weight in model.weights)
        keras.utils.clear_session()  # it remembers weights that are to be made
        return int(found)
    keras.utils.clear_session()
    return 0


def _bytes(weight: Any) -> int:
    digits = "".join(c for c in str(weight.dtype) if c.isdigit())
    return math.prod(weight.shape) * max(1, int(digits or 8) // 8)
