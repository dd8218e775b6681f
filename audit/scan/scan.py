"""Listing → dataset, features and thumbnails tables: in parallel, resumable, and only what has changed.

Worker processes (`audit.scan.worker_pool`) measure batches of files (`audit.scan.measure`) into shards, Arrow files in
the run folder. A killed scan goes on from its shards; a later one reuses the rows of unchanged files.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from imageclinic.audit.scan import verdicts, worker_pool
from imageclinic.audit.scan.measure import MEASURED, VERSION, mtime_ns
from imageclinic.audit.scan.pictures.image_statistics import THUMBNAIL
from imageclinic.audit.scan.scan_options import MAX_PIXELS, TIMEOUT
from imageclinic.audit.scan.worker_pool import BATCH
from imageclinic.core import tables
from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.local_engine import LOCAL
from imageclinic.core.reading.hashing import readable_sha256
from imageclinic.core.reading.image_files import ImageFiles
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run

__all__ = ["BATCH", "MAX_PIXELS", "THUMBNAIL", "TIMEOUT", "VERSION", "changes", "scan"]

#: Sources whose thumbnails are open at a time: a process may have 65,530 files mapped into memory in all.
_OPENED = 1024
#: Errors that say nothing about a shard.
_OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# Thumbnails that are gathered and written at a time.
_CHUNK = 16384

#: The columns of an earlier dataset that an audit compares with its own.
COMPARED = ("image_id", "sha256", "label")

Progress = Callable[[int, int], None]
Positions = npt.NDArray[np.int64]

# Text with offsets of 64 bits: the hashes of 33.5 million files are longer than others can hold.
_SCHEMA = pa.schema(
    [
        f.with_type(pa.large_string()) if pa.types.is_string(f.type) else f
        for f in (pa.field("image_id", pa.string(), nullable=False), *MEASURED)
        if f.name != "thumbnail"
    ],
    metadata=MEASURED.metadata,
)


@dataclass(frozen=True)
class _Rows:
    """Measured rows: a table without thumbnails; what gives the thumbnails, uint8 (m, 1024), when they are needed;
    and for each row of the table the row of its thumbnail, −1 or zeros where there is none."""

    table: pa.Table
    thumbnails: Callable[[], npt.NDArray[np.uint8]]
    at: Positions


def scan(
    run: Run,
    listing: pd.DataFrame,
    root: Path,
    *,
    workers: int | None = None,
    timeout: float = TIMEOUT,
    max_pixels: int = MAX_PIXELS,
    rehash: bool = False,
    engine: Engine = LOCAL,
    progress: Progress | None = None,
    notes: list[str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure every listed image and write the dataset, features and thumbnails tables.

    Rows of an earlier scan are reused for files of unchanged size and modification time.

    Args:
        run: the run folder.
        listing: image_id, label, split, group.
        root: the dataset's root; images that were added to the run lie in the run.
        workers: processes; default: the cores at hand.
        timeout: seconds that a file may take before it is reported as hanging its decoder.
        max_pixels: larger pictures are reported as too large and not decoded.
        rehash: do not trust size and time: read every file, and reuse the rows of those with the same content.
        engine: where the files are measured.
        progress: called with (images done, images in all).
        notes: gets a sentence about files that only a second or third try could read.

    Returns:
        The dataset and the features table.

    Raises:
        InputError: the run folder can't be written.
    """
    ids = listing["image_id"].to_numpy(dtype=object)
    files = ImageFiles(root, run.added)
    previous, shards = _previous(run), sorted(run.shards.glob("*.arrow"))
    sources = [*previous, *_read_shards(shards)]
    sizes, times = _stat(files, ids)
    table, position = _locate(sources, ids)
    known = _usable(table, position, sizes, times, files, ids, rehash, workers or worker_pool.available())
    todo = ids[~known].tolist()

    def report(done: int) -> None:
        if progress:
            progress(len(ids) - len(todo) + done, len(ids))

    report(0)
    recovered: dict[str, str] = {}
    jobs = worker_pool.jobs(todo, files, run.shards, (workers or engine.cores()) if todo else 1, max_pixels)
    steps = worker_pool.run(
        jobs, run.shards, workers, engine=engine, timeout=timeout, progress=report, recovered=recovered.__setitem__
    )
    made = [job.shard for job in steps]
    if recovered and notes is not None:
        first, seen = next(iter(recovered.items()))
        notes.append(
            f"{len(recovered):,} files could be read only when they were tried again, alone, such as {first}: {seen}"
        )
    if not made and not shards and previous and np.array_equal(position, np.arange(len(table))):
        features = run.read(tables.FEATURES)  # nothing has changed but, perhaps, labels
    else:
        sources += _read_shards(sorted(made))
        table, position = _locate(sources, ids)
        readable = pc.is_null(table["read_error"].take(pa.array(position))).to_numpy(zero_copy_only=False)
        _write_thumbnails(run, ids[readable], sources, position[readable])
        features = table.take(pa.array(position[readable])).select(tables.FEATURES.names).to_pandas()
        features = tables.validate(features, tables.FEATURES)
        run.write(tables.FEATURES, features, VERSION)
    dataset = _dataset(listing, table.take(pa.array(position)), known, times)
    run.write(tables.DATASET, dataset)
    for shard in (*shards, *made):
        shard.unlink(missing_ok=True)
    worker_pool.sweep(run.shards)
    return dataset, features


def changes(before: pd.DataFrame, after: pd.DataFrame) -> str | None:
    """What happened to the files between two dataset tables, of which `COMPARED` are needed, in a sentence; None if
    nothing."""
    there = lookup.places(after["image_id"], before["image_id"])
    known = there >= 0
    earlier = lookup.taken(before["sha256"], there[known])
    counts = {
        "added": int((~known).sum()),
        "removed": len(before) - int(known.sum()),
        "changed": int(earlier.ne(after.loc[known, "sha256"].reset_index(drop=True)).sum()),
    }
    parts = [f"{n:,} {what}" for what, n in counts.items() if n]
    return f"files since the last audit of this run: {', '.join(parts)}" if parts else None


def _read_shards(paths: Sequence[Path]) -> list[_Rows]:
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
            own = table.select(_SCHEMA.names).take(pa.array(np.arange(len(table))))  # a copy: the map is closed
            found.append(_Rows(own.cast(_SCHEMA), functools.partial(_shard_thumbnails, path), np.arange(len(table))))
    return found


def _shard_thumbnails(path: Path) -> npt.NDArray[np.uint8]:
    """The thumbnails of a shard, (rows, pixels), mapped into memory."""
    packed = pa.ipc.open_file(pa.memory_map(str(path))).read_all()["thumbnail"].chunk(0)
    return np.frombuffer(packed.buffers()[1], np.uint8).reshape(-1, THUMBNAIL**2)


def _previous(run: Run) -> list[_Rows]:
    """Rows of the tables that an earlier scan has written, as a list of one, or of none."""
    if tables.metadata(run.table_path(tables.FEATURES)).get("key") != VERSION:
        return []
    if not run.has(tables.DATASET) or not run.thumbnails.is_file():
        return []
    dataset = pq.read_table(run.table_path(tables.DATASET)).drop_columns(["label", "split", "group"])
    features = pq.read_table(run.table_path(tables.FEATURES))
    names = pq.read_table(run.thumbnails, columns=["image_id"])["image_id"].to_pandas()
    ids = dataset["image_id"].to_pandas()
    row = pd.Index(features["image_id"].to_pandas()).get_indexer(ids)
    at = pd.Index(names).get_indexer(ids)
    # A row that should have features and a thumbnail, but lost them to a kill between two writes, is left out.
    bad = dataset["read_error"].is_valid().to_numpy()
    whole = np.flatnonzero(bad | ((row >= 0) & (at >= 0)))
    joined = dataset.take(pa.array(whole))
    pixels = features.drop_columns(["image_id"]).take(pa.array(row[whole], mask=bad[whole]))
    for name in pixels.column_names:
        joined = joined.append_column(name, pixels[name])
    table = joined.select(_SCHEMA.names).cast(_SCHEMA)
    return [_Rows(table, functools.cache(lambda: run.read_thumbnails()[1]), at[whole])]


def _locate(sources: Sequence[_Rows], ids: npt.NDArray[np.object_]) -> tuple[pa.Table, Positions]:
    """All rows as one table, and for each id the position of its row there (the newest source's), −1 for none."""
    table = pa.concat_tables([s.table for s in sources]) if sources else _SCHEMA.empty_table()
    table = table.combine_chunks()
    where = pd.Series(np.arange(len(table)), index=table["image_id"].to_pandas())
    where = where[~where.index.duplicated(keep="last")]
    found = where.index.get_indexer(pd.Index(ids))
    return table, np.where(found >= 0, where.to_numpy()[found] if len(where) else -1, -1)


def _stat(files: ImageFiles, ids: npt.NDArray[np.object_]) -> tuple[Positions, Positions]:
    """Size and modification time (ns) of each file, −1 where there is none."""
    root, values = str(files.root), np.full((2, len(ids)), -1, dtype=np.int64)
    for at, image_id in enumerate(ids):
        try:
            status = os.stat(os.path.join(root, files.name(image_id)))  # noqa: PTH116, PTH118 - millions of files: a Path costs
        except OSError:
            continue
        values[0, at], values[1, at] = status.st_size, mtime_ns(status)
    return values[0], values[1]


def _usable(
    table: pa.Table,
    position: Positions,
    sizes: Positions,
    times: Positions,
    files: ImageFiles,
    ids: npt.NDArray[np.object_],
    rehash: bool,
    workers: int,
) -> npt.NDArray[np.bool_]:
    """Which ids have a row that still holds for their file."""
    known = position >= 0
    if not known.any():
        return known
    rows = table.take(pa.array(position, mask=~known))
    # What could not be read or judged may be now, and what was too large may fit another limit.
    known &= rows["sha256"].is_valid().to_numpy()
    for kind in verdicts.TRIED_AGAIN:
        known &= ~pc.starts_with(rows["read_error"], kind).fill_null(False).to_numpy()
    if not rehash:
        known &= rows["bytes"].to_numpy() == sizes
        return known & (rows["mtime_ns"].to_numpy() == times)
    wanted = rows["sha256"].to_pylist()
    paths = [files(i) for i in ids]
    with ThreadPoolExecutor(workers) as threads:
        same = threads.map(lambda at: readable_sha256(paths[at]) == wanted[at], np.flatnonzero(known))
        known[np.flatnonzero(known)] = np.fromiter(same, dtype=bool)
    return known


def _write_thumbnails(run: Run, ids: npt.NDArray[np.object_], sources: Sequence[_Rows], position: Positions) -> None:
    """Gather the thumbnails of rows from their sources and write them in the order of `ids`, a chunk at a time."""
    starts = np.cumsum([0, *(len(s.table) for s in sources)])
    source = np.searchsorted(starts, position, side="right") - 1
    opened: dict[int, npt.NDArray[np.uint8]] = {}

    def chunks() -> Iterator[npt.NDArray[np.uint8]]:
        for begin in range(0, len(ids), _CHUNK):
            here, rows = source[begin : begin + _CHUNK], position[begin : begin + _CHUNK]
            out = np.empty((len(here), THUMBNAIL**2), dtype=np.uint8)
            for number in np.unique(here):
                pictures = opened.pop(number) if number in opened else sources[number].thumbnails()
                opened[number] = pictures  # the last one, for the first one is closed
                if len(opened) > _OPENED:
                    opened.pop(next(iter(opened)))
                mine = here == number
                out[mine] = pictures[sources[number].at[rows[mine] - starts[number]]]
            yield out

    tables.write_byte_chunks(run.thumbnails, {"image_id": ids}, "thumbnail", chunks(), THUMBNAIL**2)


def _dataset(listing: pd.DataFrame, rows: pa.Table, known: npt.NDArray[np.bool_], times: Positions) -> pd.DataFrame:
    measured = rows.select([c.name for c in tables.DATASET.columns if c.name in rows.column_names]).to_pandas()
    # A file that was touched, or hashed again, keeps its row: the new time saves reading it once more.
    measured["mtime_ns"] = np.where(known, times, measured["mtime_ns"])
    whole = measured.merge(listing, on="image_id", validate="1:1")
    return tables.validate(whole, tables.DATASET)
