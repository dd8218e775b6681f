"""A linear head on frozen features: multinomial logistic regression, its L2 strength chosen on validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from imageclinic.training.predict.linear_heads import Basis, axes, train
from imageclinic.training.predict.out_of_fold import STRENGTHS

_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Head:
    """A trained head. Logits of rows x are ``(x − mean) @ kernel + bias``."""

    mean: npt.NDArray[np.float32]
    kernel: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    strength: float

    def logits(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, d) → (n, classes)."""
        return np.asarray((features - self.mean) @ self.kernel + self.bias, np.float32)


def fit(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.integer],
    validation: npt.NDArray[np.bool_],
    classes: int,
    *,
    strengths: tuple[float, ...] = STRENGTHS,
) -> Head:
    """Train a head for each L2 strength and keep the one with the least log loss on the validation rows.

    The problem is convex and solved to its optimum: nothing is random, there are no epochs.

    Args:
        features: float32 (n, d), finite.
        labels: class numbers in [0, classes), (n,).
        validation: bool (n,): the rows that choose the strength; the others are trained on. Some of each.
        classes: number of classes.
        strengths: L2 strengths to choose from, for features scaled to unit mean variance, which is done here.

    Returns:
        The head, for features as they were given.
    """
    return fit_each(features, labels, validation[None], classes, strengths=strengths)[0]


def fit_each(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.integer],
    validations: npt.NDArray[np.bool_],
    classes: int,
    *,
    strengths: tuple[float, ...] = STRENGTHS,
) -> list[Head]:
    """`fit` for several draws of the validation rows, bool (draws, n): all at once (`training.predict.linear_heads`),
    which takes little longer than one."""
    mean, turn, basis = principal_axes(features)
    used = np.repeat(~validations.T, len(strengths), axis=1)
    penalties = np.tile(np.array(strengths, np.float32), len(validations))
    kernels, biases = train(basis, labels.astype(np.int32), used, penalties, classes, tolerance=_TOLERANCE)
    heads = []
    for draw, validation in enumerate(validations):
        truth, rows = labels[validation], basis.x[validation]
        columns = range(draw * len(strengths), (draw + 1) * len(strengths))
        losses = [
            -log_softmax(rows @ kernels[:, i] + biases[i], axis=1)[np.arange(len(truth)), truth].mean() for i in columns
        ]
        best = int(np.argmin(losses))
        at = columns[best]
        heads.append(Head(mean, turn @ kernels[:, at], biases[at], strengths[best]))
    return heads


def principal_axes(
    features: npt.NDArray[np.float32], most: int | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], Basis]:
    """Mean, and the matrix that scales and turns centred rows to their principal components, at most so many; the rows
    so. Fewer rows than features span fewer components: beyond those a penalised kernel is zero."""
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = features - mean
    scale = max(float(np.sqrt(np.square(centred).mean(dtype=np.float64))), float(np.finfo(np.float32).tiny))
    turn = axes(centred / np.float32(scale), most) / np.float32(scale)
    x = centred @ turn
    return mean, turn, Basis(x, np.square(x).mean(axis=0))
