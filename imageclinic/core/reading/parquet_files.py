"""Parquet files, written whole or not at all; vectors beside columns. `core.tables` makes tables of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imageclinic.core.atomic import replacing
from imageclinic.core.errors import InputError
from imageclinic.core.large import large_arrays
from imageclinic.core.reading.regular_files import open_regular

#: No table of a run has more.
MOST_ROWS, MOST_BYTES = 1 << 30, 1 << 40
#: Rows of a file from which on memory is given back to the system once it is read: some milliseconds.
MANY_ROWS = 100_000


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
    arrow = pa.table({**{k: pa.array(v) for k, v in columns.items()}, name: lists})
    write_arrow(path, arrow, metadata, rows=large_arrays.rows_at_once(vectors.shape[1], vectors.dtype))


def write_byte_chunks(
    path: Path, columns: Mapping[str, Any], name: str, chunks: Iterable[npt.NDArray[np.uint8]], width: int
) -> None:
    """Write `columns` and rows of `width` bytes, which come in chunks (rows, width), as a fixed-size binary column
    `name`: they need not fit in memory, and are written ten times faster than lists."""
    whole = pa.table({k: v if isinstance(v, pa.ChunkedArray) else pa.array(v) for k, v in columns.items()})
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
        InputError: when the file is missing, damaged, or has no such column without gaps.
    """
    vectors = read_vector_rows(path, name, None)
    with opened(path) as parquet:
        others = [other for other in parquet.schema_arrow.names if other != name]
    return read_arrow(path, others).to_pandas(ignore_metadata=True), vectors


def read_vector_rows(path: Path, name: str, wanted: npt.NDArray[np.integer] | None) -> npt.NDArray[Any]:
    """The vectors of some rows, ascending, or of all, of what `write_vectors` or `write_byte_chunks` wrote: (rows,
    width). A large array is in a file, see `core.large.large_arrays`.

    Raises:
        InputError: when the file is missing, damaged, or has no such column without gaps.
    """
    with opened(path) as parquet:
        schema = parquet.schema_arrow
        kind = schema.field(name).type if len(schema.get_all_field_indices(name)) == 1 else pa.null()
        if pa.types.is_fixed_size_binary(kind):
            width, dtype = kind.byte_width, np.dtype(np.uint8)
        elif pa.types.is_fixed_size_list(kind) and _is_number(kind.value_type) and kind.list_size > 0:
            width, dtype = kind.list_size, np.dtype(kind.value_type.to_pandas_dtype())
        else:
            raise _no_vectors(path, name)
        at_once = large_arrays.rows_at_once(width, dtype)
        pieces = (
            (start, _vectors(path, name, batch, width)) for start, batch in _batches(parquet, name, at_once, wanted)
        )
        if wanted is None:
            shape = parquet.metadata.num_rows, width
            return large_arrays.filled((piece for _, piece in pieces), shape, dtype, path.parent)
        return large_arrays.filled(_chosen(pieces, wanted), (len(wanted), width), dtype, path.parent)


def _batches(
    parquet: pq.ParquetFile, name: str, at_once: int, wanted: npt.NDArray[np.integer] | None
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """A column in pieces, with their first row. Each group of rows by itself, for a reader of all keeps memory of those
    that it has read; those without a row that is wanted are not read."""
    start = 0
    for group in range(parquet.num_row_groups):
        end = start + parquet.metadata.row_group(group).num_rows
        if wanted is None or np.ptp(np.searchsorted(wanted, [start, end])):
            for batch in parquet.iter_batches(at_once, row_groups=[group], columns=[name]):
                yield start, batch
                start += len(batch)
        start = end


def _chosen(
    pieces: Iterable[tuple[int, npt.NDArray[Any]]], wanted: npt.NDArray[np.integer]
) -> Iterator[npt.NDArray[Any]]:
    """Of pieces of an array, each with its first row, the rows that are wanted."""
    for start, piece in pieces:
        first, last = np.searchsorted(wanted, [start, start + len(piece)])
        yield piece[wanted[first:last] - start]


def _vectors(path: Path, name: str, batch: pa.RecordBatch, width: int) -> npt.NDArray[Any]:
    """The column `name` of a batch as vectors, (rows, width), checked."""
    batch.validate(full=True)
    column = batch.column(name)
    if column.null_count:
        raise _no_vectors(path, name)
    if pa.types.is_fixed_size_binary(column.type):
        values = np.frombuffer(column.buffers()[1] or b"", dtype=np.uint8)[column.offset * width :]
        return values[: len(column) * width].reshape(-1, width)
    vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    if len(vectors) != len(column):
        raise _no_vectors(path, name)
    if vectors.dtype.kind == "f" and not np.isfinite(vectors).all():
        raise InputError(
            f"{path}: {name} holds values that are no numbers", expected="finite ones", fix="delete it and audit again"
        )
    return np.asarray(vectors)


def _no_vectors(path: Path, name: str) -> InputError:
    return InputError(
        f"{path} has no column {name} of fixed-size vectors",
        expected=f"one column {name}, without gaps",
        fix="delete it and audit again",
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def metadata(path: Path) -> dict[str, str]:
    """The key-value metadata that was written with the table at `path`; empty when there is no such file. Raises
    InputError when it is no readable Parquet file."""
    if not path.is_file():
        return {}
    with _reading(path) as file:
        raw = pq.read_schema(file).metadata or {}
        return {k.decode(): v.decode() for k, v in raw.items() if k not in (b"pandas", b"ARROW:schema")}


def write_arrow(path: Path, arrow: pa.Table, metadata: Mapping[str, str] | None, *, rows: int | None = None) -> None:
    """Write `arrow` with `metadata` under a temporary name, then rename it. `rows`: as many are gathered in memory."""
    kept = {k: v for k, v in (arrow.schema.metadata or {}).items() if k != b"pandas"}
    arrow = arrow.replace_schema_metadata({**kept, **(metadata or {})})
    with replacing(path) as temporary:
        repeated = _worth_a_dictionary(arrow.schema)
        pq.write_table(arrow, temporary, compression="zstd", use_dictionary=repeated, row_group_size=rows)


@contextlib.contextmanager
def arrow_writer(path: Path, schema: pa.Schema, metadata: Mapping[str, str] | None) -> Iterator[pq.ParquetWriter]:
    """What takes tables of `schema`, one after the other, as `write_arrow` takes one."""
    schema = schema.with_metadata(dict(metadata or {}))
    repeated = _worth_a_dictionary(schema)
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=repeated) as writer,
    ):
        yield writer


def _worth_a_dictionary(schema: pa.Schema) -> list[str]:
    """Names of the columns that may repeat values: those of vectors don't, and looking for repeats takes long."""
    return [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]


def read_arrow(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read the file at `path`, or some of its columns, and check it whole: every value is what its type says. Raises
    InputError when it is missing or no Parquet file of a size that a run has."""
    with opened(path) as parquet:
        return read_checked(parquet, columns)


def read_checked(parquet: pq.ParquetFile, columns: list[str] | None) -> pa.Table:
    """Columns of an opened file, every value checked."""
    arrow = parquet.read(columns)
    arrow.validate(full=True)
    return arrow


def row_count(path: Path) -> int:
    """How many rows the file at `path` has, by its footer. Raises InputError as `read_arrow` does."""
    with opened(path) as parquet:
        return int(parquet.metadata.num_rows)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file of a size that a run has. What goes wrong with it becomes an InputError."""
    with _reading(path) as file:
        parquet = pq.ParquetFile(file, pre_buffer=False)  # which would keep what it has read
        _check_size(path, parquet.metadata)
        try:
            yield parquet
        finally:
            if parquet.metadata.num_rows > MANY_ROWS:
                pa.default_memory_pool().release_unused()  # what was needed to decode it


def _check_size(path: Path, about: pq.FileMetaData) -> None:
    size = sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups))
    if about.num_rows > MOST_ROWS or size > MOST_BYTES:
        raise InputError(
            f"{path} has {about.num_rows:,} rows and {size:,} bytes",
            expected=f"at most {MOST_ROWS:,} rows and {MOST_BYTES:,} bytes",
        )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[pa.NativeFile]:
    """The opened file; what goes wrong with it becomes an InputError.

    A file of Arrow's own, and not one of Python's: Arrow's threads may let go of what they have read only when Python
    ends, and a thread that then asks Python to free its memory aborts the process, once in a hundred short audits.
    """
    try:
        with open_regular(path), pa.OSFile(str(path)) as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path} is missing", fix="run imageclinic audit first") from None
    except MemoryError as error:  # Arrow's and NumPy's, too; a damaged file may ask for any amount
        raise InputError(
            f"there is not enough memory to read {path}: {' '.join(str(error).split())[:300] or 'out of memory'}",
            expected=f"memory for a file of {path.stat().st_size / 1e6:,.0f} MB, several times as much",
            fix="end other programs, or use a machine with more; if the file is damaged, delete it and audit again",
        ) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{path} is no readable Parquet file: {reason}", fix="delete it and audit again") from error
