"""Arrow columns from Python values and NumPy arrays, without pandas.

`pyarrow.array` loads pandas to find out whether it was given one of its objects. That takes a worker process longer
than all else that it loads, so its columns are made of the buffers that Arrow's format describes.
https://arrow.apache.org/docs/format/Columnar.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

#: Arrow's types → NumPy's; asked by Arrow's own method, pyarrow 22 loads pandas.
KINDS = {
    pa.from_numpy_dtype(np.dtype(name)): np.dtype(name)
    for name in ("bool", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
}


def from_values(values: Sequence[Any], type: pa.DataType) -> pa.Array:
    """A column of text, numbers or truth values; None is null.

    Raises:
        UnicodeEncodeError: text that is no valid Unicode.
    """
    valid = np.array([value is not None for value in values], dtype=bool)
    if pa.types.is_string(type):
        texts = [b"" if value is None else value.encode() for value in values]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        if ends[-1] > np.iinfo(np.int32).max:
            raise OverflowError(f"{ends[-1]:,} bytes of text in one column")
        offsets, text = pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(texts))
        return pa.Array.from_buffers(type, len(texts), [_bits(valid), offsets, text])
    return from_numpy(np.array([value or 0 for value in values], dtype=KINDS[type]), valid, type)


def from_numpy(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], type: pa.DataType) -> pa.Array:
    """A column of numbers or truth values, (n,), null where not `valid`."""
    if pa.types.is_boolean(type):
        return pa.Array.from_buffers(type, len(values), [_bits(valid), _bits(values.astype(bool))])
    plain = np.ascontiguousarray(values, dtype=KINDS[type])
    return pa.Array.from_buffers(type, len(plain), [_bits(valid), pa.py_buffer(plain)])


def _bits(flags: npt.NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))
