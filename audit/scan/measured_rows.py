"""What a scan has measured: rows in shards, and those of an earlier scan's tables.

Of millions little is held: what says whether a row still holds. The rows themselves stay in their files until they are
written down, a piece at a time.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from imageclinic.audit.scan import verdicts
from imageclinic.audit.scan.measure import MEASURED, VERSION
from imageclinic.audit.scan.pictures.image_statistics import THUMBNAIL
from imageclinic.core import tables
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run

#: Rows that are gathered at a time.
PIECE = 1 << 20
#: Errors that say nothing about a shard.
_OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

Positions = npt.NDArray[np.int64]

# Text with offsets of 64 bits: the hashes of 33.5 million files are longer than others can hold.
SCHEMA = pa.schema(
    [
        f.with_type(pa.large_string()) if pa.types.is_string(f.type) else f
        for f in (pa.field("image_id", pa.string(), nullable=False), *MEASURED)
        if f.name != "thumbnail"
    ],
    metadata=MEASURED.metadata,
)
_KNOWN = pa.schema(
    [
        SCHEMA.field("image_id"),
        SCHEMA.field("bytes"),
        SCHEMA.field("mtime_ns"),
        *(pa.field(name, pa.bool_()) for name in ("hashed", "readable", "tried_again")),
    ]
)


@dataclass(frozen=True)
class Rows:
    """Measured rows.

    Attributes:
        table: of each row what says whether it still holds: image_id, bytes, mtime_ns; whether it has a hash, can be
            read, and should be tried again.
        columns: gives some columns of the rows, of `SCHEMA`, when they are needed.
        thumbnails: gives thumbnails, uint8 (m, 1024), when they are needed.
        at: for each row that of its thumbnail, −1 or zeros where there is none.
    """

    table: pa.Table
    columns: Callable[[tuple[str, ...]], pa.Table]
    thumbnails: Callable[[], npt.NDArray[np.uint8]]
    at: Positions


def of_shards(paths: Sequence[Path]) -> list[Rows]:
    """Rows of shards, whose files are closed again. One that a loss of power has torn counts as not there."""
    found = []
    for path in paths:
        try:
            with pa.memory_map(str(path)) as file:
                table = pa.ipc.open_file(file).read_all()
        except (pa.ArrowInvalid, OSError) as error:
            if isinstance(error, OSError) and error.errno in _OUT_OF:
                raise  # or the rows would be lost that were measured
            continue
        if table.schema.metadata == MEASURED.metadata and len(table):
            columns, pictures = (functools.partial(of, path) for of in (_shard_columns, _shard_thumbnails))
            found.append(Rows(_known(_copied(table, _FOR_KNOWN)), columns, pictures, np.arange(len(table))))
    return found


_FOR_KNOWN = ("image_id", "bytes", "mtime_ns", "sha256", "read_error")


def _copied(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Some columns of a mapped table, copied, so that the map may be closed."""
    own = table.select(list(names)).take(pa.array(np.arange(len(table))))
    return own.cast(pa.schema([SCHEMA.field(name) for name in names]))


def _known(table: pa.Table) -> pa.Table:
    errors = table["read_error"]
    again = [pc.starts_with(errors, kind).fill_null(False) for kind in verdicts.TRIED_AGAIN]
    flags = (table["sha256"].is_valid(), errors.is_null(), functools.reduce(pc.or_, again))
    return pa.table([*(table[name] for name in ("image_id", "bytes", "mtime_ns")), *flags], _KNOWN)


def _shard_columns(path: Path, names: tuple[str, ...]) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return _copied(pa.ipc.open_file(file).read_all(), names)


def _shard_thumbnails(path: Path) -> npt.NDArray[np.uint8]:
    """The thumbnails of a shard, (rows, pixels), mapped into memory."""
    packed = pa.ipc.open_file(pa.memory_map(str(path))).read_all()["thumbnail"].chunk(0)
    return np.frombuffer(packed.buffers()[1], np.uint8).reshape(-1, THUMBNAIL**2)


def of_tables(run: Run) -> list[Rows]:
    """Rows of the tables that an earlier scan has written, as a list of one, or of none."""
    if tables.metadata(run.table_path(tables.FEATURES)).get("key") != VERSION:
        return []
    if not run.has(tables.DATASET) or not run.thumbnails.is_file():
        return []
    dataset = _read(run.table_path(tables.DATASET), _FOR_KNOWN)
    ids = dataset["image_id"].combine_chunks()
    row = lookup.places(ids, _ids(run.table_path(tables.FEATURES)))
    at = lookup.places(ids, _ids(run.thumbnails))
    # A row that should have features and a thumbnail, but lost them to a kill between two writes, is left out.
    bad = dataset["read_error"].is_valid().to_numpy()
    whole = np.flatnonzero(bad | ((row >= 0) & (at >= 0)))

    @functools.lru_cache(maxsize=1)  # one table's columns after the other's
    def columns(names: tuple[str, ...]) -> pa.Table:
        of_dataset = set(pq.read_schema(run.table_path(tables.DATASET)).names)
        own = [name for name in names if name in of_dataset]
        found = _read(run.table_path(tables.DATASET), own).take(pa.array(whole))
        others = [name for name in names if name not in of_dataset]
        if others:
            pixels = _read(run.table_path(tables.FEATURES), others).take(pa.array(row[whole], mask=bad[whole]))
            for name in others:
                found = found.append_column(SCHEMA.field(name), pixels[name])
        return found.select(list(names))

    known = dataset if len(whole) == len(dataset) else dataset.take(pa.array(whole))
    return [Rows(_known(known), columns, functools.cache(lambda: run.read_thumbnails()[1]), at[whole])]


def _read(path: Path, names: Sequence[str]) -> pa.Table:
    return pq.read_table(path, columns=list(names)).cast(pa.schema([SCHEMA.field(name) for name in names]))


def _ids(path: Path) -> pa.Array:
    return _read(path, ["image_id"])["image_id"].combine_chunks()


def located(sources: Sequence[Rows], ids: lookup.Ids) -> tuple[pa.Table, Positions]:
    """What is known of all rows as one table, and for each id the position of its row there (the first source's that
    has it), −1 for none."""
    table = pa.concat_tables([source.table for source in sources]) if sources else _KNOWN.empty_table()
    return table, lookup.places(ids, table["image_id"].combine_chunks())


def gathered(
    sources: Sequence[Rows], position: Positions, names: Sequence[str], *, at_once: int = PIECE
) -> Iterator[pa.Table]:
    """Columns of the rows at these positions (see `located`), in this order, a piece of them at a time; one piece at
    least."""
    starts = np.cumsum([0, *(len(source.table) for source in sources)])
    for begin in range(0, max(1, len(position)), at_once):
        rows = position[begin : begin + at_once]
        source = np.searchsorted(starts, rows, side="right") - 1
        order = np.argsort(source, kind="stable")
        cuts = np.flatnonzero(np.diff(source[order], prepend=-1))
        parts = []
        for mine in np.split(order, cuts[1:]) if len(order) else []:
            number = source[mine[0]]
            parts.append(sources[number].columns(tuple(names)).take(pa.array(rows[mine] - starts[number])))
        found = pa.concat_tables(parts) if parts else pa.schema([SCHEMA.field(name) for name in names]).empty_table()
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        yield (found if (back == np.arange(len(back))).all() else found.take(pa.array(back))).combine_chunks()
