"""Confident learning on given out-of-fold probabilities, by cleanlab (Northcutt et al., 2021, JAIR)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import InputError

#: cleanlab's filters, see `cleanlab.filter.find_label_issues`.
FILTERS = (
    "prune_by_class",
    "prune_by_noise_rate",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_normalized_margin",
    "low_self_confidence",
)
RANKINGS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def check_probs(pred_probs: npt.NDArray[np.floating], n: int, classes: int) -> None:
    """Check what cleanlab does not: shape, NaN, range and row sums.

    Raises:
        InputError: naming the first row that is wrong.
    """
    if pred_probs.shape != (n, classes):
        raise InputError(f"probabilities of shape {pred_probs.shape}", expected=f"({n}, {classes}): images × classes")
    sums = pred_probs.sum(axis=1)
    wrong = ~(np.isfinite(pred_probs).all(axis=1) & (pred_probs >= 0).all(axis=1) & (np.abs(sums - 1) < 1e-3))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(f"row {row} of the probabilities sums to {sums[row]:.4f}", expected="numbers ≥ 0 with sum 1")


def codes(labels: pd.Series, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Index of each label in `classes`. Raises InputError for a label that is not among them."""
    found = pd.Index(classes).get_indexer(pd.Index(labels))
    if (found < 0).any():
        missing = labels[found < 0].iloc[0]
        raise InputError(f"label {missing!r} has no column of probabilities", expected=f"one of {', '.join(classes)}")
    return np.asarray(found, dtype=np.int64)


def quality(
    labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating], method: str = "self_confidence"
) -> npt.NDArray[np.float64]:
    """How well each given label fits, in [0, 1], 0 = worst: cleanlab's label quality score.

    The default, self-confidence, is the probability of the given label; on CIFAR-10N it ranked wrong labels better
    than the normalized margin (average precision .63 against .51–.56 on the same probabilities).
    """
    from cleanlab.rank import get_label_quality_scores  # slow to import

    scores = get_label_quality_scores(labels, pred_probs.astype(np.float64), method=method)
    return np.clip(np.asarray(scores, dtype=np.float64), 0, 1)


def flags(labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating], filter_by: str) -> npt.NDArray[np.bool_]:
    """Which labels confident learning takes for wrong. Classes without a label are left out of the estimate.

    Raises:
        InputError: an unknown filter.
    """
    if filter_by not in FILTERS:
        raise InputError(f"unknown filter {filter_by!r}", expected=f"one of {', '.join(FILTERS)}")
    from cleanlab.filter import find_label_issues  # slow to import

    _, compact, probs = _present(labels, pred_probs)
    # One process: these arrays are small, and forking beside TensorFlow's threads is unsafe.
    with warnings.catch_warnings():
        # The audit notes classes that are too small, by name.
        warnings.filterwarnings("ignore", message="May not flag all label issues in class")
        return np.asarray(find_label_issues(compact, probs, filter_by=filter_by, n_jobs=1), dtype=bool)


def overlaps(labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating]) -> pd.DataFrame:
    """How many images each two classes have likely exchanged, by cleanlab's estimate of the joint distribution.

    Returns:
        One row per pair of classes with images, the most first: ``a`` < ``b`` (class numbers), ``images`` (labelled
        as one, truly the other), ``share`` of the images of both classes.
    """
    from cleanlab.dataset import find_overlapping_classes  # slow to import

    present, compact, probs = _present(labels, pred_probs)
    found = find_overlapping_classes(compact, probs)
    one, two = (present[found[f"Class Index {letter}"].to_numpy()] for letter in "AB")
    counts = np.bincount(labels, minlength=int(present.max()) + 1)
    pairs = pd.DataFrame(
        {"a": np.minimum(one, two), "b": np.maximum(one, two), "images": found["Num Overlapping Examples"].to_numpy()}
    )
    pairs["share"] = pairs["images"] / (counts[pairs["a"]] + counts[pairs["b"]])
    return pairs.sort_values(["share", "a", "b"], ascending=[False, True, True], ignore_index=True)


def noise(labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating]) -> dict[str, Any]:
    """What the model makes of the labels as a whole; an estimate that only random reviews can calibrate.

    Returns:
        ``share``: of labels that are wrong, by cleanlab's count (Northcutt et al., 2021), in [0, 1]; ``given``:
        numbers of the classes with images; ``matrix``: for each of them, the estimated share of its images that
        belong to each (rows sum to 1); ``calibrated``: False.
    """
    from cleanlab.count import estimate_joint, num_label_issues  # slow to import

    present, compact, probs = _present(labels, pred_probs)
    joint = estimate_joint(compact, probs)
    return {
        "share": float(num_label_issues(compact, probs) / len(labels)),
        "given": present.tolist(),
        "matrix": (joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-12)).round(4).tolist(),
        "calibrated": False,
    }


def _present(
    labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Numbers of the classes that have images, labels among these, and their probabilities, rows summing to 1:
    cleanlab takes no empty classes."""
    present = np.unique(labels)
    probs = pred_probs[:, present].astype(np.float64)
    probs /= np.maximum(probs.sum(axis=1, keepdims=True), 1e-12)
    return present, np.searchsorted(present, labels), probs
