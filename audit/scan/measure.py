"""Paths of image files → what the dataset and features tables say of them, one decode per image.

`measure` is a pure function, so that any engine may map it over batches; `audit.scan.scan` maps it over local
processes. It loads no pandas, because every worker process would pay for that.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from imageclinic.audit.scan import arrow_columns
from imageclinic.audit.scan.decode import decode_only
from imageclinic.audit.scan.pictures.decoded_picture import NO_MEMORY, Decoded, shrink
from imageclinic.audit.scan.pictures.image_statistics import THUMBNAIL, statistics
from imageclinic.audit.scan.scan_options import MAX_PIXELS
from imageclinic.core import schema
from imageclinic.core.reading.regular_files import open_flags

#: Changes when rows made by an older version must not be reused.
VERSION = "7"

_GIVEN = ("image_id", "label", "split", "group", "given_labels")
_FILE = [c for c in schema.DATASET.columns if c.name not in _GIVEN]
_PIXELS = [c for c in schema.FEATURES.columns if c.name != "image_id"]
#: Columns of a measured batch: those of the dataset and features tables that come from the file, and the thumbnail
#: (uint8, 32 × 32). Where there is a `read_error`, the features are null and the thumbnail is zeros.
MEASURED = pa.schema(
    [pa.field(c.name, c.type) for c in (*_FILE, *_PIXELS)] + [pa.field("thumbnail", pa.binary(THUMBNAIL**2))],
    metadata={"version": VERSION},
)
_DECODED = (
    *("format", "width", "height", "mode", "frames", "camera", "exif_orientation", "jpeg_quality"),
    *("transparent", "value_low", "value_high", "keras_difference"),
)
#: Statistics that are kept of what Keras's loaders see, where that is another picture.
_KERAS_STATISTICS = ("luminance_mean", "luminance_p99", "entropy")
# Pictures whose statistics are computed at once: what a core's cache holds.
_AT_ONCE = 64
# Bytes of decoded pictures that wait to be shrunk together: what a core's cache holds.
_WAITING = 1 << 20
# A path that is no regular file (a pipe!) must not block, nor be waited for.
_FLAGS = open_flags("O_NONBLOCK", "O_CLOEXEC")

#: Called before each file with its number and whether its bytes are read (False: they are about to be).
Tick = Callable[[int, bool], None]


def measure(
    paths: Sequence[str],
    *,
    max_pixels: int = MAX_PIXELS,
    verdicts: Mapping[int, str] | None = None,
    tick: Tick | None = None,
) -> pa.Table:
    """Measure image files.

    Args:
        paths: of the files.
        max_pixels: larger pictures are not decoded.
        verdicts: for files that are known to kill or stall their decoder, by number: the read_error to record.
        tick: called before and after the reading of each file, and when all are decoded and shrunk.

    Returns:
        One row per path with the columns of `MEASURED`. Nothing is raised for a bad file: it has a `read_error`
        and no features.
    """
    files: list[dict[str, Any]] = []
    shown: dict[bool, list[tuple[int, Decoded]]] = {False: [], True: []}  # by whether there is a grey picture
    other: list[tuple[int, Decoded]] = []  # pictures that Keras's loaders see otherwise
    waiting: list[tuple[int, Decoded]] = []
    held = 0

    def take() -> None:
        """Note what is known of the pictures that wait."""
        for _, found in waiting:
            shrink(found)
        for at, found in waiting:
            _note(found, files[at])
            if found.colour is not None:
                shown[found.grey is not None].append((at, found))
                if found.keras is not None:
                    other.append((at, found))
        waiting.clear()

    for at, path in enumerate(paths):
        verdict = (verdicts or {}).get(at)
        if verdict is not None and verdict.startswith("can't be read"):
            files.append({"bytes": 0, "mtime_ns": 0, "read_error": verdict})
            continue
        if tick:
            tick(at, False)
        file, data = _read(path)
        files.append(file)
        if data is None:
            continue
        if tick:
            tick(at, True)
        if verdict is not None:
            file["read_error"] = verdict
            continue
        found = decode_only(data, max_pixels=max_pixels)
        waiting.append((at, found))
        held += 0 if found.picture is None else found.picture.nbytes
        if held > _WAITING:
            take()
            held = 0
    take()
    if tick:
        tick(len(paths), True)
    computed = []
    for large, pictures in shown.items():
        for start in range(0, len(pictures), _AT_ONCE):
            part = pictures[start : start + _AT_ONCE]
            colour = np.stack([np.asarray(found.colour) for _, found in part])
            grey = np.stack([np.asarray(found.grey) for _, found in part]) if large else None
            computed.append(([at for at, _ in part], statistics(colour, grey)))
    for start in range(0, len(other), _AT_ONCE):
        part = other[start : start + _AT_ONCE]
        values = statistics(np.stack([np.asarray(found.keras) for _, found in part]))
        for row, (at, _) in enumerate(part):
            files[at] |= {f"keras_{name}": float(values[name][row]) for name in _KERAS_STATISTICS}
    return _table(files, computed)


def mtime_ns(status: os.stat_result) -> int:
    """Modification time in nanoseconds since 1970, as 64 bits hold it: from 1677 to 2262, else the nearer of these."""
    return max(-(1 << 63), min(status.st_mtime_ns, (1 << 63) - 1))


def _note(found: Decoded, file: dict[str, Any]) -> None:
    """Put what is known of a picture into its file's row."""
    for name in _DECODED:
        file[name] = getattr(found, name)
    file["read_error"] = found.error
    if found.colour is not None:
        file["pixel_hash"] = _pixel_hash(found)


def _pixel_hash(found: Decoded) -> int:
    digest = xxhash.xxh3_64(f"{found.width}x{found.height}".encode())
    for picture in (found.colour, found.grey):
        if picture is not None:
            digest.update(np.ascontiguousarray(picture).data)
    return digest.intdigest()


def _read(path: str) -> tuple[dict[str, Any], bytes | None]:
    file: dict[str, Any] = {"bytes": 0, "mtime_ns": 0}
    try:
        handle = os.open(path, _FLAGS)
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        file["read_error"] = "file is missing" if missing else f"can't be read: {error.strerror}"
        return file, None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            file["read_error"] = "can't be read: no regular file"
            return file, None
        # The time is taken before the bytes: a file that changes meanwhile looks changed to the next audit.
        file["mtime_ns"], file["bytes"] = mtime_ns(status), status.st_size
        data = os.read(handle, status.st_size + 1)
        while len(data) < status.st_size and (more := os.read(handle, status.st_size - len(data))):
            data += more
    except OSError as error:
        file["read_error"] = f"can't be read: {error.strerror}"
        return file, None
    except (MemoryError, OverflowError):
        file["read_error"] = f"too large: the file's {file['bytes']:,} bytes need {NO_MEMORY}"
        return file, None
    finally:
        os.close(handle)
    file["bytes"], file["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    return file, data


def _table(files: list[dict[str, Any]], computed: list[tuple[list[int], dict[str, Any]]]) -> pa.Table:
    """Rows of `MEASURED` from what is known of each file, and from the statistics of the rows that have some."""
    n = len(files)
    absent = np.ones(n, dtype=bool)
    for rows, _ in computed:
        absent[rows] = False
    columns = []
    for column in MEASURED:
        packed = pa.types.is_fixed_size_binary(column.type)
        if not packed and not any(column.name in values for _, values in computed):
            columns.append(arrow_columns.from_values([file.get(column.name) for file in files], column.type))
            continue
        kind = np.dtype((np.uint8, column.type.byte_width)) if packed else arrow_columns.KINDS[column.type]
        whole = np.zeros(n, dtype=kind)
        for rows, values in computed:
            whole[rows] = values[column.name]
        if packed:
            columns.append(pa.Array.from_buffers(column.type, n, [None, pa.py_buffer(whole)]))
        else:
            columns.append(arrow_columns.from_numpy(whole, ~absent, column.type))
    return pa.Table.from_arrays(columns, schema=MEASURED)
