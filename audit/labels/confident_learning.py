"""Labels and out-of-fold probabilities: what must hold, and confident learning by cleanlab (Northcutt et al., 2021)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core.errors import InputError, NotApplicable
from imageclinic.core.large.large_arrays import rows_at_once
from imageclinic.core.naming.wording import few
from imageclinic.core.rows import lookup

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
#: Standard deviations between agreement and chance below which models are not said to tell classes apart.
_BEYOND = 2.5


def check_probs(
    pred_probs: npt.NDArray[np.floating], n: int, classes: int, *, names: Sequence[str] = (), where: str = ""
) -> None:
    """Check what cleanlab does not: shape, NaN, range and row sums.

    Args:
        pred_probs: (n, classes).
        n: rows that are expected.
        classes: columns that are expected.
        names: what to call the rows; default: their numbers.
        where: the file that they come from.

    Raises:
        InputError: naming the first row that is wrong.
    """
    of = where or "the probabilities"
    if pred_probs.shape != (n, classes):
        raise InputError(f"{of}: shape {pred_probs.shape}", expected=f"({n}, {classes}): images × classes")
    least, sums = pred_probs.min(axis=1, initial=0), pred_probs.sum(axis=1)  # of what is not finite neither is
    finite = np.isfinite(least) & np.isfinite(sums)
    wrong = np.flatnonzero(~(finite & (least >= 0) & (np.abs(sums - 1) < 1e-3)))
    if len(wrong):
        row = wrong[0]
        name = names[row] if len(names) else f"row {row}"
        what = "hold NaN or infinity"
        if finite[row]:
            what = f"hold {least[row]:.4g}" if least[row] < 0 else f"sum to {sums[row]:.4f}"
        raise InputError(f"{of}: those of {name} {what}", expected="numbers from 0 that sum to 1 in every row")


def likeliest_others(
    labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]]:
    """Of each image the likeliest class that is not its label.

    Args:
        labels: (n,) class numbers.
        pred_probs: (n, classes), at least 2 classes.

    Returns:
        (n,) its number, the first of equals, and (n,) its probability.
    """
    best, probability = np.empty(len(labels), np.int64), np.empty(len(labels), pred_probs.dtype)
    size = rows_at_once(pred_probs.shape[1], pred_probs.dtype)
    for at in range(0, len(labels), size):
        others = np.array(pred_probs[at : at + size])
        each = np.arange(len(others))
        others[each, labels[at : at + size]] = -1
        best[at : at + size] = others.argmax(axis=1)
        probability[at : at + size] = others[each, best[at : at + size]]
    return best, probability


def codes(labels: pd.Series, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Index of each label in `classes`. Raises InputError for a label that is not among them."""
    found = lookup.places(labels, classes)
    if (found < 0).any():
        missing = labels[found < 0].iloc[0]
        raise InputError(f"label {missing!r} has no column of probabilities", expected=f"one of {few(list(classes))}")
    return np.asarray(found, dtype=np.int64)


def flags(labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating], filter_by: str) -> npt.NDArray[np.bool_]:
    """Which labels confident learning takes for wrong, by one of the `FILTERS`. Classes without a label are left out
    of the estimate."""
    from cleanlab.filter import find_label_issues  # slow to import

    _, compact, probs = _present(labels, pred_probs)
    # One process: these arrays are small, and forking beside TensorFlow's threads is unsafe.
    with warnings.catch_warnings():
        # The audit notes classes that are too small, by name.
        warnings.filterwarnings("ignore", message="May not flag all label issues in class")
        return np.asarray(find_label_issues(compact, probs, filter_by=filter_by, n_jobs=1), dtype=bool)


def confident_share(labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating]) -> float:
    """Share of wrong labels as confident learning counts it (Northcutt et al., 2021: the confident joint off its
    diagonal), from out-of-fold probabilities (n, classes). Where classes are hard it is too high."""
    from cleanlab.count import num_label_issues  # slow to import

    _, compact, probs = _present(labels, pred_probs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="May not flag all label issues in class")
        return float(num_label_issues(compact, probs)) / max(len(labels), 1)


def beyond_chance(labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating]) -> float:
    """By how many standard deviations more labels agree with the likeliest class than if they were dealt out among the
    images by chance: what shuffling would give (Hoeffding, 1951, summed exactly); 0 where no other number can come out.

    Args:
        labels: (n,) class numbers.
        pred_probs: (n, classes), out of fold.
    """
    n, classes = pred_probs.shape
    likeliest = pred_probs.argmax(axis=1)
    given, named = (np.bincount(codes, minlength=classes).astype(float) for codes in (labels, likeliest))
    both = given * named
    expected = both.sum() / max(n, 1)
    variance = (both.sum() - (both * (given + named)).sum() / max(n, 1) + expected**2) / max(n - 1, 1)
    return float(((labels == likeliest).sum() - expected) / np.sqrt(variance)) if variance > 1e-9 else 0.0


def check_told_apart(labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating]) -> None:
    """Raises NotApplicable where models agree with labels as chance may do: what contradicts a label would be chance,
    too, and a wrong one would not stand out. Where they agree far less, as with labels that were swapped, they know."""
    if abs(beyond_chance(labels, pred_probs)) < _BEYOND:
        right = (labels == pred_probs.argmax(axis=1)).sum() / max(len(labels), 1)
        raise NotApplicable(
            f"models that did not see an image agree with {right:.0%} of {len(labels):,} labels, as chance may do: "
            "they can't tell the classes apart, so wrong labels would not stand out; more images, or another embedder "
            "(--model), may help"
        )


def _present(
    labels: npt.NDArray[np.int64], pred_probs: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Numbers of the classes that have images, labels among these, and their probabilities, rows summing to 1:
    cleanlab takes no empty classes."""
    present = np.unique(labels)
    probs = pred_probs[:, present].astype(np.float64)
    probs /= np.maximum(probs.sum(axis=1, keepdims=True), 1e-12)
    return present, np.searchsorted(present, labels), probs
