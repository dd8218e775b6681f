"""Arrays that may be larger than memory: above a size they lie in a file without a name, mapped into memory, which the
system can take out of memory again. Below it they are arrays like any other."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

#: Bytes above which an array is in a file.
LARGE = 1 << 28
#: Bytes that are looked at together.
PIECE = 1 << 26


def empty(shape: tuple[int, ...], kind: npt.DTypeLike, folder: Path | None) -> npt.NDArray[Any]:
    """An array to be filled; a large one is in a file in `folder`, which goes with the array.

    Args:
        shape, kind: of the array.
        folder: an existing one, on a disk that has room; None: the system's for temporary files.
    """
    if _size(shape, kind) <= LARGE:
        return np.empty(shape, kind)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(_size(shape, kind))
        return np.memmap(file, kind, "r+", shape=shape)


def filled(
    pieces: Iterable[npt.NDArray[Any]], shape: tuple[int, ...], kind: npt.DTypeLike, folder: Path | None
) -> npt.NDArray[Any]:
    """The pieces, one below the other, as one array of a shape; see `empty`. A large one is written, so that only what
    is read of it comes into memory.

    Raises:
        ValueError: they are not of that shape.
    """
    if _size(shape, kind) <= LARGE:
        whole, at = np.empty(shape, kind), 0
        for piece in pieces:
            whole[at : at + len(piece)] = piece
            at += len(piece)
        if at != shape[0]:
            raise ValueError(f"{at} rows instead of {shape[0]}")
        return whole
    with tempfile.TemporaryFile(dir=folder) as file:
        for piece in pieces:
            np.ascontiguousarray(piece, kind).tofile(file)
        file.flush()
        if file.tell() != _size(shape, kind):
            raise ValueError(f"{file.tell()} bytes instead of {_size(shape, kind)}")
        return np.memmap(file, kind, "r+", shape=shape)


def chosen(array: npt.NDArray[Any], rows: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Some rows of an array (n, width), in this order; see `filled`."""
    size = rows_at_once(array.shape[1], array.dtype)
    pieces = (np.asarray(array[rows[at : at + size]]) for at in range(0, len(rows), size))
    return filled(pieces, (len(rows), array.shape[1]), array.dtype, None)


def rows_at_once(width: int, kind: npt.DTypeLike) -> int:
    """Rows of so many values whose bytes are looked at together."""
    return max(1, PIECE // max(1, width * np.dtype(kind).itemsize))


def _size(shape: tuple[int, ...], kind: npt.DTypeLike) -> int:
    return prod(shape) * np.dtype(kind).itemsize
