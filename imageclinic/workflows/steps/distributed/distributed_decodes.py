"""Full decodes of likely copies on an engine with other machines: candidates in parts, each result a file.

A part's file is named by its candidates and by sizes and times of their images, so that a killed search goes on with
the parts that are missing. Its content is JSON: numbers come back as they were.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from imageclinic.audit.copies import full_decode_match
from imageclinic.audit.copies.full_decode_match import Pair, Progress, Verdict
from imageclinic.audit.copies.heavy_steps import HERE, HeavySteps
from imageclinic.audit.copies.laid_over import embedding_pairs
from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.witnesses import witnesses
from imageclinic.core.errors import Failed
from imageclinic.core.reading import caches

#: Items from which on workers are worth their start, and items of a part.
LEAST, PART = 2_000, 256
_FOLDER = "decodes"
#: What is done with a part, its items, and the file for the results.
Part = tuple[str, Sequence[Any], Path]


class DecodeWorker:
    """See `core.engines.engine.Worker`; its items are parts, its results the numbers of their items."""

    def __init__(self, sharing: int) -> None:
        self._done = 0

    def do(self, part: Part) -> int:
        """Decode the images of a part, in one thread: each core has its worker."""
        kind, items, file = part
        self._done = 0
        caches.write_facts(file, {"results": _WORK[kind](items, self._report)})
        return len(items)

    def watch(self) -> int:
        """How many items of the part are done."""
        return self._done

    def end(self) -> None:
        """It ends with its process, or after its part."""

    def _report(self, done: int, total: int) -> None:
        self._done = done


def decodes_on(engine: Engine, folder: Path) -> HeavySteps:
    """`audit.copies.heavy_steps.HeavySteps` on the workers of an engine, where there are others than here.

    Args:
        engine: where.
        folder: for finished parts; whoever calls removes it.
    """
    if not engine.distributed:
        return HERE
    ask = functools.partial(_results, engine, folder / _FOLDER)
    return HeavySteps(
        compare=functools.partial(_compare, ask),
        pixel_digests=functools.partial(_pixel_digests, ask),
        confirm=functools.partial(_confirm, ask),
    )


Ask = Callable[[str, Sequence[Any], Iterable[Path], Progress | None], list[Any]]


def _compare(ask: Ask, pairs: Sequence[Pair], *, progress: Progress | None = None) -> list[Verdict]:
    if len(pairs) < LEAST:
        return full_decode_match.compare(pairs, progress=progress)
    files = [file for pair in pairs for file in (pair.one, pair.two)]
    return [Verdict(*values) for values in ask("compare", pairs, files, progress)]


def _pixel_digests(
    ask: Ask, paths: Sequence[Path], *, progress: Progress | None = None
) -> list[tuple[str | None, str | None]]:
    if len(paths) < LEAST:
        return full_decode_match.pixel_digests(paths, progress=progress)
    return [(digest, error) for digest, error in ask("digests", paths, paths, progress)]


def _confirm(
    ask: Ask, pairs: npt.NDArray[np.intp], path: Callable[[int], Path], *, progress: Progress | None = None
) -> embedding_pairs.Pairs:
    if len(pairs) < LEAST:
        return embedding_pairs.confirm(pairs, path, progress=progress)
    items = [(i, j, path(i), path(j)) for i, j in embedding_pairs.together(pairs).tolist()]
    found = ask("confirm", items, [file for item in items for file in item[2:]], progress)
    rows = [row for row in found if len(row) > 1]
    return embedding_pairs.tabulated(rows, {at for row in found if len(row) == 1 for at in row})


def _results(
    engine: Engine, folder: Path, kind: str, items: Sequence[Any], images: Iterable[Path], progress: Progress | None
) -> list[Any]:
    """What the workers make of all items, in their order."""
    stats = {file: _stat(file) for file in images}
    parts = [(kind, items[at : at + PART], folder) for at in range(0, len(items), PART)]
    named = [(kind, part, folder / f"{kind}-{_digest(part, stats)}.json") for kind, part, folder in parts]
    todo = [part for part in named if caches.read_facts(part[2]) is None]
    done = len(items) - sum(len(part[1]) for part in todo)
    if todo:
        folder.mkdir(parents=True, exist_ok=True)
        with witnesses(engine, folder, list(stats)[:1]) as visible:
            for count in engine.map(DecodeWorker, todo, workers=None, visible=visible):
                done += count
                if progress:
                    progress(done, len(items))
    results: list[Any] = []
    for _, _, file in named:
        found = caches.read_facts(file)
        if found is None:
            raise Failed(f"{file} is gone, or not as it was written. Run the same command again")
        results += found["results"]
    return results


def _digest(items: Sequence[Any], stats: dict[Path, tuple[int, int]]) -> str:
    digest = xxhash.xxh3_128()
    for item in items:
        files = [item] if isinstance(item, Path) else [v for v in _values(item) if isinstance(v, Path)]
        digest.update(f"{_values(item)} {[stats[file] for file in files]}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _values(item: Any) -> tuple[Any, ...]:
    return dataclasses.astuple(item) if isinstance(item, Pair) else item if isinstance(item, tuple) else (item,)


def _stat(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _compared(pairs: Sequence[Pair], report: Progress) -> list[Any]:
    return [dataclasses.astuple(v) for v in full_decode_match.compare(pairs, progress=report, threads=1)]


def _digested(paths: Sequence[Path], report: Progress) -> list[Any]:
    return list(full_decode_match.pixel_digests(paths, progress=report, threads=1))


def _confirmed(items: Sequence[tuple[int, int, Path, Path]], report: Progress) -> list[Any]:
    """Rows of five values for copies, of one for images that can't be decoded."""
    files = {at: file for i, j, one, two in items for at, file in ((i, one), (j, two))}
    pairs = np.array([item[:2] for item in items], np.intp)
    found = embedding_pairs.confirm(pairs, files.__getitem__, progress=report, threads=1)
    columns = (found.i, found.j, found.moved, found.similarity.astype(float), found.difference.astype(float))
    rows: list[Any] = [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    return rows + [[at] for at in found.gone.tolist()]


_WORK: dict[str, Callable[[Any, Progress], list[Any]]] = {
    "compare": _compared,
    "digests": _digested,
    "confirm": _confirmed,
}
