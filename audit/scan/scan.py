"""Listing → dataset, features and thumbnails tables: in parallel, resumable, and only what has changed.

Worker processes (`audit.scan.worker_pool`) measure batches of files (`audit.scan.measure`) into shards, Arrow files in
the run folder. A killed scan goes on from its shards; a later one reuses the rows of unchanged files.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from imageclinic.audit.scan import measured_rows, worker_pool
from imageclinic.audit.scan.measure import VERSION, mtime_ns
from imageclinic.audit.scan.measured_rows import Positions, Rows
from imageclinic.audit.scan.pictures.image_statistics import THUMBNAIL
from imageclinic.audit.scan.scan_options import MAX_PIXELS, TIMEOUT
from imageclinic.audit.scan.worker_pool import BATCH
from imageclinic.core import tables
from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.local_engine import LOCAL
from imageclinic.core.large import text_rows, wide_text
from imageclinic.core.reading.hashing import readable_sha256
from imageclinic.core.reading.image_files import ImageFiles
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run

__all__ = ["BATCH", "MAX_PIXELS", "THUMBNAIL", "TIMEOUT", "VERSION", "changes", "scan", "write_tables"]

#: Sources whose thumbnails are open at a time: a process may have 65,530 files mapped into memory in all.
_OPENED = 1024
# Thumbnails that are gathered and written at a time.
_CHUNK = 16384

#: The columns of an earlier dataset that an audit compares with its own.
COMPARED = ("image_id", "sha256", "label")

Progress = Callable[[int, int], None]
Flags = npt.NDArray[np.bool_]


def write_tables(
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
) -> None:
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

    Raises:
        InputError: the run folder can't be written.
    """
    ids = listing["image_id"]
    files = ImageFiles(root, run.added)
    previous, shards = measured_rows.of_tables(run), sorted(run.shards.glob("*.arrow"))
    sources = [*reversed(measured_rows.of_shards(shards)), *previous]  # the newest rows first
    sizes, times = _stat(files, ids)
    table, position = measured_rows.located(sources, ids)
    known = _usable(table, position)
    if rehash:
        known = _same_content(sources, position, known, files, ids, workers or worker_pool.available())
    elif known.any():
        known &= (table["bytes"].to_numpy()[position] == sizes) & (table["mtime_ns"].to_numpy()[position] == times)
    todo = list(ids[~known])
    unchanged = len(ids) - len(todo)

    def report(done: int) -> None:
        if progress:
            progress(unchanged + done, len(ids))

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
    del jobs, steps, todo  # they are the names of all files
    as_before = not made and not shards and previous and np.array_equal(position, np.arange(len(table)))
    if not as_before:
        sources = [*measured_rows.of_shards(made), *sources]
        table, position = measured_rows.located(sources, ids)
        if (position < 0).any():
            raise RuntimeError(f"the row of {ids.iloc[int(position.argmin())]} was lost")
        readable = np.flatnonzero(table["readable"].to_numpy()[position])
        _write_thumbnails(run, ids.iloc[readable], sources, position[readable])
        features = measured_rows.gathered(sources, position[readable], tables.FEATURES.names)
        _write(run, tables.FEATURES, (piece.to_pandas() for piece in features), VERSION)
    _write(run, tables.DATASET, _dataset(listing, sources, position, known, times))
    for shard in (*shards, *made):
        shard.unlink(missing_ok=True)
    worker_pool.sweep(run.shards)


def scan(run: Run, listing: pd.DataFrame, root: Path, **how: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """As `write_tables`, which says what `how` may be. Returns the dataset and the features table."""
    write_tables(run, listing, root, **how)
    return run.read(tables.DATASET), run.read(tables.FEATURES)


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


def _stat(files: ImageFiles, ids: pd.Series) -> tuple[Positions, Positions]:
    """Size and modification time (ns) of each file, −1 where there is none."""
    root, values = str(files.root), np.full((2, len(ids)), -1, dtype=np.int64)
    for at, image_id in enumerate(ids):
        try:
            status = os.stat(os.path.join(root, files.name(image_id)))  # noqa: PTH116, PTH118 - millions of files: a Path costs
        except OSError:
            continue
        values[0, at], values[1, at] = status.st_size, mtime_ns(status)
    return values[0], values[1]


def _usable(table: pa.Table, position: Positions) -> Flags:
    """Which ids have a row, of what could be read or judged: what could not may be now, and what was too large may fit
    another limit."""
    known = position >= 0
    if known.any():
        known &= table["hashed"].to_numpy()[position] & ~table["tried_again"].to_numpy()[position]
    return known


def _same_content(
    sources: Sequence[Rows], position: Positions, known: Flags, files: ImageFiles, ids: pd.Series, workers: int
) -> Flags:
    """Which of the ids that are known have a row with the hash of their file."""
    asked, same = np.flatnonzero(known), known.copy()
    hashes = measured_rows.gathered(sources, position[asked], ["sha256"])
    wanted = itertools.chain.from_iterable(piece["sha256"].to_pylist() for piece in hashes)
    with ThreadPoolExecutor(workers) as threads:
        found = threads.map(lambda image_id: readable_sha256(files(image_id)), ids.iloc[asked])
        same[asked] = np.fromiter((one == other for one, other in zip(found, wanted, strict=True)), bool, len(asked))
    return same


def _write_thumbnails(run: Run, ids: pd.Series, sources: Sequence[Rows], position: Positions) -> None:
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

    names = wide_text.narrow(text_rows.text(ids))
    tables.write_byte_chunks(run.thumbnails, {"image_id": names}, "thumbnail", chunks(), THUMBNAIL**2)


def _write(run: Run, table: tables.Table, pieces: Iterator[pd.DataFrame], key: str = "") -> None:
    tables.write_pieces(run.table_path(table), pieces, table, {"key": key})


def _dataset(
    listing: pd.DataFrame, sources: Sequence[Rows], position: Positions, known: Flags, times: Positions
) -> Iterator[pd.DataFrame]:
    """The dataset table a piece at a time."""
    said = [name for name in listing.columns if name != "image_id"]
    names = [column.name for column in tables.DATASET.columns if column.name in measured_rows.SCHEMA.names]
    start = 0
    for piece in measured_rows.gathered(sources, position, names):
        here = slice(start, start + len(piece))
        measured = piece.to_pandas()
        # A file that was touched, or hashed again, keeps its row: the new time saves reading it once more.
        measured["mtime_ns"] = np.where(known[here], times[here], measured["mtime_ns"])
        yield lookup.joined(measured, listing.iloc[here], said)
        start = here.stop
