"""One audit at a time writes to a run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from imageclinic.core.errors import InputError


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a run folder. Raises InputError at once when another audit holds it, or when it can't be written to."""
    lock = filelock.FileLock(folder / ".audit.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(f"another audit is writing to {folder}", fix="wait, or give another --out") from None
    except OSError as error:
        reason = f"can't write to {folder}: {error.strerror}"
        raise InputError(reason, fix="make it writable, or give another --out") from error
    try:
        yield
    finally:
        lock.release()
