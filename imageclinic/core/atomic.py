"""Files appear whole or not at all: written under a temporary name, synced, then renamed. What a killed process leaves
of such a name is removed by the next one that writes the same file, or opens the same run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imageclinic.core.errors import CanNotWrite

try:
    import fcntl
except ImportError:  # a system where we can't tell whether the owner of a temporary file lives: they stay
    fcntl = None  # type: ignore[assignment]

# The one way to ask for it, and not safe while threads make files: so once.
UMASK = os.umask(0o077)
os.umask(UMASK)
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")
_LONGEST = 100  # letters of a name that its temporary one begins with


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success it is synced and renamed to `path`, else removed.
    Without `sync`, a loss of power (not of the process) may leave a torn file.

    Raises:
        CanNotWrite: the disk is full, the folder can't be written, or what else the system says.
    """
    target: Path | None = None
    handle = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if sync:
            sweep(path.parent, of=path.name[:_LONGEST])
        handle, target = _held(path)
        yield target
        if sync:
            with target.open("r+b") as file:  # Windows syncs only what may be written
                os.fsync(file.fileno())
        target.chmod(0o666 & ~UMASK)
        target.replace(path)
    except OSError as error:
        raise CanNotWrite(
            f"can't write {path}: {error.strerror or error}",
            fix="free space or fix that, and run the same command again; the file is as it was",
        ) from error
    finally:
        if target is not None:
            target.unlink(missing_ok=True)
            if handle >= 0:
                os.close(handle)


def sweep(folder: Path, *, of: str = "") -> None:
    """Remove temporary files that killed processes left in `folder`: those of `replacing` whose lock nobody holds.

    Args:
        folder: a folder that we write to.
        of: only those of a file of this name.
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not _TEMPORARY.fullmatch(entry.name) or not entry.name.startswith(f".{of}") or entry.is_symlink():
                continue
            with contextlib.suppress(OSError):  # it is held, gone meanwhile, or not ours to remove
                handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    Path(entry.path).unlink()
                finally:
                    os.close(handle)


def _held(path: Path) -> tuple[int, Path]:
    """A new temporary file for `path`, and the handle that holds its lock; −1 where there are no such locks."""
    while True:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_LONGEST]}.", suffix=".tmp")
        target = Path(temporary)
        try:
            if fcntl is None:  # nor can an open file be renamed there
                os.close(handle)
                return -1, target
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle), target.stat()):
                return handle, target
        except FileNotFoundError:
            pass  # swept between its making and its lock
        except BaseException:
            target.unlink(missing_ok=True)
            os.close(handle)
            raise
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON: under a temporary name, then renamed."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n", "utf-8")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8: under a temporary name, then renamed."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
