"""Temporary folders that outlive nobody: removed when they are done with, on Ctrl-C, SIGTERM and SIGHUP too
(`core.processes.signals.unwinding`), and after kill -9 or a loss of power by the next command.

Each has a record in our cache folder, and its owner holds the record's lock. A record whose lock is free belongs to
nobody; the folder that it names bears a random name that nothing but that record knows.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import filelock

from imageclinic.core.processes.cache_folder import cache_folder

_TOKEN_BYTES = 8


@contextlib.contextmanager
def temporary_folder(prefix: str, *, parent: Path | None = None, lock_files: Sequence[Path] = ()) -> Iterator[Path]:
    """A new folder that only its user can open, for as long as the context lasts.

    Args:
        prefix: what its name begins with.
        parent: where it is made; default: the system's folder for temporary files.
        lock_files: empty files that its owner holds locked with filelock, removed with it after a kill.
    """
    sweep()
    token = secrets.token_hex(_TOKEN_BYTES)
    folder = (parent or Path(tempfile.gettempdir())).absolute() / f"{prefix}{token}"
    with _recorded(token, folder, lock_files):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of owners that were killed."""
    for record in _records().glob("*.json"):
        lock = filelock.FileLock(record.with_suffix(".lock"))
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, filelock.Timeout), lock.acquire(timeout=0):
            # Where another has swept it meanwhile there is nothing to read.
            left = json.loads(record.read_text("utf-8"))
            if left["host"] != socket.gethostname():
                continue
            folder = Path(left["folder"])
            if folder.name.endswith(record.stem) and len(record.stem) == 2 * _TOKEN_BYTES and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
            for file in map(Path, left["lock_files"]):
                _remove_lock(file)
            if not folder.exists():  # else it can't be removed now: on a disk that is not writable, say
                record.unlink(missing_ok=True)
                Path(lock.lock_file).unlink(missing_ok=True)


@contextlib.contextmanager
def _recorded(token: str, folder: Path, lock_files: Sequence[Path]) -> Iterator[None]:
    """Keep a record of a folder; without one where the cache folder can't be written."""
    record = _records() / f"{token}.json"
    lock = filelock.FileLock(record.with_suffix(".lock"))
    with contextlib.suppress(OSError):
        record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
        content = {"host": socket.gethostname(), "folder": str(folder), "lock_files": [str(f) for f in lock_files]}
        record.write_text(json.dumps(content), "utf-8")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            record.unlink(missing_ok=True)
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _records() -> Path:
    return cache_folder() / "temporary"


def _remove_lock(file: Path) -> None:
    """Remove an empty lock file that nobody holds."""
    if file.is_file() and not file.is_symlink() and not file.stat().st_size:
        with contextlib.suppress(filelock.Timeout, OSError), filelock.FileLock(file).acquire(timeout=0):
            file.unlink(missing_ok=True)
