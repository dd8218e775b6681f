"""Files appear whole or not at all: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success it is synced and renamed to `path`, else removed.
    Without `sync`, a loss of power (not of the process) may leave a torn file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    target = Path(temporary)
    try:
        yield target
        if sync:
            with target.open("rb") as file:
                os.fsync(file.fileno())
        target.chmod(0o644)
        target.replace(path)
    finally:
        target.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON: under a temporary name, then renamed."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n", "utf-8")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8: under a temporary name, then renamed."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
