"""Predictions of many rows by a fitted `FoldModel`, in parts on the workers of an engine; a finished part is a file.

A part is some rows of the file of embeddings, which its worker reads there; what is in memory does not grow with the
number of rows. Parts and the blocks within them are cut by row numbers alone, so that every engine makes the same bits,
and a killed driver goes on with the parts that are missing.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.witnesses import witnesses
from imageclinic.core.errors import Failed
from imageclinic.core.large import large_arrays
from imageclinic.core.reading import caches, parquet_files
from imageclinic.training.predict.by_sample import fold_model
from imageclinic.training.predict.by_sample.fold_model import FoldModel

#: A file for the probabilities; row numbers in the file of embeddings, ascending; folds (repeats, rows) of these rows.
Part = tuple[Path, npt.NDArray[np.int32], npt.NDArray[np.int8]]
Floats = npt.NDArray[np.float32]


class PredictionWorker:
    """See `core.engines.engine.Worker`; its items are parts, its results the numbers of their rows."""

    def __init__(self, model: Path, embeddings: Path, sharing: int) -> None:
        found = fold_model.read(model)
        if found is None:
            raise _gone(model)
        self._model, self._embeddings = found, embeddings

    def do(self, part: Part) -> int:
        """Write the probabilities of a part's rows."""
        file, rows, folds = part
        vectors = parquet_files.read_vector_rows(self._embeddings, "embedding", rows)
        caches.write_array(file, self._model.pred_probs(vectors, folds))
        return len(rows)

    def watch(self) -> int:
        """Parts are small: what is done is told when they are."""
        return 0

    def end(self) -> None:
        """It ends with its process, or after its part."""


def predict(
    engine: Engine,
    model: Path,
    embeddings: Path,
    rows: npt.NDArray[np.integer],
    folds: npt.NDArray[np.integer],
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """Out-of-fold probabilities, (n, classes); a large array is in a file, see `core.large.large_arrays`.

    Args:
        engine: whose workers predict; one thread each.
        model: the file of what predicts, see `training.predict.by_sample.fold_model.write`.
        embeddings: the file of embeddings. All workers must see these files.
        rows: (n,) row numbers in that file, ascending.
        folds: (repeats, n) below 128.
        folder: for finished parts, of these rows, folds and this model and no others; whoever calls removes it.
        progress: called with (rows done, rows in all).

    Raises:
        Failed: the model or a finished part is gone; workers are lost over and over.
        InputError: see `core.reading.parquet_files.read_vector_rows`.
    """
    fitted = fold_model.read(model)
    if fitted is None:
        raise _gone(model)
    folder.mkdir(parents=True, exist_ok=True)
    parts = list(_parts(fitted, rows, folds, folder))
    todo = [part for part in parts if not _is_done(part, fitted)]
    done = len(rows) - sum(len(part[1]) for part in todo)
    if todo:
        start = functools.partial(PredictionWorker, model, embeddings)
        # Here, too: the engine of this machine runs its workers in threads, and the limit is the process's.
        with witnesses(engine, folder, [embeddings]) as visible, threadpool_limits(1, "blas"):
            for count in engine.map(start, todo, workers=None, visible=visible):
                done += count
                if progress is not None:
                    progress(done, len(rows))
    return large_arrays.filled(_contents(parts), (len(rows), fitted.classes), np.float32, folder.parent)


def _parts(
    model: FoldModel, rows: npt.NDArray[np.integer], folds: npt.NDArray[np.integer], folder: Path
) -> Iterator[Part]:
    """Rows of the file of embeddings in pieces as it is written in, or fewer where there are very many classes."""
    size = min(large_arrays.rows_at_once(width, np.float32) for width in (len(model.mean), model.classes))
    cuts = np.searchsorted(rows, np.arange(0, int(rows[-1]) + 1 + size, size))
    for number, (first, last) in enumerate(itertools.pairwise(cuts)):
        if first < last:
            file = folder / f"part-{number:06d}.npy"
            yield file, rows[first:last].astype(np.int32), folds[:, first:last].astype(np.int8)


def _is_done(part: Part, model: FoldModel) -> bool:
    found = caches.read_array(part[0])
    return found is not None and found.shape == (len(part[1]), model.classes)


def _contents(parts: Sequence[Part]) -> Iterator[Floats]:
    for file, _, _ in parts:
        found = caches.read_array(file)
        if found is None:
            raise _gone(file)
        yield found


def _gone(file: Path) -> Failed:
    return Failed(f"{file} is gone, or not as it was written. Run the same command again")
