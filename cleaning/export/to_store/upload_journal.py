"""What an export has uploaded, so that it goes on where it was killed: a line for each file, written when it is there.

It lies in the run folder and is of one plan: the same files for the same place. A kill may cut its last line off, which
counts for nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from imageclinic.core.reading.hashing import file_sha256
from imageclinic.core.run import Run

_FOLDER = "uploads"


def plan_of(folder: Path, *parts: object) -> str:
    """Names what an export writes: a hash over the files in `folder` (the manifest with all images' hashes among them),
    and over what else decides."""
    digest = hashlib.sha256(repr(parts).encode())
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"\0{file.relative_to(folder).as_posix()}\0{file_sha256(file)}".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def opened(run: Run, plan: str, where: str) -> Iterator[tuple[dict[str, int], Callable[[str, int], None]]]:
    """Path → bytes of what was uploaded before, and what is to be called with both after each upload. The journal is
    removed when the context ends without an error."""
    file = run.path / _FOLDER / f"{hashlib.sha256(f'{plan} {where}'.encode()).hexdigest()[:32]}.jsonl"
    file.parent.mkdir(exist_ok=True)
    before = _read(file)
    with file.open("a", buffering=1, encoding="ascii") as log:
        yield before, lambda path, size: print(json.dumps([path, size]), file=log)
    file.unlink()
    with contextlib.suppress(OSError):  # another export's journal is in it
        file.parent.rmdir()


def _read(file: Path) -> dict[str, int]:
    found = {}
    for line in file.read_text("ascii", "replace").splitlines() if file.is_file() else ():
        with contextlib.suppress(ValueError, TypeError):
            path, size = json.loads(line)
            found[path] = size
    return found
