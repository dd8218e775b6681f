"""Whether what a file holds is a table of ours: its columns, their types, ranges, choices, paths and keys."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imageclinic.core.columns import Column, Table
from imageclinic.core.errors import InputError
from imageclinic.core.ids import PATTERN
from imageclinic.core.rows import lookup

# A path that leads out of the folder that it is relative to.
_LEADS_OUT = r"^/|(?:^|/)\.\.(?:/|$)"


def as_table(arrow: pa.Table, table: Table, at: str) -> pa.Table:
    """The columns of `table`, of its types; others are left out.

    Args:
        arrow: what a file holds.
        table: what it should hold.
        at: what errors begin with, such as ``FILE: ``.

    Raises:
        InputError: names the table, the column and the value that does not fit.
    """
    check_columns(arrow.column_names, table, at)
    arrays = [_values(arrow, column, f"{at}column {table.name}.{column.name}") for column in table.columns]
    made = pa.Table.from_arrays(arrays, schema=table.schema)
    check_values(made, table, at)
    return made


def check_columns(names: Collection[str], table: Table, at: str) -> None:
    """Raises InputError when columns are missing that no earlier version left out."""
    missing = [c.name for c in table.columns if c.name not in names and not c.later]
    if missing:
        raise InputError(
            f"{at}table {table.name} lacks the columns {', '.join(missing)}",
            expected=f"the columns {', '.join(table.names)}",
        )


def column_values(arrow: pa.Table, rows: int, column: Column, table: str, at: str) -> pa.ChunkedArray:
    """One column of a file of so many rows, as `as_table` makes it; `arrow` may lack a later one."""
    name = f"{at}column {table}.{column.name}"
    values = _values(arrow, column, name) if arrow.column_names else pa.chunked_array([pa.nulls(rows, column.type)])
    check_column(values, column, name)
    return values


def _values(arrow: pa.Table, column: Column, name: str) -> pa.ChunkedArray:
    places = arrow.schema.get_all_field_indices(column.name)
    if not places:
        return pa.chunked_array([pa.nulls(arrow.num_rows, column.type)])
    values = arrow.column(places[0])
    if len(places) > 1:
        raise InputError(f"{name} is there {len(places)} times", expected="one column of that name")
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not _alike(values.type, column.type):
        raise InputError(f"{name} is of type {values.type}", expected=str(column.type))
    try:
        values = values.cast(column.type)
    except pa.ArrowException as error:
        raise InputError(f"{name}: {error}", expected=str(column.type)) from error
    return pc.if_else(pc.is_nan(values), None, values) if pa.types.is_floating(column.type) else values


def _alike(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether one may be read as the other: text as text, numbers as numbers, yes and no as that."""
    if pa.types.is_null(given):
        return True
    if pa.types.is_boolean(wanted):
        return bool(pa.types.is_boolean(given))
    if pa.types.is_string(wanted):
        return bool(pa.types.is_string(given) or pa.types.is_large_string(given))
    return bool(pa.types.is_integer(given) or pa.types.is_floating(given))


def check_values(arrow: pa.Table, table: Table, at: str) -> None:
    """Raises InputError for a value that its column does not take, and for two rows with one key.

    Args:
        arrow: a table with `table`'s columns and types.
        table: what they may hold.
        at: what errors begin with.
    """
    for column in table.columns:
        check_column(arrow.column(column.name), column, f"{at}column {table.name}.{column.name}")
    check_key(arrow, table, at)


def check_column(values: pa.ChunkedArray, column: Column, name: str) -> None:
    """Raises InputError for a value that `column` does not take; `name` is what the error calls it."""
    if not column.nullable and values.null_count:
        raise InputError(f"{name} has {values.null_count} empty cells", expected="a value in every row")
    if column.choices:
        bad = sorted(set(values.drop_null().unique().to_pylist()) - set(column.choices))
        if bad:
            raise InputError(f"{name} holds {bad[0][:300]!r}", expected=f"one of {', '.join(column.choices)}")
    if column.path and (stray := _first_stray(values, column.path)) is not None:
        inside = "a path inside of the folder that it is relative to"
        raise InputError(
            f"{name} holds {stray[:300]!r}", expected=inside if column.path == "inside" else "a relative path"
        )
    if column.low is not None or column.high is not None:
        numbers = values.drop_null().to_numpy()
        low = -np.inf if column.low is None else column.low
        high = np.inf if column.high is None else column.high
        wrong = ~((numbers >= low) & (numbers <= high))
        if wrong.any():
            raise InputError(f"{name} holds {numbers[wrong][0]}", expected=f"a number from {low} to {high}")


def check_key(arrow: pa.Table, table: Table, at: str) -> None:
    """Raises InputError for two rows with one key."""
    if not table.key or not arrow.num_rows or lookup.rising([arrow.column(name) for name in table.key]):
        return
    if len(table.key) == 1 and pc.count_distinct(arrow.column(table.key[0]), mode="all").as_py() == arrow.num_rows:
        return
    keys = arrow.select(list(table.key)).to_pandas()
    twice = keys[keys.duplicated()]
    if len(twice):
        value = ", ".join(map(str, twice.iloc[0]))
        raise InputError(f"{at}table {table.name} has two rows for {value[:300]!r}", expected="one")


def _first_stray(paths: pa.ChunkedArray, where: str) -> str | None:
    """The first path that `core.ids` does not write, or that leads out of the folder that it is relative to."""
    sound = pc.match_substring_regex(paths, PATTERN)
    out = pc.match_substring_regex(paths, _LEADS_OUT if where == "inside" else "^/")
    stray = pc.fill_null(pc.or_(pc.invert(sound), out), False)
    return next(iter(paths.filter(stray).slice(0, 1).to_pylist()), None)


def check_same_images(found: pd.DataFrame, dataset: pd.DataFrame, path: Path, *, of_readable: bool) -> None:
    """Raises InputError when a table of a run has an image that `dataset` has not; with `of_readable`, also when it has
    not as many as can be read."""
    ids = found["image_id"].dropna()
    strange = ids[~lookup.among(ids, dataset["image_id"])]
    if len(strange):
        raise InputError(
            f"{path} has the image {strange.iloc[0]!r}, which the dataset table has not",
            expected="tables of one audit",
            fix="audit again",
        )
    readable = dataset["read_error"].isna().sum()
    if of_readable and len(found) != readable:
        raise InputError(f"{path} has {len(found):,} rows", expected=f"{readable:,}", fix="audit again")
