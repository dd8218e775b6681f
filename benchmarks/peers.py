"""What we are measured against. Run as a file, by the interpreter of any environment that holds the peer.

    python benchmarks/peers.py decode|imagehash|cleanvision DIR [--processes 2]

prints one line of JSON: how many images it went over, how many of them it could not read, and the seconds that it
worked (decode and imagehash: imports and listing apart).

decode: read the file, decode it in grey to at least 32 pixels, strictly (simplejpeg): nothing that finds damage in
every JPEG can be faster than this decoder. imagehash: `imagehash.phash` of Pillow's decode. cleanvision: all its
checks.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

#: Files that a process is given at a time.
_CHUNK = 64
SIDE = 32
Worker = Callable[[Path], object]


def decode(path: Path) -> None:
    """Read and strictly decode a JPEG. Raises ValueError when it is damaged."""
    import simplejpeg

    simplejpeg.decode_jpeg(path.read_bytes(), "GRAY", min_height=SIDE, min_width=SIDE, strict=True)


def phash(path: Path) -> int:
    """64-bit perceptual hash of an image, by imagehash alone."""
    import imagehash
    from PIL import Image

    with Image.open(path) as image:
        return int(str(imagehash.phash(image)), 16)


#: name → the work per file, the modules that it needs, the file names that it can take (all where none are named).
PER_FILE: dict[str, tuple[Worker, tuple[str, ...], tuple[str, ...]]] = {
    "decode": (decode, ("simplejpeg",), (".jpg", ".jpeg")),
    "imagehash": (phash, ("imagehash", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "scipy.fftpack"), ()),
}


def map_files(work: Worker, paths: list[Path], processes: int, modules: tuple[str, ...] = ()) -> list[object]:
    """Results of `work` on files, in their order, from several processes that have imported `modules`."""
    with multiprocessing.get_context("spawn").Pool(processes, _import, (modules,)) as pool:
        return pool.map(work, paths, _CHUNK)


def _import(modules: tuple[str, ...]) -> None:
    for name in modules:
        importlib.import_module(name)


def _work(name: str, paths: list[Path], processes: int) -> dict[str, float]:
    work, modules, suffixes = PER_FILE[name]
    chosen = [path for path in paths if not suffixes or path.suffix.lower() in suffixes]
    with multiprocessing.get_context("spawn").Pool(processes, _import, (modules,)) as pool:
        pool.map(time.sleep, [0.1] * processes, 1)  # until each has started
        start = time.perf_counter()
        read = pool.map(partial(_succeeds, work), chosen, _CHUNK)
        seconds = time.perf_counter() - start
    return {"images": len(chosen), "unreadable": read.count(False), "seconds": seconds}


def _succeeds(work: Worker, path: Path) -> bool:
    try:
        work(path)
    except Exception:  # whatever a decoder raises: the next file's turn
        return False
    return True


def _cleanvision(folder: Path, processes: int) -> dict[str, float]:
    from cleanvision import Imagelab

    start = time.perf_counter()
    lab = Imagelab(data_path=str(folder))
    lab.find_issues(n_jobs=processes, verbose=False)
    return {"images": len(lab.issues), "unreadable": 0, "seconds": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=(*PER_FILE, "cleanvision"))
    parser.add_argument("dir", type=Path)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    if options.peer == "cleanvision":
        answer = _cleanvision(options.dir, options.processes)
    else:
        paths = sorted(path for path in options.dir.rglob("*") if path.is_file())
        answer = _work(options.peer, paths, options.processes)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
