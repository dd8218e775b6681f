"""The heads of a cross-validation of very many rows, in pieces: one head, or a few of the same strength.

Up to a million rows all heads are fitted together, as one product of matrices, by as many threads as there are cores,
and the last bits depend on cores and memory. A piece by itself, in blocks of rows and one thread, has the same bits
wherever it is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imageclinic.core.engines.piece_map import Arrays, PieceMap
from imageclinic.training.predict.fold_heads import Fitted, Head, Progress, Task
from imageclinic.training.predict.linear_heads import Basis, train_in_blocks

#: Rows × heads of a piece, where a head has fewer rows: products of wider matrices take less time for each head, but a
#: head of a million rows is worth a worker of its own.
TOGETHER = 500_000


class _Piece(NamedTuple):
    """Heads, and how they are fitted."""

    heads: tuple[Head, ...]
    classes: int
    tolerance: float


def trained(
    piece_map: PieceMap,
    task: Task,
    heads: Sequence[Head],
    tolerance: float,
    before: int,
    count: int,
    progress: Progress | None,
) -> Iterator[tuple[Head, Fitted]]:
    """Fit heads in pieces, where `piece_map` does it; else see `training.predict.fold_heads.trained`."""
    size = max(1, TOGETHER // len(task.labels))

    def report(done: int, _: int) -> None:
        if progress is not None:
            progress(before + min(done * size, len(heads)), count)

    arrays = {"x": task.basis.x, "moments": task.basis.moments, "labels": task.labels, "folds": task.folds}
    pieces = [_Piece(tuple(heads[at : at + size]), task.classes, tolerance) for at in range(0, len(heads), size)]
    layers = np.concatenate(piece_map(_fitted, arrays, pieces, images=len(task.labels), progress=report))
    for head, layer in zip(heads, layers, strict=True):
        yield head, Fitted(layer[:-1], layer[-1])


def _fitted(arrays: Arrays, piece: _Piece) -> npt.NDArray[Any]:
    """The kernels of heads, and their biases as the last rows, (heads, components + 1, classes)."""
    used = np.stack([arrays["folds"][head.repeat] != head.fold for head in piece.heads], axis=1)
    strengths = np.array([head.strength for head in piece.heads], np.float32)
    basis = Basis(arrays["x"], arrays["moments"])
    found = train_in_blocks(basis, arrays["labels"], used, strengths, piece.classes, tolerance=piece.tolerance)
    return np.concatenate([found.kernel.swapaxes(0, 1), found.bias[:, None]], axis=1)
