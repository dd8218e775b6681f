"""Tables as Parquet: read a column at a time, written whole or in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

from imageclinic.core.columns import Table
from imageclinic.core.errors import remedied
from imageclinic.core.reading import parquet_files, table_checks
from imageclinic.core.rows import frames, lookup
from imageclinic.core.rows.lookup import Ids

#: Names of columns; None: all.
Columns: TypeAlias = Sequence[str] | None
#: Rows that are written together.
GROUP = 1 << 20


def read(path: Path, table: Table, columns: Columns = None) -> pd.DataFrame:
    """Read and validate the Parquet file at `path`, or some of its columns: what is not asked for is not looked at.

    One column after the other, so that no more than one is in memory twice.

    Raises:
        InputError: when the file is missing, is no Parquet file, or holds another table; says which command makes it
            again.
    """
    wanted, at = (table if columns is None else table.only(columns)), f"{path}: "
    with remedied(table.remedy), parquet_files.opened(path) as parquet:
        table_checks.check_columns(parquet.schema_arrow.names, wanted, at)
        made, keys = {}, {}
        for column in wanted.columns:
            one = parquet_files.read_checked(parquet, [column.name] if column.name in parquet.schema.names else [])
            values = table_checks.column_values(one, parquet.metadata.num_rows, column, wanted.name, at)
            made[column.name] = frames.to_series(values, column)
            if column.name in wanted.key:
                keys[column.name] = values
        table_checks.check_key(pa.table(keys), wanted, at)
    return pd.DataFrame(made, copy=False)


def read_rows(path: Path, table: Table, ids: Ids, *, at_once: int = GROUP) -> pd.DataFrame:
    """As `read`, of the rows about these images alone; no more than `at_once` rows are in memory beside them. Columns
    that `table` has not are not read."""
    at, kept = f"{path}: ", []
    with remedied(table.remedy), parquet_files.opened(path) as parquet:
        there = parquet.schema_arrow.names
        table_checks.check_columns(there, table, at)
        for batch in parquet.iter_batches(at_once, columns=[name for name in table.names if name in there]):
            batch.validate(full=True)
            names = batch.column(batch.schema.get_field_index("image_id")).cast(pa.large_string())
            kept.append(batch.filter(pa.array(lookup.among(names, ids))))
        arrow = pa.Table.from_batches(kept, None if kept else parquet.schema_arrow)
    with remedied(table.remedy):
        return frames.to_frame(table_checks.as_table(arrow, table, at), table)


def read_pieces(path: Path, table: Table, columns: Columns = None, *, at_once: int = GROUP) -> Iterator[pd.DataFrame]:
    """As `read`, `at_once` rows at a time, in the order of the file. One key in two pieces goes unnoticed."""
    wanted, at = (table if columns is None else table.only(columns)), f"{path}: "
    with remedied(table.remedy), parquet_files.opened(path) as parquet:
        names = parquet.schema_arrow.names
        table_checks.check_columns(names, wanted, at)
        for batch in parquet.iter_batches(at_once, columns=[name for name in wanted.names if name in names]):
            batch.validate(full=True)
            arrow = table_checks.as_table(pa.Table.from_batches([batch]), wanted, at)
            yield frames.to_frame(arrow, wanted)


def write_pieces(
    path: Path, pieces: Iterable[pd.DataFrame], table: Table, metadata: Mapping[str, str] | None = None
) -> None:
    """Validate frames of `table` and write them, one below the other, to `path`: under a temporary name, then renamed.
    No more than `GROUP` rows and a piece are in memory. That no key is in two pieces is for the caller to know."""
    with parquet_files.arrow_writer(path, table.schema, metadata) as writer:
        waiting: list[pa.Table] = []
        for piece in pieces:
            waiting.append(frames.to_arrow(piece, table, str(path)))
            if sum(map(len, waiting)) >= GROUP:
                writer.write_table(pa.concat_tables(waiting), GROUP)
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting), GROUP)
