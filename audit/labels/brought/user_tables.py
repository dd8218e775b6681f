"""Tables that a user brings: Parquet files and frames, and the column of vectors in them, a piece at a time."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imageclinic.core.errors import InputError
from imageclinic.core.large import large_arrays

#: A file, or a frame like the Parquet file.
Source: TypeAlias = str | Path | pd.DataFrame
#: Rows of a file that are looked at together.
_AT_ONCE = 1 << 16


def require(found: Sequence[str], needed: Sequence[str], where: str) -> None:
    """Raises InputError when columns, or arrays, are missing."""
    lacking = [name for name in needed if name not in found]
    if lacking:
        raise InputError(
            f"{where} has no {', '.join(lacking)}; it has {', '.join(map(str, found[:10])) or 'nothing'}",
            expected=", ".join(needed),
        )


def arrow(source: Source, where: str) -> pa.Table:
    """A frame, or a Parquet file or folder, whole. Raises InputError when there is none, or it can't be read."""
    with _readable(where):
        if isinstance(source, pd.DataFrame):
            return pa.Table.from_pandas(source, preserve_index=False)
        return pq.read_table(source)


@contextlib.contextmanager
def _readable(where: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"there is no file {where}") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{where} can't be read: {error}", expected="a readable Parquet file") from error


def vectors(source: Source, where: str) -> tuple[pa.Array | list[Any], npt.NDArray[np.float32]]:
    """Ids and vectors of a frame or Parquet file with the columns image_id and embedding.

    Args:
        source: of a file a piece at a time is in memory beside the vectors.
        where: its name, for messages.

    Returns:
        Ids as large_string, or a list where some are no text or null; (ids, width), in a file where they are large.

    Raises:
        InputError: no such file or column, lists of several lengths, or of what are no numbers.
    """
    names: list[pa.Array] = []
    with contextlib.ExitStack() as open_file, _readable(where):
        if isinstance(source, pd.DataFrame) or Path(source).is_dir():
            table = arrow(source, where)
            found, count, batches = table.schema, len(table), iter(table.to_batches(_AT_ONCE))
        else:
            file = open_file.enter_context(pq.ParquetFile(source))
            found, count = file.schema_arrow, file.metadata.num_rows
            columns = [name for name in ("image_id", "embedding") if name in found.names]
            batches = file.iter_batches(_AT_ONCE, columns=columns)
        require(found.names, ("image_id", "embedding"), where)
        pieces = _pieces(batches, names, where)
        first = next(pieces, np.empty((0, 1), np.float32))
        shape = (count, first.shape[1])
        values = large_arrays.filled(itertools.chain([first], pieces), shape, np.float32, None)
    kind = found.field("image_id").type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        ids = pa.chunked_array(names, kind).cast(pa.large_string()).combine_chunks()
        if not ids.null_count:
            return ids, values
    return [name for part in names for name in part.to_pylist()], values


def _pieces(batches: Iterator[pa.RecordBatch], names: list[pa.Array], where: str) -> Iterator[npt.NDArray[np.float32]]:
    """The vectors of each batch; its ids are appended to `names`."""
    width = None
    for batch in batches:
        names.append(batch.column("image_id"))
        piece = _matrix(batch.column("embedding"), where)
        if width not in (None, piece.shape[1]):
            raise _several_lengths(where, {width, piece.shape[1]})
        width = piece.shape[1]
        with np.errstate(over="ignore"):
            yield piece.astype(np.float32, copy=False)


def _matrix(column: pa.Array, where: str) -> npt.NDArray[Any]:
    """A column of lists → (rows, length)."""
    kind = column.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise InputError(f"{where}: embedding holds {kind}", expected="lists of numbers")
    flat = column.flatten()
    if column.null_count or flat.null_count:
        raise InputError(
            f"{where} has embeddings, or numbers in them, that are missing", expected="numbers for every image"
        )
    widths = set(np.unique(column.value_lengths().to_numpy(zero_copy_only=False)).tolist())
    if len(widths) != 1 or 0 in widths:
        raise _several_lengths(where, widths)
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(-1, widths.pop())


def _several_lengths(where: str, widths: set[int]) -> InputError:
    return InputError(f"{where} has embeddings of {len(widths)} lengths: {sorted(widths)[:5]}", expected="one length")
