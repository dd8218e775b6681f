"""Tables as CSV, which people open in spreadsheets."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from imageclinic.core.atomic import replacing
from imageclinic.core.columns import Table
from imageclinic.core.errors import InputError, remedied
from imageclinic.core.reading.regular_files import open_regular
from imageclinic.core.rows.frames import validate, with_later_columns

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


def read_csv(path: Path, table: Table) -> pd.DataFrame:
    """Read and validate what `write_csv` wrote. Raises InputError when the file is missing or does not fit."""
    with remedied(table.remedy):
        return _from_csv(path, table)


def _from_csv(path: Path, table: Table) -> pd.DataFrame:
    text = [column.name for column in table.columns if pa.types.is_string(column.type)]
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows of more cells than the header has
            how: dict[str, Any] = {"keep_default_na": False, "na_values": [""], "index_col": False}
            pieces = pd.read_csv(file, dtype=str, encoding="utf-8", chunksize=_PIECE, **how)
            data = pd.concat([_unescaped(piece, text) for piece in pieces], ignore_index=True)
    except FileNotFoundError:
        raise InputError(f"{path} is missing", expected=f"a file that imageclinic {table.command} wrote") from None
    except (OSError, ValueError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} is no readable CSV file: {reason}", expected=f"the table {table.name}") from error
    data = with_later_columns(data, table)
    for column in table.columns:
        if column.name not in data.columns:
            continue
        if pa.types.is_string(column.type):
            continue
        if pa.types.is_boolean(column.type):
            data[column.name] = data[column.name].map({"True": True, "False": False})
        else:
            try:
                data[column.name] = pd.to_numeric(data[column.name])
            except (ValueError, TypeError) as error:
                raise InputError(f"{path}, column {column.name}: {error}", expected="numbers") from error
    return validate(data, table, where=str(path))


def _unescaped(piece: pd.DataFrame, text: list[str]) -> pd.DataFrame:
    """These columns as they were before `escape_cell`, held by Arrow."""
    there = [name for name in text if name in piece]
    return piece.assign(**{n: piece[n].map(unescape_cell, na_action="ignore").astype("str") for n in there})
