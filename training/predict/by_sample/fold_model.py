"""What was fitted to a sample, for each repeat and fold: it predicts any row by what was fitted without the row's fold.

Copies of a row are in its fold (`workflows.steps.auditing.predictions.draw_folds`), so what predicts a row has seen
neither it nor a copy of it, whether the row is in the sample or not. NumPy alone: workers load no TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from imageclinic.core.reading import caches

#: Rows that are predicted together. A matrix product's last bits depend on how many rows it has, so this number never
#: depends on memory, cores or engine.
BLOCK = 1024

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FoldModel:
    """Logits of a row v in fold f of repeat r, by witness w, are
    ``(v − mean) @ turn @ kernels[w, r, f] + biases[w, r, f]``."""

    mean: Floats
    """(d,)"""
    turn: Floats
    """(d, components)"""
    kernels: Floats
    """(witnesses, repeats, folds, components, classes)"""
    biases: Floats
    """(witnesses, repeats, folds, classes)"""
    temperatures: Floats
    """(witnesses,): what logits are divided by."""
    shares: Floats
    """(witnesses,): their shares of the geometric mean, which sum to 1."""
    shift: Floats
    """(classes,): added to log probabilities, see `training.predict.by_sample.fitting_sample.shift`."""

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.shift)

    def pred_probs(self, vectors: npt.NDArray[np.floating], folds: npt.NDArray[np.integer]) -> Floats:
        """Out-of-fold probabilities of rows, (n, classes): averaged over repeats, then the witnesses' geometric mean.

        In blocks of `BLOCK` rows, each in one thread: the same rows give the same bits on however many cores.

        Args:
            vectors: (n, d).
            folds: (repeats or more, n): the fold of each row in each repeat.
        """
        probs = np.empty((len(vectors), self.classes), np.float32)
        with threadpool_limits(1, "blas"):
            for at in range(0, len(vectors), BLOCK):
                rows = slice(at, at + BLOCK)
                probs[rows] = self._block(np.asarray(vectors[rows], np.float32), folds[:, rows])
        return probs

    def _block(self, vectors: Floats, folds: npt.NDArray[np.integer]) -> Floats:
        x = (vectors - self.mean) @ self.turn
        repeats = self.kernels.shape[1]
        logs = np.tile(self.shift, (len(x), 1))
        for w in np.flatnonzero(self.shares):
            mean = np.zeros((len(x), self.classes), np.float32)
            for r in range(repeats):
                z = np.empty((len(x), self.classes), np.float32)
                for f in np.unique(folds[r]):
                    held = folds[r] == f
                    z[held] = x[held] @ self.kernels[w, r, f] + self.biases[w, r, f]
                mean += softmax(z / self.temperatures[w], axis=1)
            logs += np.log(np.maximum(mean / mean.sum(1, keepdims=True), 1e-12)) * self.shares[w]
        return np.asarray(softmax(logs, axis=1), np.float32)


def write(file: Path, model: FoldModel) -> None:
    """Write a model, under a temporary name, then renamed."""
    caches.write_arrays(file, dict(vars(model)))


def read(file: Path) -> FoldModel | None:
    """What `write` wrote; None when there is no such file, or it is not as it was written."""
    found = caches.read_arrays(file)
    return None if found is None or set(found) != {field.name for field in fields(FoldModel)} else FoldModel(**found)
