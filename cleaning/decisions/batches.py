"""A batch of decisions counts whole or not at all, though a kill may cut its rows off anywhere.

Several rows are first written to a file beside the log, ``decisions.csv.pending``, which appears whole (written under
another name, synced, renamed). From then on the batch counts. Then its rows are appended to the log, and the file is
removed. Where it is still there, an append was cut off: whoever reads adds the rows that the log lacks, by their
``decision_id``, and whoever may write completes the log. One row needs none of this: it counts once its line has ended.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pandas as pd

from imageclinic.cleaning.decisions import log_file
from imageclinic.core import tables
from imageclinic.core.atomic import replacing
from imageclinic.core.errors import InputError

TABLE = tables.DECISION_LOG
_LOOKS = 20


def pending_file(log: Path) -> Path:
    """Where the rows of a batch are until they are in the log."""
    return log.with_name(f"{log.name}.pending")


def append(path: Path, rows: pd.DataFrame) -> None:
    """Append validated rows as one batch, synced; the lock must be held. When it fails, no row is written."""
    complete(path)
    if len(rows) < 2:
        log_file.append_rows(path, rows)
        return
    pending, text = pending_file(path), log_file.as_text(rows)
    try:
        with replacing(pending) as temporary:
            temporary.write_bytes((log_file.HEADER + text).encode("utf-8"))
        log_file.sync_folder(path.parent)
    except OSError as error:
        raise log_file.unwritable(pending, error) from error
    try:
        log_file.append_text(path, text)
    except InputError:
        pending.unlink(missing_ok=True)
        raise
    pending.unlink()


def complete(path: Path) -> None:
    """Finish what was cut off; the lock must be held."""
    pending = pending_file(path)
    if not pending.exists():
        return
    rows, _ = _rows(pending)
    log_file.cut_unfinished_row(path, rows["decision_id"])
    missing = rows[~rows["decision_id"].isin(_rows(path)[0]["decision_id"])]
    if len(missing):
        log_file.append_rows(path, missing)
    pending.unlink()


def read(path: Path) -> tuple[pd.DataFrame, list[int]]:
    """All rows that count, as text, and the line on which each begins (0: it is not in the log yet).

    The log is completed first where the lock is free and the folder can be written.

    Raises:
        InputError: see `cleaning.decisions.log_file.read_rows`.
    """
    if pending_file(path).exists():
        with contextlib.suppress(InputError, OSError), log_file.locked(path, seconds=0):
            complete(path)
    for _ in range(_LOOKS):  # a batch that is appended meanwhile is seen whole: look again
        before = version(path)
        waiting = _rows(pending_file(path))[0]
        rows, lines = _rows(path)
        if version(path) == before:
            break
    if waiting.empty:
        return rows, lines
    there = ~rows["decision_id"].isin(waiting["decision_id"])
    kept = [line for line, keep in zip(lines, there, strict=True) if keep]
    return pd.concat([rows[there], waiting], ignore_index=True), kept + [0] * len(waiting)


def read_checked(path: Path) -> pd.DataFrame:
    """`read` as a frame of the decision log; empty when there is none.

    Raises:
        InputError: see `read` and `cleaning.decisions.log_file.checked`.
    """
    if not path.exists() and not pending_file(path).exists():
        return tables.empty(TABLE)
    return log_file.checked(*read(path), path)


def _rows(path: Path) -> tuple[pd.DataFrame, list[int]]:
    try:
        rows, lines, _ = log_file.read_rows(path)
    except FileNotFoundError:
        return pd.DataFrame(columns=TABLE.names, dtype="str"), []
    log_file.check_header(rows, path)
    return rows, lines


def version(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None when it is not there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
