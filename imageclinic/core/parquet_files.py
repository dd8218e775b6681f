"""Parquet files, written whole or not at all; vectors beside columns. `core.tables` makes tables of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imageclinic.core.atomic import replacing
from imageclinic.core.errors import InputError


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
    write_arrow(path, pa.table({**{k: pa.array(v) for k, v in columns.items()}, name: lists}), metadata)


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
    arrow = read_arrow(path)
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


def write_arrow(path: Path, arrow: pa.Table, metadata: Mapping[str, str] | None) -> None:
    """Write `arrow` with `metadata` under a temporary name, then rename it."""
    kept = {k: v for k, v in (arrow.schema.metadata or {}).items() if k != b"pandas"}
    arrow = arrow.replace_schema_metadata({**kept, **(metadata or {})})
    with replacing(path) as temporary:
        pq.write_table(arrow, temporary, compression="zstd", use_dictionary=_worth_a_dictionary(arrow.schema))


def _worth_a_dictionary(schema: pa.Schema) -> list[str]:
    """Names of the columns that may repeat values: those of vectors don't, and looking for repeats takes long."""
    return [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]


def read_arrow(path: Path) -> pa.Table:
    """Read the file at `path`. Raises InputError when it is missing or no Parquet file."""
    try:
        return pq.read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing", fix="run imageclinic audit first") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is no readable Parquet file: {error}", fix="delete it and audit again") from error
