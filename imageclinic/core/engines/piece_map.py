"""Pure functions of arrays, mapped over the pieces of their work: in threads here, or on the workers of an engine.

The same function does a piece in both places, in one thread of BLAS, and who cuts the pieces does it by numbers of rows
alone. So the results are the same bits on however many cores and machines of one kind.

For workers the arrays are files in the run folder, which they map into memory, and so is the result of each piece: a
killed command goes on with the pieces that are missing.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xxhash

from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.witnesses import witnesses
from imageclinic.core.errors import Failed
from imageclinic.core.processes.cores import available
from imageclinic.core.progress import Progress
from imageclinic.core.reading import caches

#: Images from which on workers are worth their start and the arrays' way into files.
LEAST = 100_000

Arrays = Mapping[str, npt.NDArray[Any]]
#: The result of one piece: a function at the top of a module, that changes none of its arguments.
Work = Callable[[Arrays, Any], npt.NDArray[Any]]


class PieceMap(Protocol):
    """Where pieces are done."""

    def __call__(
        self,
        work: Work,
        arrays: Arrays,
        pieces: Sequence[Any],
        *,
        images: int,
        progress: Progress | None = None,
    ) -> list[npt.NDArray[Any]]:
        """``work(arrays, piece)`` of each piece, in their order.

        Args:
            work: what is done with a piece.
            arrays: by name; what all pieces need.
            pieces: small values that can be pickled, cut by numbers of rows alone.
            images: how many the work is about: few are not worth a worker's start, see `LEAST`.
            progress: called with (pieces done, pieces in all).

        Raises:
            InputError, Failed: see `core.engines.engine.Engine.map`.
            Exception: what `work` raised.
        """


def here(
    work: Work, arrays: Arrays, pieces: Sequence[Any], *, images: int = 0, progress: Progress | None = None
) -> list[npt.NDArray[Any]]:
    """See `PieceMap`: a thread for each core of this machine."""
    from threadpoolctl import threadpool_limits  # here, for its import takes long

    threads, results = min(available(), len(pieces)), []
    one = functools.partial(work, arrays)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(max(threads, 1)) as pool:
        for result in pool.map(one, pieces) if threads > 1 else map(one, pieces):
            results.append(result)
            if progress is not None:
                progress(len(results), len(pieces))
    return results


def piece_map_on(engine: Engine, folder: Path) -> PieceMap:
    """Pieces on the workers of an engine, where there are others than here.

    Args:
        engine: where.
        folder: for arrays and finished pieces, which all workers see; whoever calls removes it.
    """
    return functools.partial(_mapped, engine, folder) if engine.distributed else here


@contextlib.contextmanager
def pieces_on(engine: Engine, folder: Path) -> Iterator[PieceMap]:
    """As `piece_map_on`, for as long as the context lasts. Finished pieces go with it, unless it ends with an error."""
    yield piece_map_on(engine, folder)
    shutil.rmtree(folder, ignore_errors=True)


class PieceWorker:
    """See `core.engines.engine.Worker`; its items are pieces and the files of their results, its results count them."""

    def __init__(self, work: Work, files: Mapping[str, Path], sharing: int) -> None:
        self._work = work
        self._arrays = {name: _mapped_array(file) for name, file in files.items()}

    def do(self, item: tuple[Any, Path]) -> int:
        """Do a piece, in one thread: each core has its worker."""
        from threadpoolctl import threadpool_limits

        piece, file = item
        with threadpool_limits(1, "blas"):
            caches.write_array(file, self._work(self._arrays, piece))
        return 1

    def watch(self) -> int:
        """Pieces are small: what is done is told when they are."""
        return 0

    def end(self) -> None:
        """It ends with its process, or after its piece."""


def _mapped(
    engine: Engine,
    folder: Path,
    work: Work,
    arrays: Arrays,
    pieces: Sequence[Any],
    *,
    images: int,
    progress: Progress | None = None,
) -> list[npt.NDArray[Any]]:
    """See `PieceMap`."""
    if images < LEAST:
        return here(work, arrays, pieces, images=images, progress=progress)
    digests = {name: _digest(array) for name, array in arrays.items()}
    version = importlib.metadata.version("imageclinic")
    same = f"{version} {work.__module__}.{work.__qualname__} {sorted(digests.items())}".encode()
    names = [xxhash.xxh3_128(same + pickle.dumps(piece)).hexdigest() for piece in pieces]
    named = [(piece, folder / f"piece-{name}.npy") for piece, name in zip(pieces, names, strict=True)]
    todo = [item for item in named if caches.read_array(item[1]) is None]
    done = len(named) - len(todo)
    if todo:
        folder.mkdir(parents=True, exist_ok=True)
        files = {name: folder / f"array-{digests[name]}.npy" for name in arrays}
        for name, file in files.items():
            if not caches.is_whole(file):
                caches.write_array(file, arrays[name])
        with witnesses(engine, folder, list(files.values())[:1]) as visible:
            for count in engine.map(functools.partial(PieceWorker, work, files), todo, workers=None, visible=visible):
                done += count
                if progress is not None:
                    progress(done, len(named))
    return [_read(file) for _, file in named]


def _digest(array: npt.NDArray[Any]) -> str:
    digest = xxhash.xxh3_128(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _mapped_array(file: Path) -> npt.NDArray[Any]:
    """An array that `core.reading.caches.write_array` wrote and who sent it has checked: of it only what is read comes
    into memory, once for all workers of a machine."""
    try:
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise _gone(file) from error


def _read(file: Path) -> npt.NDArray[Any]:
    found = caches.read_array(file)
    if found is None:
        raise _gone(file)
    return found


def _gone(file: Path) -> Failed:
    return Failed(f"{file} is gone, or not as it was written. Run the same command again")
