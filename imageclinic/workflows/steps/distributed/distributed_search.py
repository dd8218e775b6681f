"""The search for near hashes on an engine with other machines: slices of the hashes against all of them.

All hashes are written once into the run folder, from where each worker reads them. Of pairs within one set a slice
finds both sides, and keeps the one where the first is smaller: twice the work of a search on one machine, in pieces.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from imageclinic.audit.copies import hamming
from imageclinic.audit.copies.hamming import Hashes, Progress, Search, Sink
from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.witnesses import witnesses
from imageclinic.core.errors import Failed
from imageclinic.core.reading import caches

#: Comparisons of all with all from which on workers are worth their start.
LEAST = 10**11
#: Slices for each core, so that all end at about the same time, and hashes of a slice at least.
_SLICES, _LEAST_SLICE = 4, 1000
#: First and last row of a slice, and the file for its pairs.
Slice = tuple[int, int, Path]


class SearchWorker:
    """See `core.engines.engine.Worker`; its items are slices, its results their files."""

    def __init__(self, hashes: Path, radius: int, sharing: int) -> None:
        found = caches.read_arrays(hashes)
        if found is None:
            raise Failed(f"{hashes} is gone, or not as it was written. Run the same command again")
        self._left, self._right, self._radius = found["left"], found.get("right"), radius

    def do(self, part: Slice) -> Path:
        """Find the pairs of a slice."""
        first, last, file = part
        pairs: list[tuple[Any, Any, Any]] = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.uint8))]
        within = self._right is None

        def take(p: Any, q: Any, distance: Any) -> bool:
            p = p + first
            kept = p < q if within else slice(None)
            pairs.append((p[kept], q[kept], distance[kept]))
            return True

        hamming.search(self._left[first:last], self._left if within else self._right, self._radius, take)
        p, q, distance = (np.concatenate(each) for each in zip(*pairs, strict=True))
        caches.write_arrays(file, {"p": p, "q": q, "distance": distance})
        return file

    def watch(self) -> int:
        """Nothing can stall it."""
        return 0

    def end(self) -> None:
        """It ends with its process."""


def search_on(engine: Engine, folder: Path) -> Search:
    """`audit.copies.hamming.search` on the workers of an engine, where there are others than here.

    Args:
        engine: where.
        folder: for the hashes and finished slices, from which a killed search goes on; whoever calls removes it.
    """
    return functools.partial(_search, engine, folder) if engine.distributed else hamming.search


def _search(
    engine: Engine,
    folder: Path,
    left: Hashes,
    right: Hashes | None,
    radius: int,
    sink: Sink,
    *,
    progress: Progress | None = None,
) -> bool:
    """See `audit.copies.hamming.search`."""
    if len(left) * (len(left) if right is None else len(right)) < LEAST:
        return hamming.search(left, right, radius, sink, progress=progress)
    slices = _slices(left, right, radius, engine.cores(), folder)
    todo = [part for part in slices if caches.read_arrays(part[2]) is None]
    done = len(slices) - len(todo)
    for part in slices:
        if part not in todo and not _deliver(part[2], sink):
            return False
    if not todo:
        return True
    hashes = folder / "hashes.npz"
    caches.write_arrays(hashes, {"left": left} if right is None else {"left": left, "right": right})
    with witnesses(engine, folder, ()) as visible:
        for file in engine.map(functools.partial(SearchWorker, hashes, radius), todo, workers=None, visible=visible):
            done += 1
            if progress:
                progress(100 * done // len(slices), 100)
            if not _deliver(file, sink):
                return False
    return True


def _slices(left: Hashes, right: Hashes | None, radius: int, cores: int, folder: Path) -> Sequence[Slice]:
    digest = xxhash.xxh3_64(f"{radius}".encode())
    for array in (left, right):
        if array is not None:
            digest.update(np.ascontiguousarray(array).data)
    size = max(_LEAST_SLICE, -(-len(left) // (_SLICES * cores)))
    starts = range(0, len(left), size)
    return [(at, at + size, folder / f"{digest.hexdigest()}-{at}-{size}.npz") for at in starts]


def _deliver(file: Path, sink: Sink) -> bool:
    found = caches.read_arrays(file)
    if found is None:
        raise Failed(f"{file} is gone, or not as it was written. Run the same command again")
    return not len(found["p"]) or sink(found["p"], found["q"], found["distance"])
