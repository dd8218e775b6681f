"""Frames ⇄ Arrow tables of the schema: of exactly a table's columns, order and types, validated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from imageclinic.core.columns import Column, Table
from imageclinic.core.errors import InputError
from imageclinic.core.large.wide_text import narrow
from imageclinic.core.reading.table_checks import check_values


def validate(data: pd.DataFrame, table: Table, *, where: str = "") -> pd.DataFrame:
    """Return `data` as a frame of exactly `table`'s columns, order and types.

    Raises:
        InputError: naming the table (and `where`, a file), the column and the value that does not fit.
    """
    return to_frame(to_arrow(data, table, where), table)


def to_arrow(data: pd.DataFrame, table: Table, where: str) -> pa.Table:
    """What `validate` describes, as Arrow has it."""
    at = f"{where}: " if where else ""
    data = with_later_columns(data, table)
    missing = [name for name in table.names if name not in data.columns]
    if missing:
        raise InputError(
            f"{at}table {table.name} lacks the columns {', '.join(missing)}",
            expected=f"the columns {', '.join(table.names)}",
        )
    arrays = []
    for column in table.columns:
        wide = pa.types.is_string(column.type)
        try:
            array = pa.Array.from_pandas(data[column.name], type=pa.large_string() if wide else column.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise InputError(f"{at}column {table.name}.{column.name}: {error}", expected=str(column.type)) from error
        arrays.append(narrow(array) if wide else array)
    arrow = pa.Table.from_arrays(arrays, schema=table.schema)
    check_values(arrow, table, at)
    return arrow


def to_frame(arrow: pa.Table, table: Table) -> pd.DataFrame:
    """A frame of a table that has `table`'s columns and types."""
    columns = {column.name: to_series(arrow.column(column.name), column) for column in table.columns}
    return pd.DataFrame(columns, copy=False)


def to_series(values: pa.ChunkedArray, column: Column) -> pd.Series:
    """A column as frames have it: text as Arrow's, integers that may be null as pandas' Int64, what else is a number or
    yes or no as NumPy's."""
    if pa.types.is_integer(column.type) and column.nullable:
        return values.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    made = values.to_pandas()
    if pa.types.is_string(column.type):
        return made.astype("str")
    # Arrow's own memory can't be written to, which pandas does not know.
    return made if made.array.to_numpy().flags.writeable else pd.Series(np.array(made))


def with_later_columns(data: pd.DataFrame, table: Table) -> pd.DataFrame:
    """`data` with the columns that came with a later version than the one that wrote it, empty."""
    missing = {c.name: None for c in table.columns if c.later and c.name not in data.columns}
    return data.assign(**missing) if missing else data
