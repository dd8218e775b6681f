"""Caches: results that can be made again. Each file holds a hash of all the rest of it, which is checked before use;
one that is torn, damaged or of an earlier version counts as none, so that its content is made again."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from imageclinic.core.atomic import replacing, write_json
from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.reading.json_files import read_json
from imageclinic.core.reading.regular_files import open_regular

# At the end of a file of arrays, before 64 digits. NumPy and zip readers pass over it.
_MARK = b"\nimageclinic sha256 "
_LENGTH = len(_MARK) + 64
_DAMAGED = (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


def write_arrays(path: Path, arrays: dict[str, npt.NDArray[Any]], *, sync: bool = True) -> None:
    """Write named arrays as ``.npz`` with its hash, under a temporary name, then renamed; without `sync` see
    `core.atomic.replacing`."""
    with replacing(path, sync=sync) as temporary, temporary.open("w+b") as file:
        np.savez(file, allow_pickle=False, **arrays)
        _seal(file)


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write one array as ``.npy`` with its hash, under a temporary name, then renamed."""
    with replacing(path) as temporary, temporary.open("w+b") as file:
        np.save(file, array, allow_pickle=False)
        _seal(file)


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]] | None:
    """What `write_arrays` wrote; None when there is no such file, or it is not as it was written."""
    try:
        with open_regular(path) as file:
            whole = _whole(file)
            if not whole:
                return None
            with np.load(file, allow_pickle=False) as saved:
                if sum(part.file_size for part in saved.zip.infolist()) > whole:
                    return None
                return {name: saved[name] for name in saved.files}
    except (*_DAMAGED, AttributeError):  # AttributeError: one array, and no archive of them
        return None


def read_array(path: Path) -> npt.NDArray[Any] | None:
    """What `write_array` wrote; None when there is no such file, or it is not as it was written."""
    try:
        with open_regular(path) as file:
            if not _whole(file):
                return None
            found = np.load(file, allow_pickle=False)
    except _DAMAGED:
        return None
    return found if isinstance(found, np.ndarray) else None


def is_whole(path: Path) -> bool:
    """Whether arrays are there as `write_arrays` or `write_array` wrote them; they are not read into memory."""
    try:
        with open_regular(path) as file:
            return bool(_whole(file))
    except OSError:
        return False


def write_facts(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object with its hash, under the key ``sha256``."""
    write_json(path, {**content, "sha256": _digest(content)})


def read_facts(path: Path) -> dict[str, Any] | None:
    """What `write_facts` wrote; None when there is no such file, or it is not as it was written."""
    try:
        content: dict[str, Any] = read_json(path, dict[str, Any], fix="")
    except InputError:
        return None
    return content if content.pop("sha256", None) == _digest(content) else None


def _digest(content: dict[str, Any]) -> str:
    return text_digest(json.dumps(content, sort_keys=True))


def _seal(file: BinaryIO) -> None:
    file.flush()
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0, os.SEEK_END)
    file.write(_MARK + digest.encode())


def _whole(file: BinaryIO) -> int:
    """The length of what was hashed, 0 when the file is not as it was written. Leaves the file at its start."""
    length = file.seek(0, os.SEEK_END) - _LENGTH
    if length <= 0:
        return 0
    file.seek(length)
    mark = file.read()
    file.seek(0)
    digest, left = hashlib.sha256(), length
    while left and (piece := file.read(min(left, 1 << 20))):
        digest.update(piece)
        left -= len(piece)
    file.seek(0)
    return length if mark == _MARK + digest.hexdigest().encode() else 0
