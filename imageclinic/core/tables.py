"""Tables: validated when written and when read. `core.schema` says what their columns are.

This module imports nothing of ours but the schema and the error types, and everything else may import it.
Frames are joined on ``image_id``, never by position.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imageclinic.core.atomic import replacing, write_json, write_text
from imageclinic.core.errors import InputError
from imageclinic.core.ids import to_image_id, to_path
from imageclinic.core.schema import (
    ACTIONS,
    BALANCE,
    CLUSTERS,
    DATASET,
    DECISION_LOG,
    DECISIONS,
    FEATURES,
    ISSUES,
    MANIFEST,
    NEIGHBORS,
    ORIENTATIONS,
    OUTCOMES,
    PAIR_KINDS,
    RERANK,
    SPLIT_TABLE,
    SPLITS,
    TABLES,
    Column,
    Table,
)

__all__ = [
    "ACTIONS",
    "BALANCE",
    "CLUSTERS",
    "DATASET",
    "DECISIONS",
    "DECISION_LOG",
    "FEATURES",
    "ISSUES",
    "MANIFEST",
    "NEIGHBORS",
    "ORIENTATIONS",
    "OUTCOMES",
    "PAIR_KINDS",
    "RERANK",
    "SPLITS",
    "SPLIT_TABLE",
    "TABLES",
    "Column",
    "Embeddings",
    "Predictions",
    "Table",
    "empty",
    "escape_cell",
    "frame",
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
    """embeddings.parquet: one row per readable image. `vectors` is float32 of shape (images, width)."""

    image_id: pd.Series
    vectors: npt.NDArray[np.float32]


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
    data = {}
    for column in table.columns:
        value = columns.get(column.name)
        if value is None or isinstance(value, str) or not hasattr(value, "__len__"):
            value = [value] * n
        data[column.name] = value.reset_index(drop=True) if isinstance(value, pd.Series) else value
    return validate(pd.DataFrame(data), table)


def empty(table: Table) -> pd.DataFrame:
    """A frame of `table` without rows."""
    return _to_pandas(table.schema.empty_table(), table)


def validate(data: pd.DataFrame, table: Table, *, where: str = "") -> pd.DataFrame:
    """Return `data` as a frame of exactly `table`'s columns, order and types.

    Raises:
        InputError: naming the table (and `where`, a file), the column and the value that does not fit.
    """
    at = f"{where}: " if where else ""
    missing = [name for name in table.names if name not in data.columns]
    if missing:
        raise InputError(
            f"{at}table {table.name} lacks the columns {', '.join(missing)}",
            expected=f"the columns {', '.join(table.names)}",
        )
    arrays = []
    for column in table.columns:
        try:
            array = pa.Array.from_pandas(data[column.name], type=column.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise InputError(f"{at}column {table.name}.{column.name}: {error}", expected=str(column.type)) from error
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        arrays.append(array)
    arrow = pa.Table.from_arrays(arrays, schema=table.schema)
    _check_ranges(arrow, table, at)
    return _to_pandas(arrow, table)


def write(path: Path, data: pd.DataFrame, table: Table, metadata: Mapping[str, str] | None = None) -> None:
    """Validate `data` and write it to `path` as Parquet: under a temporary name, then renamed."""
    valid = validate(data, table, where=str(path))
    arrow = pa.Table.from_pandas(valid, schema=table.schema, preserve_index=False)
    _write_arrow(path, arrow, metadata)


def read(path: Path, table: Table) -> pd.DataFrame:
    """Read and validate the Parquet file at `path`.

    Raises:
        InputError: when the file is missing, is no Parquet file, or holds another table.
    """
    return validate(_with_later_columns(_read_arrow(path).to_pandas(), table), table, where=str(path))


def write_vectors(
    path: Path,
    columns: Mapping[str, Any],
    name: str,
    vectors: npt.NDArray[Any],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write `columns` (one value a row) and `vectors`, of shape (rows, width), as a fixed-size list column `name`
    of their dtype."""
    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    lists = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    _write_arrow(path, pa.table({**{k: pa.array(v) for k, v in columns.items()}, name: lists}), metadata)


def write_byte_chunks(
    path: Path, columns: Mapping[str, Any], name: str, chunks: Iterable[npt.NDArray[np.uint8]], width: int
) -> None:
    """Write `columns` and rows of `width` bytes, which come in chunks (rows, width), as a fixed-size binary column
    `name`: they need not fit in memory, and are written ten times faster than lists."""
    whole = pa.table({k: pa.array(v) for k, v in columns.items()})
    schema = whole.schema.append(pa.field(name, pa.binary(width)))
    start = 0
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for rows in chunks:
            packed = pa.Array.from_buffers(
                pa.binary(width), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))]
            )
            writer.write_table(whole.slice(start, len(rows)).append_column(schema.field(name), packed))
            start += len(rows)


def read_vectors(path: Path, name: str) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
    """Read what `write_vectors` or `write_byte_chunks` wrote: the other columns as a frame, and the vectors, (rows,
    width).

    Raises:
        InputError: when the file is missing or has no such column.
    """
    arrow = _read_arrow(path)
    kind = arrow.schema.field(name).type if name in arrow.column_names else pa.null()
    if pa.types.is_fixed_size_binary(kind):
        packed = arrow.column(name).combine_chunks()
        values = np.frombuffer(packed.buffers()[1], dtype=np.uint8) if len(packed) else np.empty(0, dtype=np.uint8)
        vectors = values.reshape(-1, kind.byte_width)[packed.offset : packed.offset + len(packed)]
    elif pa.types.is_fixed_size_list(kind):
        column = arrow.column(name).combine_chunks()
        vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, kind.list_size)
    else:
        raise InputError(f"{path} has no column {name} of fixed-size vectors", expected=f"a file with {name}")
    return arrow.drop_columns([name]).to_pandas(), vectors


def metadata(path: Path) -> dict[str, str]:
    """The key-value metadata that was written with the table at `path`; empty when there is no such file."""
    if not path.is_file():
        return {}
    raw = pq.read_schema(path).metadata or {}
    return {k.decode(): v.decode() for k, v in raw.items() if k not in (b"pandas", b"ARROW:schema")}


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
    try:
        data = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} is missing", expected=f"a file that imageclinic {table.command} wrote") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no readable CSV file: {error}", expected=f"the table {table.name}") from error
    data = _with_later_columns(data, table)
    for column in table.columns:
        if column.name not in data.columns:
            continue
        if pa.types.is_string(column.type):
            data[column.name] = data[column.name].map(unescape_cell, na_action="ignore")
        else:
            try:
                data[column.name] = pd.to_numeric(data[column.name])
            except ValueError as error:
                raise InputError(f"{path}, column {column.name}: {error}", expected="numbers") from error
    return validate(data, table, where=str(path))


def _with_later_columns(data: pd.DataFrame, table: Table) -> pd.DataFrame:
    """`data` with the columns that came with a later version than the one that wrote it, empty."""
    missing = {c.name: None for c in table.columns if c.later and c.name not in data.columns}
    return data.assign(**missing) if missing else data


def _write_arrow(path: Path, arrow: pa.Table, metadata: Mapping[str, str] | None) -> None:
    kept = {k: v for k, v in (arrow.schema.metadata or {}).items() if k != b"pandas"}
    arrow = arrow.replace_schema_metadata({**kept, **(metadata or {})})
    with replacing(path) as temporary:
        pq.write_table(arrow, temporary, compression="zstd", use_dictionary=_worth_a_dictionary(arrow.schema))


def _worth_a_dictionary(schema: pa.Schema) -> list[str]:
    """Names of the columns that may repeat values: those of vectors don't, and looking for repeats takes long."""
    return [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]


def _read_arrow(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing", fix="run imageclinic audit first") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file: {error}", fix="delete it and audit again") from error


def _to_pandas(arrow: pa.Table, table: Table) -> pd.DataFrame:
    data = arrow.to_pandas()
    for column in table.columns:
        if pa.types.is_integer(column.type) and column.nullable:
            data[column.name] = arrow.column(column.name).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        elif pa.types.is_string(column.type):
            data[column.name] = data[column.name].astype("str")
    return data


def _check_ranges(arrow: pa.Table, table: Table, at: str) -> None:
    for column in table.columns:
        values = arrow.column(column.name)
        name = f"{at}column {table.name}.{column.name}"
        if not column.nullable and values.null_count:
            raise InputError(f"{name} has {values.null_count} empty cells", expected="a value in every row")
        if column.choices:
            bad = sorted(set(values.drop_null().unique().to_pylist()) - set(column.choices))
            if bad:
                raise InputError(f"{name} holds {bad[0]!r}", expected=f"one of {', '.join(column.choices)}")
        if column.low is not None or column.high is not None:
            numbers = values.drop_null().to_numpy()
            low = -np.inf if column.low is None else column.low
            high = np.inf if column.high is None else column.high
            wrong = ~((numbers >= low) & (numbers <= high))
            if wrong.any():
                raise InputError(f"{name} holds {numbers[wrong][0]}", expected=f"a number from {low} to {high}")
    if table.key and arrow.num_rows:
        keys = arrow.select(list(table.key)).to_pandas()
        twice = keys[keys.duplicated()]
        if len(twice):
            value = ", ".join(map(str, twice.iloc[0]))
            raise InputError(f"{at}table {table.name} has two rows for {value!r}", expected="one")
