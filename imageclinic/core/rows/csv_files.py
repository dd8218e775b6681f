"""Tables as CSV, which people open in spreadsheets."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from imageclinic.core.atomic import replacing
from imageclinic.core.columns import Column, Table
from imageclinic.core.errors import InputError, remedied
from imageclinic.core.reading.regular_files import open_regular
from imageclinic.core.reading.table_checks import check_key
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
    """Read and validate what `write_csv` wrote, or some of its columns: what is not asked for is not looked at. A piece
    of the rows after the other, so that no more than one is in memory twice.

    Raises:
        InputError: when the file is missing or does not fit.
    """
    wanted = table if columns is None else table.only(columns)
    with remedied(table.remedy):
        read = pd.concat(list(_pieces(path, wanted)), ignore_index=True)
        check_key(pa.table({name: pa.array(read[name]) for name in wanted.key}), wanted, f"{path}: ")
    return read


def _pieces(path: Path, table: Table) -> Iterator[pd.DataFrame]:
    """The columns of `table` of a file, validated but for its key, in pieces; at least one."""
    keyless = replace(table, key=())
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows of more cells than the header has
            # All columns are parsed: were some left out, pandas would not see such rows.
            how: dict[str, Any] = {"keep_default_na": False, "na_values": [""], "index_col": False}
            for piece in pd.read_csv(file, dtype=str, encoding="utf-8", chunksize=_PIECE, **how):
                there = [column for column in table.columns if column.name in piece]
                typed = {column.name: _typed(piece[column.name], column, path) for column in there}
                yield validate(pd.DataFrame(typed), keyless, where=str(path))
    except FileNotFoundError:
        missing = path if path.parent.is_dir() else path.parent
        raise InputError(
            f"{missing} is missing",
            expected=f"what imageclinic {table.command} wrote",
            fix="see whether the path is right",
        ) from None
    except InputError:
        raise
    except (OSError, ValueError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} is no readable CSV file: {reason}", expected=f"the table {table.name}") from error


def _typed(values: pd.Series, column: Column, path: Path) -> pd.Series:
    """Cells of text as the values of `column`, text as it was before `escape_cell`, and held by Arrow."""
    if pa.types.is_string(column.type):
        text = values.astype("str")
        # Few cells begin so, and these are Python strings.
        escaped = text.str.startswith("'").any()
        return text.map(unescape_cell, na_action="ignore").astype("str") if escaped else text
    if pa.types.is_boolean(column.type):
        return values.map({"True": True, "False": False})
    try:
        return pd.to_numeric(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}, column {column.name}: {error}", expected="numbers") from error
