"""Linear discriminant analysis, cross-validated in closed form: a second witness beside the trained heads.

Every class is a normal distribution with the same covariance (Fisher 1936), which is shrunk towards a ball because
there are few images per dimension. It weighs all images of a class alike, where logistic regression listens to those
at the border: wrong labels, which lie far from it, pull it less, and so the two err on different images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

#: How much of the mean variance is added to every direction's.
SHRINKAGES = (0.1, 0.3, 1.0, 3.0, 10.0)
# Rows that are summed together.
_ROWS = 65_536

Floats = npt.NDArray[np.float32]


def held_out_logits(
    x: Floats, labels: npt.NDArray[np.integer], fold: npt.NDArray[np.integer], classes: int, shrinkages: Sequence[float]
) -> dict[float, Floats]:
    """Logits of every image by the discriminant that was fitted to the other folds, for each shrinkage.

    Args:
        x: (n, d), centred.
        labels: (n,) class numbers below `classes`.
        fold: (n,) the fold of each image.
        classes: number of classes. One that the other folds lack has the mean of all images and half an image.
        shrinkages: of `SHRINKAGES`, each above 0.

    Returns:
        (n, classes) for each shrinkage. Time grows as n · d² + folds · d³, whatever the number of classes.
    """
    found = {s: np.empty((len(x), classes), np.float32) for s in shrinkages}
    for number in np.unique(fold):
        held = fold == number
        variances, turn, means, prior = _moments(x[~held], labels[~held], classes)
        turned, centres = x[held] @ turn, means @ turn
        for shrinkage, logits in found.items():
            precision = _precision(variances, shrinkage)
            logits[held] = (turned * precision) @ centres.T - 0.5 * (centres**2 @ precision) + prior
    return found


def fit(x: Floats, labels: npt.NDArray[np.integer], classes: int, shrinkage: float) -> tuple[Floats, Floats]:
    """The discriminant of all images as a linear layer: kernel (d, classes) and bias (classes,)."""
    return _layer(_moments(x, labels, classes), shrinkage)


@dataclass(frozen=True)
class Sums:
    """What a discriminant needs of rows, to be added up: rows that come in pieces never are in memory together."""

    count: npt.NDArray[np.float64]
    """(classes,): rows of each class."""
    total: npt.NDArray[np.float64]
    """(classes, d): sums of the rows of each class."""
    products: npt.NDArray[np.float64]
    """(d, d): sums of products of the columns."""

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.count + other.count, self.total + other.total, self.products + other.products)

    @staticmethod
    def of(x: Floats, labels: npt.NDArray[np.integer], classes: int) -> Sums:
        """The sums of rows (n, d), taken `_ROWS` at a time."""
        d = x.shape[1]
        found = Sums(np.zeros(classes), np.zeros((classes, d)), np.zeros((d, d)))
        for at in range(0, len(x), _ROWS):
            rest, given = x[at : at + _ROWS].astype(np.float64), labels[at : at + _ROWS]
            members = _members(given, classes)
            found += Sums(np.bincount(given, minlength=classes).astype(np.float64), members @ rest, rest.T @ rest)
        return found

    def layers(self, shrinkages: Sequence[float]) -> dict[float, tuple[Floats, Floats]]:
        """As `fit`, to the rows that were summed, for each shrinkage."""
        n = self.count.sum()
        means = self.total / np.maximum(self.count, 1)[:, None]
        variances, turn = np.linalg.eigh((self.products - means.T @ (self.count[:, None] * means)) / n)
        moments = variances, turn, means, np.log(np.maximum(self.count, 0.5) / n)
        return {s: _layer(moments, s) for s in shrinkages}


def _layer(moments: tuple[npt.NDArray[np.float64], ...], shrinkage: float) -> tuple[Floats, Floats]:
    variances, turn, means, prior = moments
    precision, centres = _precision(variances, shrinkage), means @ turn
    kernel = (turn * precision) @ centres.T
    return kernel.astype(np.float32), (prior - 0.5 * (centres**2 @ precision)).astype(np.float32)


def _members(labels: npt.NDArray[np.integer], classes: int) -> csr_array:
    return csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))), shape=(classes, len(labels)))


def _moments(x: Floats, labels: npt.NDArray[np.integer], classes: int) -> tuple[npt.NDArray[np.float64], ...]:
    """Variances within classes along their principal axes, these axes, means of the classes, and log priors."""
    rest = x.astype(np.float64)
    count = np.bincount(labels, minlength=classes).astype(np.float64)
    means = (_members(labels, classes) @ rest) / np.maximum(count, 1)[:, None]
    inner = rest - means[labels]
    variances, turn = np.linalg.eigh(inner.T @ inner / len(rest))
    return variances, turn, means, np.log(np.maximum(count, 0.5) / len(rest))


def _precision(variances: npt.NDArray[np.float64], shrinkage: float) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (np.maximum(variances, 0) + shrinkage * variances.mean() + 1e-12))
