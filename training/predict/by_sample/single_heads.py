"""The heads of a cross-validation of very many rows, each fitted by itself: one piece of the work is one head.

Up to a million rows all heads are fitted together, as one product of matrices, by as many threads as there are cores.
Of more rows that is no cheaper, and its last bits depend on cores and memory. A head by itself, in blocks of rows and
one thread, has the same bits wherever it is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imageclinic.core.engines.piece_map import Arrays, PieceMap
from imageclinic.training.predict.fold_heads import Fitted, Head, Progress, Task
from imageclinic.training.predict.linear_heads import Basis, train_in_blocks


class _Piece(NamedTuple):
    """A head, and how it is fitted."""

    head: Head
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
    """Fit heads, each by itself, where `piece_map` does it; else see `training.predict.fold_heads.trained`."""

    def report(done: int, _: int) -> None:
        if progress is not None:
            progress(before + done, count)

    arrays = {"x": task.basis.x, "moments": task.basis.moments, "labels": task.labels, "folds": task.folds}
    pieces = [_Piece(head, task.classes, tolerance) for head in heads]
    fitted = piece_map(_fitted, arrays, pieces, images=len(task.labels), progress=report)
    for head, layer in zip(heads, fitted, strict=True):
        yield head, Fitted(layer[:-1], layer[-1])


def _fitted(arrays: Arrays, piece: _Piece) -> npt.NDArray[Any]:
    """The kernel of a head, and its bias as the last row, (components + 1, classes)."""
    head = piece.head
    used = (arrays["folds"][head.repeat] != head.fold)[:, None]
    strength = np.array([head.strength], np.float32)
    basis = Basis(arrays["x"], arrays["moments"])
    found = train_in_blocks(basis, arrays["labels"], used, strength, piece.classes, tolerance=piece.tolerance)
    return np.concatenate([found.kernel[:, 0], found.bias])
