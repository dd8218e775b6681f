"""Tables as CSV, which people open in spreadsheets."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from imageclinic.core.atomic import replacing
from imageclinic.core.columns import Column, Table
from imageclinic.core.errors import InputError, remedied
from imageclinic.core.reading.regular_files import open_regular
from imageclinic.core.reading.table_checks import check_columns, check_key
from imageclinic.core.rows.frames import validate
from imageclinic.core.rows.parquet_tables import Columns

#: Rows that are written together.
_PIECE = 1 << 18
# Cells that begin so are run as formulas by spreadsheets. See OWASP, "CSV Injection". A quote is in the list
# because it marks an escaped cell, so that escaping can be undone.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def escape_cell(value: str) -> str:
    """Put a quote before a cell that a spreadsheet would run as a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def unescape_cell(value: str) -> str:
    """Undo `escape_cell`."""
    return value[1:] if value.startswith("'") and value[1:].startswith(_FORMULA) else value


def write_csv(path: Path, data: pd.DataFrame, table: Table) -> None:
    """Validate `data` and write it as CSV, cells escaped against spreadsheet formulas, then renamed."""
    valid = validate(data, table, where=str(path))
    text = [column.name for column in table.columns if pa.types.is_string(column.type)]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for start in range(0, max(1, len(valid)), _PIECE):  # these are Python strings
            piece = valid.iloc[start : start + _PIECE]
            piece = piece.assign(**{name: piece[name].map(escape_cell, na_action="ignore") for name in text})
            # All but numbers is quoted: pandas would leave a bare carriage return bare, and read it as a new row.
            how: dict[str, Any] = {"index": False, "lineterminator": "\n", "quoting": csv.QUOTE_NONNUMERIC}
            piece.to_csv(file, header=not start, **how)


def read_csv(path: Path, table: Table, columns: Columns = None) -> pd.DataFrame:
    """Read and validate what `write_csv` wrote, or some of its columns: what is not asked for is not looked at.

    One column after the other is validated, so that no more than one is in memory twice.

    Raises:
        InputError: when the file is missing or does not fit.
    """
    wanted = table if columns is None else table.only(columns)
    with remedied(table.remedy):
        pieces = _pieces(path, wanted)
        rows = sum(map(len, pieces))
        check_columns(pieces[0].columns, wanted, f"{path}: ")
        made = {}
        for column in wanted.columns:
            there = [piece.pop(column.name) for piece in pieces if column.name in piece]
            values = pd.concat(there, ignore_index=True) if there else pd.Series([None] * rows)
            del there
            data = _typed(values, column, path).to_frame(column.name)
            made[column.name] = validate(data, wanted.only([column.name]), where=str(path))[column.name]
        if len(wanted.key) > 1:  # else its column was looked through
            check_key(pa.table({name: pa.array(made[name]) for name in wanted.key}), wanted, f"{path}: ")
    return pd.DataFrame(made, copy=False)


def _pieces(path: Path, table: Table) -> list[pd.DataFrame]:
    """The columns of `table` that a file has, as text, in pieces; at least one."""
    text = [column.name for column in table.columns if pa.types.is_string(column.type)]
    pieces = []
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows of more cells than the header has
            # All columns are parsed: were some left out, pandas would not see such rows.
            how: dict[str, Any] = {"keep_default_na": False, "na_values": [""], "index_col": False}
            for piece in pd.read_csv(file, dtype=str, encoding="utf-8", chunksize=_PIECE, **how):
                pieces.append(_unescaped(piece[[name for name in table.names if name in piece]], text))
    except FileNotFoundError:
        raise InputError(f"{path} is missing", expected=f"a file that imageclinic {table.command} wrote") from None
    except (OSError, ValueError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} is no readable CSV file: {reason}", expected=f"the table {table.name}") from error
    return pieces


def _typed(values: pd.Series, column: Column, path: Path) -> pd.Series:
    """Cells of text as the values of `column`."""
    if pa.types.is_string(column.type):
        return values
    if pa.types.is_boolean(column.type):
        return values.map({"True": True, "False": False})
    try:
        return pd.to_numeric(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}, column {column.name}: {error}", expected="numbers") from error


def _unescaped(piece: pd.DataFrame, text: list[str]) -> pd.DataFrame:
    """These columns as they were before `escape_cell`, held by Arrow."""
    made = {name: piece[name].astype("str") for name in text if name in piece}
    for name, values in made.items():
        if values.str.startswith("'").any():  # few have one, and these are Python strings
            made[name] = values.map(unescape_cell, na_action="ignore").astype("str")
    return piece.assign(**made)
