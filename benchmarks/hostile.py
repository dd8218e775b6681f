"""Hostile files, and what the scan says about each. `hostile_pictures.py` and `hostile_files.py` list them.

    python -m benchmarks.hostile [--bombs]

Each file is decoded in a process of its own, whose time and peak memory are printed; with --bombs also the ones that
are made to take long or to fill the memory. `tests/audit/scan/test_hostile_files.py` scans all but those in one audit.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks import hostile_files, hostile_pictures
from benchmarks.crafted import encoded, picture
from benchmarks.hostile_files import Hostile, Size
from benchmarks.show import table
from imageclinic.audit.scan.decode import decode
from imageclinic.audit.scan.measure import measure

#: What one file may take, in bytes.
MEMORY = 8_000_000_000


def files() -> list[Hostile]:
    """All hostile files that need neither long nor much memory."""
    return [*hostile_pictures.of_all_formats(), *hostile_files.not_about_a_format()]


def judged(hostile: Hostile, error: str | None, size: Size) -> bool:
    """Whether what was reported of a file is right."""
    if error is None:
        return size is not None and size == hostile.size
    return bool(hostile.errors) and error.startswith(hostile.errors)


def alone(path: Path, limit: float) -> tuple[str | None, Size, float, float]:
    """Measure one file in a process of its own.

    Returns:
        read_error (None when it was read), size, seconds, and the process's peak memory in MB.
    """
    reader, writer = os.pipe()
    start = time.perf_counter()
    child = os.fork()
    if not child:
        Image.MAX_IMAGE_PIXELS = None  # as in the scan's workers: the scan's own limit holds
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        row = measure([os.fspath(path)]).to_pylist()[0]
        os.write(writer, json.dumps([row["read_error"], row["width"], row["height"]]).encode())
        os._exit(0)
    os.close(writer)
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.perf_counter() - start > limit:
            os.kill(child, signal.SIGKILL)
            limit = float("inf")
        time.sleep(0.001)
    seconds = time.perf_counter() - start
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    peak = usage.ru_maxrss / 1024
    if not answer:
        return (
            ("hangs the decoder" if limit == float("inf") else f"crashes the decoder: {status}"),
            None,
            seconds,
            peak,
        )
    error, width, height = json.loads(answer)
    return error, None if width is None else (width, height), seconds, peak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bombs", action="store_true", help="the long and the large ones instead")
    parser.add_argument("--limit", type=float, default=30, metavar="SECONDS", help="longer is a hang")
    options = parser.parse_args()
    rows, wrong = [], 0
    measure([])
    decode(encoded(picture(), "PNG"))  # so that no child has to import anything
    with tempfile.TemporaryDirectory() as folder:
        for hostile in hostile_files.bombs() if options.bombs else files():
            path = hostile.write(Path(folder))
            error, size, seconds, peak = alone(path, options.limit)
            right = judged(hostile, error, size)
            wrong += not right
            report = error or (f"read: {size[0]} × {size[1]}" if size else "read")
            rows.append(("" if right else "!", hostile.what, report[:70], f"{seconds:.2f}", f"{peak:.0f}"))
    print(table(("", "file", "what is reported", "seconds", "MB"), rows))
    print(f"\n{len(rows)} files; {wrong} answers are not the right ones (marked !).")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
