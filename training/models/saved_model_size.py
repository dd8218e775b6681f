"""How much memory a saved model asks for, found out before it is loaded: a file of a few megabytes can ask for many
gigabytes, by packed parts or by layers that its weights don't fill."""

from __future__ import annotations

import contextlib
import json
import math
import zipfile
from collections.abc import Sequence
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
            asked = max(_stored(archive), _built(_config(archive)))
    _refuse_more(path, size, asked, "save it again with model.save('NAME.keras')")


def check_preset(folder: Path, config: dict[str, Any], weights: Sequence[Path]) -> None:
    """Raises InputError when a folder of KerasHub asks for far more memory than its weights have bytes.

    Args:
        folder: to be named.
        config: of its backbone, checked for code.
        weights: HDF5 files. What else is wrong with them is left to Keras.
    """
    size = sum(file.stat().st_size for file in weights)
    asked = max(sum(_arrays(file) for file in weights), _built(config))
    _refuse_more(folder, size, asked, "save it again with save_to_preset")


def _refuse_more(path: Path, size: int, asked: int, fix: str) -> None:
    if asked > _most(size):
        raise InputError(
            f"{path} has {size:,} bytes and would take {asked:,} bytes of memory",
            expected=f"at most {_most(size):,}, for Keras stores weights as they are",
            fix=fix,
        )


def _most(size: int) -> int:
    return _GROWTH * size + _FREE


def _stored(archive: zipfile.ZipFile) -> int:
    """Bytes of all arrays in the file of weights."""
    found = 0
    for name in archive.namelist():
        if name.endswith(".h5"):
            readable = contextlib.suppress(OSError, ValueError, KeyError)
            with readable, archive.open(name) as member:
                found += _arrays(member)
    return found


def _arrays(file: Any) -> int:
    """Bytes of all arrays in an HDF5 file; 0 where it can't be read."""
    sizes: list[int] = []

    def add(_: str, part: Any) -> None:
        if isinstance(part, h5py.Dataset):
            sizes.append(math.prod(part.shape or ()) * part.dtype.itemsize)

    with contextlib.suppress(OSError, ValueError, KeyError), h5py.File(file, "r") as weights:
        weights.visititems(add)
    return sum(sizes)


def _config(archive: zipfile.ZipFile) -> Any:
    """What the file describes; None where that can't be read."""
    with contextlib.suppress(Exception):
        return json.loads(archive.read("config.json"))
    return None


def _built(config: Any) -> int:
    """Bytes of the weights of the layers that a configuration describes. They are described here, too, and not made."""
    with contextlib.suppress(Exception), keras.StatelessScope(initialize_variables=False):  # Keras raises many kinds
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        found = sum(_bytes(weight) for weight in model.weights)
        keras.utils.clear_session()  # it remembers weights that are to be made
        return int(found)
    keras.utils.clear_session()
    return 0


def _bytes(weight: Any) -> int:
    digits = "".join(c for c in str(weight.dtype) if c.isdigit())
    return math.prod(weight.shape) * max(1, int(digits or 8) // 8)
