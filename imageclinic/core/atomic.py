"""Files appear whole or not at all: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imageclinic.core.errors import InputError


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success it is synced and renamed to `path`, else removed.
    Without `sync`, a loss of power (not of the process) may leave a torn file.

    Raises:
        InputError: the disk is full, the folder can't be written, or what else the system says.
    """
    target: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".tmp")
        os.close(handle)
        target = Path(temporary)
        yield target
        if sync:
            with target.open("rb") as file:
                os.fsync(file.fileno())
        target.chmod(0o666 & ~umask())
        target.replace(path)
    except OSError as error:
        raise InputError(
            f"can't write {path}: {error.strerror or error}",
            fix="free space or mend that, and run the same command again; the file is as it was",
        ) from error
    finally:
        if target is not None:
            target.unlink(missing_ok=True)


def umask() -> int:
    """Permissions that new files don't get. There is no way to ask but to set it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON: under a temporary name, then renamed."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n", "utf-8")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8: under a temporary name, then renamed."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
