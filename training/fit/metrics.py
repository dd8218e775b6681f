"""How good are predictions? Pure functions on arrays of class numbers and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]


def confusion(truth: Ints, predicted: Ints, classes: int) -> npt.NDArray[np.int64]:
    """Count images by true class (rows) and predicted class (columns).

    Args:
        truth: class numbers in [0, classes), shape (n,).
        predicted: class numbers in [0, classes), shape (n,).
        classes: number of classes.

    Returns:
        int64, (classes, classes); sums to n.
    """
    cells = np.asarray(truth, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def per_class(
    matrix: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Recall, precision and F1 of each class from a confusion matrix, float64 (classes,) in [0, 1].

    Recall is NaN for a class without images; precision is NaN for a class that was never predicted; F1 is NaN
    only where both are.
    """
    right, actual, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return right / actual, right / predicted, 2 * right / (actual + predicted)


def macro_f1(truth: Ints, predicted: Ints, classes: int) -> float:
    """Mean F1 over the classes that occur in `truth`: a class without images has no recall to average.

    Returns:
        In [0, 1]; NaN without images.
    """
    present = np.unique(truth)
    if not present.size:
        return float("nan")
    return float(per_class(confusion(truth, predicted, classes))[2][present].mean())


def calibration_error(truth: Ints, probs: npt.NDArray[np.floating], bins: int = 15) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy, over equally wide bins of
    confidence, weighted by their images (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Args:
        truth: class numbers, shape (n,).
        probs: probabilities, shape (n, classes), rows sum to 1.
        bins: number of bins over [0, 1].

    Returns:
        In [0, 1]; 0 is perfect. NaN without images.
    """
    if not len(truth):
        return float("nan")
    confidence = probs.max(axis=1).astype(np.float64)
    gap = (probs.argmax(axis=1) == truth) - confidence
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(index, weights=gap, minlength=bins)).sum() / len(truth))


def summary(truth: Ints, probs: npt.NDArray[np.floating], classes: Sequence[str]) -> dict[str, Any]:
    """All of them, as JSON-ready numbers; what cannot be computed is None.

    Args:
        truth: class numbers, shape (n,).
        probs: probabilities, shape (n, len(classes)).
        classes: class names.

    Returns:
        `n`, `accuracy`, `macro_f1`, `calibration_error`, `per_class` (name → `n, recall, precision, f1`),
        `confusion` (rows: true class, columns: predicted, in the order of `classes`).
    """
    predicted = probs.argmax(axis=1)
    matrix = confusion(truth, predicted, len(classes))
    recall, precision, f1 = per_class(matrix)
    counts = matrix.sum(axis=1)
    return {
        "n": len(truth),
        "accuracy": _number(float(np.mean(predicted == truth)) if len(truth) else float("nan")),
        "macro_f1": _number(macro_f1(truth, predicted, len(classes))),
        "calibration_error": _number(calibration_error(truth, probs)),
        "per_class": {
            name: {
                "n": int(counts[i]),
                "recall": _number(recall[i]),
                "precision": _number(precision[i]),
                "f1": _number(f1[i]),
            }
            for i, name in enumerate(classes)
        },
        "confusion": matrix.tolist(),
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
