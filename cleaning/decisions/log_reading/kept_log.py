"""The decision log for a process that reads it again after each key: what was read is kept, and only lines that were
appended since are parsed.

What is kept holds as long as the file begins with the very bytes that were read: these are read and hashed each time,
so that an edit by hand is seen wherever it is, whatever the file's size and time say. Where there is anything but whole
lines behind them (a shorter file or another one, a last row that is torn or has no line end, a batch that waits, a cell
that does not fit), the whole log is read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from imageclinic.cleaning.decisions import batches, log_file
from imageclinic.core.errors import InputError
from imageclinic.core.rows import lookup

_LOOKS = 3
#: Bytes of new lines that are parsed again each time; when there are more, they are kept, too.
_NEW = 1 << 18


@dataclass(frozen=True)
class _Kept:
    """The first `size` bytes of a log, whole lines: their hash, the names of the columns, the rows."""

    size: int
    digest: bytes
    header: tuple[str, ...]
    rows: pd.DataFrame


#: Of the log that was read last.
_of_path: dict[Path, _Kept] = {}


def read(path: Path) -> pd.DataFrame:
    """As `decision_log.read`: the same rows, and the same errors."""
    for _ in range(_LOOKS):
        before = batches.version(path)
        if before is None or batches.pending_file(path).exists():
            break
        data = path.read_bytes()
        if batches.version(path) != before:  # somebody appends: a batch must be seen whole, so look again
            continue
        rows = _rows(path, data)
        if rows is not None:
            return rows.copy(deep=False)  # whoever changes these does not change what is kept
        break
    return batches.read_checked(path)


def _rows(path: Path, data: bytes) -> pd.DataFrame | None:
    """The rows of a log's bytes; None where these are not whole lines whose cells fit."""
    kept, digest = _of_path.get(path), hashlib.sha256()
    if kept is not None:
        digest.update(memoryview(data)[: kept.size])
        if len(data) < kept.size or digest.digest() != kept.digest:
            kept, digest = None, hashlib.sha256()
    new = data[kept.size if kept else 0 :]
    if kept and not new:
        return kept.rows
    if not new.endswith(b"\n") or new.count(b'"') % 2:
        return None
    try:
        text, lines, _ = log_file.parse_rows(new, path, header=kept.header if kept else ())
        rows = log_file.checked(text, lines, path)
    except InputError:  # raised again when the whole log is read, with the right line
        return None
    if kept:
        if lookup.among(rows["decision_id"], kept.rows["decision_id"]).any():
            return None
        rows = pd.concat([kept.rows, rows], ignore_index=True)
    if len(rows) and (kept is None or len(new) > _NEW):
        digest.update(new)
        _of_path.clear()
        _of_path[path] = _Kept(len(data), digest.digest(), tuple(text.columns), rows)
    return rows
