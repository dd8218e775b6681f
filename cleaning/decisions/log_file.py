"""The decision log as text: CSV rows appended under a lock and synced, a torn last row ignored and healed.

A row is complete when its quotes are closed and a line end follows. A last row without line end counts when
all its fields are there (an editor may have left the line end out); otherwise a write was interrupted, the
row was never reported as written, and the next append cuts it off.
"""

from __future__ import annotations

import contextlib
import csv
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from imageclinic.cleaning.decisions.log_reading import plain_rows
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few

TABLE = tables.DECISION_LOG
_TEXT = [column.name for column in TABLE.columns if pa.types.is_string(column.type)]
_QUOTED = re.compile(r'[",\r\n]|^\s|\s$')
_LOCK_SECONDS = 30.0
#: So many bad rows of a file are named.
NAMED = 100
#: The first line of a log.
HEADER = ",".join(TABLE.names) + "\n"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Problem:
    """One bad cell: position of its row, its column, its value and what was expected."""

    row: int
    column: str
    value: str
    expected: str


@contextlib.contextmanager
def locked(path: Path, *, seconds: float = _LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock beside `path`. Raises InputError when somebody else holds it for so long."""
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=seconds)
    except filelock.Timeout:
        raise InputError(f"another process holds {path}", fix="end it and try again") from None
    except OSError as error:
        raise InputError(f"can't write to {path.parent}: {error.strerror}", fix="make it writable") from error
    try:
        yield
    finally:
        lock.release()


def read_rows(path: Path, *, torn: bool = True) -> tuple[pd.DataFrame, list[int], int]:
    """Read any CSV file with a header row, all cells as text (empty: null), formula escapes undone.

    Args:
        path: an existing file.
        torn: whether a torn last row is ignored; else it is an error like any other, and all bad rows are named.

    Returns:
        The rows; the line on which each begins; how many bytes of the file are whole rows.

    Raises:
        InputError: naming file and line when a row is not UTF-8, no CSV, or has too few or too many fields.
    """
    return parse_rows(path.read_bytes(), path, torn=torn)


def parse_rows(
    data: bytes, path: Path, *, torn: bool = True, header: Sequence[str] = ()
) -> tuple[pd.DataFrame, list[int], int]:
    """As `read_rows`, of what a file holds; with `header`, of the lines of a file behind that header and maybe rows."""
    skipped = len(_BOM) if data.startswith(_BOM) and not header else 0
    plain, end = plain_rows.read(data[skipped:], header)
    header = list(header or plain.columns)
    good, before = skipped + end, data.count(b"\n", 0, skipped + end)
    rows: list[list[str]] = []
    lines = list(range(before - len(plain) + 1, before + 1))
    bad: list[str] = []
    for at, raw, whole in _records(data[good:]):
        line = before + at
        try:
            cells = _cells(raw, len(header), closed=whole or not torn)
        except (ValueError, csv.Error) as error:
            if header and not torn:
                bad.append(f"line {line}: {error}")
                continue
            if whole or not torn:
                expected = f"{len(header)} fields: {','.join(header)}" if header else "a header row in UTF-8"
                raise InputError(f"bad row in {path}, line {line}: {error}", expected=expected) from error
            break
        if not header:
            header = cells
        elif cells:
            # A policy decides about millions of images: most rows have no quote, and nothing to undo.
            rows.append([tables.unescape_cell(cell) for cell in cells] if b"'" in raw else cells)
            lines.append(line)
        good += len(raw)
    if bad:
        raise InputError(
            f"bad rows in {path}: {few(bad, NAMED, '; ')}",
            expected=f"{len(header)} fields: {','.join(header)}",
        )
    frame = pd.DataFrame(rows, columns=header or TABLE.names, dtype="str").replace("", pd.NA).astype("str")
    return pd.concat([plain, frame], ignore_index=True) if end else frame, lines, good if header else 0


def append_rows(path: Path, rows: pd.DataFrame) -> None:
    """Append validated rows and sync them to disk; the lock must be held. When it fails, no row is written."""
    append_text(path, as_text(rows))


def append_text(path: Path, text: str) -> None:
    """As `append_rows`, of rows as `as_text` gives them."""
    try:
        new = not os.path.lexists(path)
        with open(path, "x+b" if new else "r+b", opener=_no_link) as file:
            data = file.read()
            whole = data.endswith(b"\n") and data.count(b'"') % 2 == 0
            good = len(data) if whole else read_rows(path)[2]
            start = "\n" if good else HEADER
            file.truncate(good)
            file.seek(good)
            try:
                file.write(("" if whole or data[:good].endswith(b"\n") else start).encode())
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(good)
                raise
        if new:
            sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def cut_unfinished_row(path: Path, ids: pd.Series) -> None:
    """Cut off a last row without line end if it is one of `ids`: all its fields may be there, and its note not whole.
    The lock must be held."""
    data = path.read_bytes() if path.exists() else b""
    if not data or data.endswith(b"\n"):
        return
    last = [raw for _, raw, _ in _records(data)][-1]
    if last.split(b",", 1)[0].decode("utf-8", "replace") in set(ids):
        with path.open("r+b") as file:
            file.truncate(len(data) - len(last))


def as_text(rows: pd.DataFrame, *, header: bool = False) -> str:
    """Rows as lines of the log."""
    lines = [",".join(_cell(value) for value in row) for row in rows[TABLE.names].itertuples(index=False)]
    return (HEADER if header else "") + "".join(f"{line}\n" for line in lines)


def unwritable(path: Path, error: OSError) -> InputError:
    """What users read when the log, or what belongs to it, can't be written."""
    return InputError(f"can't write {path}: {error.strerror}", fix="nothing was recorded; fix that and decide again")


def _no_link(path: str, flags: int) -> int:
    """Open a file and no link: what somebody put into the run folder must not lead what is written elsewhere."""
    refuse_link(Path(path))
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def refuse_link(path: Path) -> None:
    """Raise InputError when a log is a link, or neither a file nor missing: decisions would be written elsewhere."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError(
            f"{path} is a link, or no file",
            expected="a file in the run folder",
            fix="put the file itself there; imageclinic does not write decisions through a link",
        )


def find_problems(rows: pd.DataFrame) -> list[Problem]:
    """Every cell of text rows (see `read_rows`, missing columns allowed) that does not fit the decision
    log."""
    found: list[Problem] = []

    def report(mask: npt.NDArray[np.bool_], column: str, expected: str) -> None:
        values = rows[column]
        found.extend(
            Problem(int(at), column, "" if pd.isna(values.iloc[at]) else str(values.iloc[at]), expected)
            for at in np.flatnonzero(mask)
        )

    for column in TABLE.columns:
        if column.name not in rows:
            continue
        values = rows[column.name]
        here = values.notna().to_numpy()
        if not column.nullable:
            report(~here, column.name, "a value")
        if column.choices:
            report(here & ~values.isin(column.choices).to_numpy(), column.name, f"one of {', '.join(column.choices)}")
        if pa.types.is_floating(column.type):
            numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
            fits = (numbers >= column.low) & (numbers <= column.high)
            report(here & ~fits, column.name, f"a number from {column.low} to {column.high}")
    if "decided_at" in rows:
        times = pd.to_datetime(rows["decided_at"], format="ISO8601", utc=True, errors="coerce")
        report((rows["decided_at"].notna() & times.isna()).to_numpy(), "decided_at", "a time in ISO 8601")
    if "decision_id" in rows:
        report((rows["decision_id"].notna() & rows["decision_id"].duplicated()).to_numpy(), "decision_id", "a new id")
    if "label" in rows and "decision" in rows:
        report((rows["decision"].eq("relabel") & rows["label"].isna()).to_numpy(), "label", "the new label")
    return sorted(found, key=lambda problem: problem.row)


def check_header(rows: pd.DataFrame, path: Path) -> None:
    """Raises InputError when rows of the log at `path` lack a column."""
    missing = [name for name in TABLE.names if name not in rows]
    if missing:
        raise InputError(
            f"bad header in {path}, line 1: no columns {', '.join(missing)}",
            expected=f"the header {','.join(TABLE.names)}",
        )


def checked(rows: pd.DataFrame, lines: Sequence[int], path: Path) -> pd.DataFrame:
    """Text rows of the log at `path`, and the line on which each begins, as a frame of the decision log.

    Raises:
        InputError: naming file, line, column and value of the first cell that does not fit.
    """
    check_header(rows, path)
    for first in find_problems(rows)[:1]:
        what = f"bad row in {path}, line {lines[first.row]}, column {first.column}: {first.value!r}"
        raise InputError(what, expected=first.expected, fix="fix that row, or delete it")
    return typed(rows, where=str(path))


def typed(rows: pd.DataFrame, *, where: str = "") -> pd.DataFrame:
    """Text rows as a frame of the decision log."""
    numbers = {name: pd.to_numeric(rows[name]) for name in TABLE.names if name not in _TEXT}
    return tables.validate(rows.assign(**numbers), TABLE, where=where)


def _records(data: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """(number of the first line, bytes, whether it is closed) of each record: lines joined until their quotes
    are closed."""
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]] + [part for part in parts[-1:] if part]
    start, waiting = 0, b""
    for at, line in enumerate(lines):
        waiting += line
        if waiting.count(b'"') % 2 == 0:
            yield start + 1, waiting, line.endswith(b"\n")
            start, waiting = at + 1, b""
    if waiting:
        # A row that was cut within a quoted name has few lines; whole rows after it mean a stray quote.
        rows_follow = any(line.count(b",") >= len(TABLE.columns) - 1 for line in lines[start + 1 :])
        yield start + 1, waiting, rows_follow


def _cells(raw: bytes, width: int, *, closed: bool) -> list[str]:
    """Fields of one record. Raises ValueError or csv.Error when it is none, or has not `width` fields."""
    if not raw.strip():
        return []
    text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    cells: list[str] = next(csv.reader([text], strict=True))
    if width and len(cells) != width:
        raise ValueError(f"{len(cells)} fields")
    if not width and not closed and cells != TABLE.names:
        raise ValueError("half a header")
    return cells


def _cell(value: str | float) -> str:
    if not isinstance(value, str):
        return "" if math.isnan(value) else repr(value)
    value = tables.escape_cell(value)
    return '"' + value.replace('"', '""') + '"' if _QUOTED.search(value) else value


def sync_folder(folder: Path) -> None:
    """Make the new file's name durable, where folders can be synced."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
