"""Tables: validated when written and when read. `core.schema` says what their columns are.

This module imports nothing of ours but the schema and the error types, and everything else may import it.
Frames are joined on ``image_id``, never by position.
"""

from __future__ import annotations

import csv
import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from imageclinic.core.atomic import replacing, write_json, write_text
from imageclinic.core.columns import Column, Table
from imageclinic.core.errors import InputError, remedied
from imageclinic.core.ids import to_image_id, to_path
from imageclinic.core.large.wide_text import narrow
from imageclinic.core.reading.parquet_files import (
    metadata,
    read_arrow,
    read_vectors,
    write_arrow,
    write_byte_chunks,
    write_vectors,
)
from imageclinic.core.reading.regular_files import open_regular
from imageclinic.core.reading.table_checks import as_table, check_values
from imageclinic.core.schema import (
    ACTIONS,
    ALIGNED,
    BALANCE,
    CLUSTERS,
    DATASET,
    DECISION_LOG,
    DECISIONS,
    FEATURES,
    ISSUES,
    MANIFEST,
    NEIGHBORS,
    NEW_IMAGES,
    ORIENTATIONS,
    OUTCOMES,
    PAIR_KINDS,
    PREDICTIONS,
    RERANK,
    SPLIT_TABLE,
    SPLITS,
    TABLES,
    VECTOR_IDS,
)
from imageclinic.core.schemas.annotator_tables import ANNOTATIONS, CONSENSUS

__all__ = [
    "ACTIONS",
    "ALIGNED",
    "ANNOTATIONS",
    "BALANCE",
    "CLUSTERS",
    "CONSENSUS",
    "DATASET",
    "DECISIONS",
    "DECISION_LOG",
    "FEATURES",
    "ISSUES",
    "MANIFEST",
    "NEIGHBORS",
    "NEW_IMAGES",
    "ORIENTATIONS",
    "OUTCOMES",
    "PAIR_KINDS",
    "PREDICTIONS",
    "RERANK",
    "SPLITS",
    "SPLIT_TABLE",
    "TABLES",
    "VECTOR_IDS",
    "Column",
    "Embeddings",
    "Predictions",
    "Table",
    "empty",
    "escape_cell",
    "frame",
    "is_current",
    "metadata",
    "read",
    "read_csv",
    "read_vectors",
    "replacing",
    "to_image_id",
    "to_path",
    "unescape_cell",
    "validate",
    "write",
    "write_byte_chunks",
    "write_csv",
    "write_json",
    "write_text",
    "write_vectors",
]


@dataclass(frozen=True)
class Embeddings:
    """embeddings.parquet: one row per readable image. `vectors` is float32 of shape (images, width). The columns from
    and to `shallow` are features of earlier layers: they help to tell labels, and blur how alike two images are."""

    image_id: pd.Series
    vectors: npt.NDArray[np.float32]
    shallow: tuple[int, int] = (0, 0)

    @property
    def alike(self) -> npt.NDArray[np.float32]:
        """float32 (images, at most width): the vectors that distances are measured between, without shallow columns."""
        first, last = self.shallow
        if last == self.vectors.shape[1]:
            return self.vectors[:, :first]
        return self.vectors if first == last else np.delete(self.vectors, np.s_[first:last], axis=1)


def shallow_columns(file: Path) -> tuple[int, int]:
    """What embeddings.parquet has as `Embeddings.shallow`: ``from:to`` in its metadata; none where that is missing."""
    first, _, last = metadata(file).get("shallow", "").partition(":")
    return (int(first), int(last)) if first.isdecimal() and last.isdecimal() else (0, 0)


@dataclass(frozen=True)
class Predictions:
    """predictions.parquet: one row per readable, labelled image.

    `rows` has image_id, fold and label_quality (in [0, 1], 0 = worst); `pred_probs` is float32 of shape
    (images, classes): the out-of-fold probability of the *given* label's classes, rows sum to 1.
    """

    rows: pd.DataFrame
    pred_probs: npt.NDArray[np.float32]
    classes: tuple[str, ...]


def frame(table: Table, **columns: Any) -> pd.DataFrame:
    """Build a validated frame of `table` from columns; scalars are repeated, missing nullable columns are null."""
    lengths = {len(v) for v in columns.values() if not isinstance(v, str) and hasattr(v, "__len__")}
    n = lengths.pop() if lengths else 0
    if not n and not lengths:
        return empty(table)
    data = {}
    for column in table.columns:
        value = columns.get(column.name)
        if value is None or isinstance(value, str) or not hasattr(value, "__len__"):
            value = [value] * n
        data[column.name] = value.reset_index(drop=True) if isinstance(value, pd.Series) else value
    return validate(pd.DataFrame(data), table)


def empty(table: Table) -> pd.DataFrame:
    """A frame of `table` without rows."""
    return _empty(table).copy()


@functools.cache
def _empty(table: Table) -> pd.DataFrame:
    return _to_pandas(table.schema.empty_table(), table)


def validate(data: pd.DataFrame, table: Table, *, where: str = "") -> pd.DataFrame:
    """Return `data` as a frame of exactly `table`'s columns, order and types.

    Raises:
        InputError: naming the table (and `where`, a file), the column and the value that does not fit.
    """
    return _to_pandas(_to_arrow(data, table, where), table)


def _to_arrow(data: pd.DataFrame, table: Table, where: str) -> pa.Table:
    """What `validate` describes, as Arrow has it."""
    at = f"{where}: " if where else ""
    data = _with_later_columns(data, table)
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


def write(path: Path, data: pd.DataFrame, table: Table, metadata: Mapping[str, str] | None = None) -> None:
    """Validate `data` and write it to `path` as Parquet: under a temporary name, then renamed."""
    write_arrow(path, _to_arrow(data, table, str(path)), metadata)


def read(path: Path, table: Table) -> pd.DataFrame:
    """Read and validate the Parquet file at `path`.

    Raises:
        InputError: when the file is missing, is no Parquet file, or holds another table; says which command makes it
            again.
    """
    with remedied(table.remedy):
        return _to_pandas(as_table(read_arrow(path), table, f"{path}: "), table)


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
    for column in table.columns:
        if pa.types.is_string(column.type):
            valid[column.name] = valid[column.name].map(escape_cell, na_action="ignore")
    with replacing(path) as temporary:
        # Everything but numbers is quoted: pandas would leave a bare carriage return bare, and read it as a new row.
        valid.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)


def read_csv(path: Path, table: Table) -> pd.DataFrame:
    """Read and validate what `write_csv` wrote. Raises InputError when the file is missing or does not fit."""
    with remedied(table.remedy):
        return _from_csv(path, table)


def _from_csv(path: Path, table: Table) -> pd.DataFrame:
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows of more cells than the header has
            data = pd.read_csv(
                file, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8", index_col=False
            )
    except FileNotFoundError:
        raise InputError(f"{path} is missing", expected=f"a file that imageclinic {table.command} wrote") from None
    except (OSError, ValueError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} is no readable CSV file: {reason}", expected=f"the table {table.name}") from error
    data = _with_later_columns(data, table)
    for column in table.columns:
        if column.name not in data.columns:
            continue
        if pa.types.is_string(column.type):
            data[column.name] = data[column.name].map(unescape_cell, na_action="ignore")
        elif pa.types.is_boolean(column.type):
            data[column.name] = data[column.name].map({"True": True, "False": False})
        else:
            try:
                data[column.name] = pd.to_numeric(data[column.name])
            except (ValueError, TypeError) as error:
                raise InputError(f"{path}, column {column.name}: {error}", expected="numbers") from error
    return validate(data, table, where=str(path))


def _with_later_columns(data: pd.DataFrame, table: Table) -> pd.DataFrame:
    """`data` with the columns that came with a later version than the one that wrote it, empty."""
    missing = {c.name: None for c in table.columns if c.later and c.name not in data.columns}
    return data.assign(**missing) if missing else data


def _to_pandas(arrow: pa.Table, table: Table) -> pd.DataFrame:
    data = arrow.to_pandas()
    for column in table.columns:
        if pa.types.is_integer(column.type) and column.nullable:
            data[column.name] = arrow.column(column.name).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        elif pa.types.is_string(column.type):
            data[column.name] = data[column.name].astype("str")
    return data


def is_current(path: Path, key: str) -> bool:
    """Whether the table at `path` was made from the inputs that `key` names."""
    return metadata(path).get("key") == key
