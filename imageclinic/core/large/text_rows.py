"""Columns of text as numbers: in which order it is, and what is there twice.

Text stays in Arrow's buffers; pandas would make a Python string of each, which takes five times the memory. Where which
text is: `core.rows.lookup`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

#: Rows that are copied together.
_PIECE = 1 << 18


def text(values: pd.Series | pd.Index) -> pa.Array:
    """The values of a column of text as one Arrow array with offsets of 64 bits."""
    if not len(values):
        return pa.array([], pa.large_string())  # pandas gives columns without rows other types
    array = pa.array(values, pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def column(values: Iterable[str | None]) -> pd.Series:
    """Texts that are made one by one as a column: no more than a piece of them are Python strings at once."""
    rest, pieces = iter(values), []
    while piece := list(itertools.islice(rest, _PIECE)):
        pieces.append(pa.array(piece, pa.large_string()))
    return pa.chunked_array(pieces, pa.large_string()).to_pandas().astype("str")


def distinct(*columns: pd.Series | pd.Index) -> pd.Series:
    """The different texts of some columns, in order of code points."""
    every = pc.unique(pa.chunked_array([text(column) for column in columns], pa.large_string()))
    return every.take(pc.array_sort_indices(every)).to_pandas().astype("str")


def ranks(values: pd.Series) -> Ints:
    """The number of each text among all different ones in order of code points, intp (n,); −1 for null."""
    array = text(values)
    order = pc.array_sort_indices(array).to_numpy()  # nulls last
    new = np.ones(len(array), np.intp)
    for start in range(1, len(array), _PIECE):
        piece = array.take(pa.array(order[start - 1 : start + _PIECE]))
        differs = pc.fill_null(pc.not_equal(piece[1:], piece[:-1]), False)
        new[start : start + _PIECE] = differs.to_numpy(zero_copy_only=False)
    found = np.empty(len(array), np.intp)
    found[order] = np.cumsum(new) - 1
    if array.null_count:
        found[array.is_null().to_numpy(zero_copy_only=False)] = -1
    return found


def repeated(numbers: npt.NDArray[np.integer]) -> Flags:
    """Which numbers of at least 0 are there more than once, bool (n,)."""
    order = np.argsort(numbers, kind="stable")
    same = np.zeros(len(numbers) + 1, np.bool_)
    same[1:-1] = numbers[order[1:]] == numbers[order[:-1]]
    found = np.empty(len(numbers), np.bool_)
    found[order] = same[1:] | same[:-1]
    return found & (numbers >= 0)
