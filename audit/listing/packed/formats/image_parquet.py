"""Parquet files with image bytes in a column, as Hugging Face's are: one, or a folder of shards."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from imageclinic.audit.listing.packed import image_columns
from imageclinic.audit.listing.packed.image_columns import Columns
from imageclinic.audit.listing.packed.packed_source import Event, Part, Reading, Source, Trouble
from imageclinic.audit.listing.packed.shard_files import ShardFile, dataset_name, shard_files

PLACE = 30
SUFFIXES = (".parquet", ".pq")
_ROWS = 32  # in memory at a time, with their images
_DAMAGE = (OSError, ValueError, pa.ArrowException)


def recognise(data: Any, reading: Reading) -> Source | None:
    """The Parquet file or the folder of Parquet files at `data`, if a column holds images."""
    if not isinstance(data, Path):
        return None
    shards = shard_files(data, SUFFIXES)
    schemas = (schema for shard in shards if (schema := _schema(shard.path)) is not None)
    schema = next(schemas, None)
    if schema is None:
        return None
    features = image_columns.features_of(schema)
    image = image_columns.image_column(schema, features, reading.columns.get("path"))
    if image is None:
        return None
    where = str(data.resolve())
    columns = image_columns.choose(schema, features, image, reading, str(data))
    said = repr(columns)
    parts = [
        Part(s.name, s.key and f"{s.key} {said}", partial(_events, s, columns), _needed(s.path, image), s.split, s.size)
        for s in shards
    ]
    return Source(dataset_name(data, SUFFIXES), where, parts, place=data.resolve(), layout="table")


def _schema(path: Path) -> pa.Schema | None:
    try:
        return pq.read_schema(path)
    except _DAMAGE:
        return None


def _needed(path: Path, image: str) -> int | None:
    """Bytes of the column of images, uncompressed, as the file says."""
    try:
        metadata = pq.read_metadata(path)
    except _DAMAGE:
        return None
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    columns = [group.column(at) for group in groups for at in range(group.num_columns)]
    return sum(c.total_uncompressed_size for c in columns if c.path_in_schema.split(".")[0] == image)


def _events(shard: ShardFile, columns: Columns) -> Iterator[Event]:
    try:
        with pq.ParquetFile(shard.path) as file:
            missing = [name for name in columns.names if name not in file.schema_arrow.names]
            if missing:
                yield Trouble("", f"has no column {', '.join(map(repr, missing))}, as the other shards have")
                return
            yield from _groups(file, columns)
    except _DAMAGE as error:
        yield Trouble("", f"damaged or cut off: {str(error).splitlines()[0]}")


def _groups(file: pq.ParquetFile, columns: Columns) -> Iterator[Event]:
    """Row group by row group: of a damaged one the rows are lost, and the next is read."""
    start = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        done = 0
        try:
            for batch in file.iter_batches(_ROWS, row_groups=[group], columns=columns.names):
                yield from image_columns.events(batch, columns, start + done, None)
                done += batch.num_rows
        except _DAMAGE as error:
            yield Trouble(f"rows {start + done}…{start + rows - 1}", f"damaged: {str(error).splitlines()[0]}")
        start += rows
