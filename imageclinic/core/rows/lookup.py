"""Which rows of a table have these ids, without a Python string for each row.

A pandas index of ids makes Python strings of all of them, 0.1 GB and more than a second a million; `map` on a column of
ids and `merge` do the same. Here Arrow hashes the shorter side and looks the longer one up in it.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: Rows that are looked up together, where the order helps.
_PIECE = 1 << 18
Ids: TypeAlias = pd.Series | pd.Index | pa.Array | Collection[str]


def places(ids: Ids, table: Ids) -> npt.NDArray[np.intp]:
    """For each id its position in `table`, the first where it is there twice; -1 where it is not there, or null.

    Args:
        ids, table: of text.
    """
    given, known = _text(ids), _text(table)
    if len(given) == len(known) and not given.null_count and given.equals(known):
        return np.arange(len(given))
    if min(len(given), len(known)) > _PIECE and rising([given]) and rising([known]):
        return _side_by_side(given, known)
    if len(given) >= len(known):
        return _index_in(given, known)
    distinct = given.unique()
    of = _index_in(known, distinct)
    there = np.flatnonzero(of >= 0)[::-1]  # backwards, so that the first one is written last
    first = np.full(len(distinct) + 1, -1)  # and -1 for those that are not distinct's: nulls
    first[of[there]] = there
    return first[_index_in(given, distinct)]


def among(ids: Ids, others: Ids) -> npt.NDArray[np.bool_]:
    """Whether each id is one of the others; a null is not.

    Args:
        ids, others: of text.
    """
    return np.asarray(places(ids, others) >= 0)


def values(ids: pd.Series, table: pd.DataFrame, column: str, *, key: str = "image_id") -> pd.Series:
    """What `table` has in `column` for each id, null where it has none: as ``ids.map(table.set_index(key)[column])``.

    Args:
        ids: of text.
        table: a row an id; of several the first counts.
        column: of `table`.
        key: the column of `table` that holds ids.

    Returns:
        One value for each id, with the index of `ids`.
    """
    return taken(table[column], places(ids, table[key])).set_axis(ids.index)


def joined(rows: pd.DataFrame, table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The rows whose image `table` has, with these columns of it: as an inner merge, one to one, on image_id."""
    at = places(rows["image_id"], table["image_id"])
    there = at >= 0
    rows, at = (rows, at) if there.all() else (rows[there], at[there])
    return rows.assign(**{name: taken(table[name], at).set_axis(rows.index) for name in columns})


def shared(ids: pd.Series, known: Iterable[pd.Series]) -> pd.Series:
    """The first of the `known` columns that holds these ids in this order, else the ids themselves: what several
    tables hold alike need not be in memory several times. The index is that of the column.

    Args:
        ids, known: of text.
    """
    text = _text(ids)
    return next((one for one in known if len(one) == len(text) and _text(one).equals(text)), ids)


def kinds(*columns: pd.Series) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows that have the same values in all columns (null is a value, too) are one kind.

    Returns:
        The kind of each row, from 0 in the order of the first of each; and the position of that first one.
    """
    codes = np.zeros(len(columns[0]), dtype=np.intp)
    for column in columns:
        own, names = pd.factorize(column, use_na_sentinel=False)
        codes = pd.factorize(codes * max(1, len(names)) + own)[0]
    first = np.full(int(codes.max(initial=-1)) + 1, -1, dtype=np.intp)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return codes, first


def taken(column: pd.Series, at: npt.NDArray[np.intp]) -> pd.Series:
    """The values at these positions, null at -1."""
    if not len(column):
        return pd.Series(None, index=range(len(at)), dtype=column.dtype if _can_be_null(column) else "float64")
    taken: Any = pd.api.extensions.take(
        column.array if _can_be_null(column) else column.to_numpy(), at, allow_fill=True
    )
    return pd.Series(taken)


def rising(keys: Sequence[pa.ChunkedArray]) -> bool:
    """Whether each row comes behind the one before it, by the first column and then the next: no two are equal. So are
    most tables, and it takes a tenth of the time of hashing, and no memory, to look."""
    behind = None
    for values in reversed(keys):
        before, after = values.slice(0, max(0, len(values) - 1)), values.slice(1)
        more = pc.less(before, after)
        behind = more if behind is None else pc.or_(more, pc.and_(pc.equal(before, after), behind))
    return pc.all(behind, skip_nulls=False).as_py() is True


def _side_by_side(given: pa.ChunkedArray, known: pa.ChunkedArray) -> npt.NDArray[np.intp]:
    """`places` of rising ids in rising ids: a piece of the one in the part of the other that has ids like these."""
    found = []
    for start in range(0, len(given), _PIECE):
        piece = given.slice(start, _PIECE)
        first, last = (
            bisect.bisect_left(known, end.as_py(), key=lambda scalar: scalar.as_py()) for end in (piece[0], piece[-1])
        )
        at = _index_in(piece, known.slice(first, last + 1 - first))
        found.append(np.where(at < 0, -1, at + first))
    return np.concatenate(found)


def _can_be_null(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.api.extensions.ExtensionDtype)


def _index_in(values: pa.ChunkedArray, table: pa.ChunkedArray) -> npt.NDArray[np.intp]:
    found = pc.index_in(values, value_set=table, skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1).to_numpy()).astype(np.intp)


def _text(ids: Ids) -> pa.ChunkedArray:
    if isinstance(ids, pa.Array):
        return pa.chunked_array([ids])
    made = pa.array(ids if isinstance(ids, pd.Series | pd.Index) else list(ids), pa.large_string())
    return made if isinstance(made, pa.ChunkedArray) else pa.chunked_array([made], pa.large_string())
