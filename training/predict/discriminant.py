"""Linear discriminant analysis, cross-validated in closed form: a second witness beside the trained heads.

Every class is a normal distribution with the same covariance (Fisher 1936), which is shrunk towards a ball because
there are few images per dimension. It weighs all images of a class alike, where logistic regression listens to those
at the border: wrong labels, which lie far from it, pull it less, and so the two err on different images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

#: How much of the mean variance is added to every direction's.
SHRINKAGES = (0.1, 0.3, 1.0, 3.0, 10.0)

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
    variances, turn, means, prior = _moments(x, labels, classes)
    precision, centres = _precision(variances, shrinkage), means @ turn
    kernel = (turn * precision) @ centres.T
    return kernel.astype(np.float32), (prior - 0.5 * (centres**2 @ precision)).astype(np.float32)


def _moments(x: Floats, labels: npt.NDArray[np.integer], classes: int) -> tuple[npt.NDArray[np.float64], ...]:
    """Variances within classes along their principal axes, these axes, means of the classes, and log priors."""
    rest = x.astype(np.float64)
    count = np.bincount(labels, minlength=classes).astype(np.float64)
    members = csr_array((np.ones(len(rest)), (labels, np.arange(len(rest)))), shape=(classes, len(rest)))
    means = (members @ rest) / np.maximum(count, 1)[:, None]
    inner = rest - means[labels]
    variances, turn = np.linalg.eigh(inner.T @ inner / len(rest))
    return variances, turn, means, np.log(np.maximum(count, 0.5) / len(rest))


def _precision(variances: npt.NDArray[np.float64], shrinkage: float) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (np.maximum(variances, 0) + shrinkage * variances.mean() + 1e-12))
