"""Images whose out-of-fold prediction is another class than the given label, and how often each pair occurs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from imageclinic.core.rows import lookup
from imageclinic.core.tables import Predictions


def confused(predictions: Predictions, labels: pd.Series) -> pd.DataFrame:
    """The images that models which did not see them put into another class, the least likely label first.

    Args:
        predictions: out-of-fold.
        labels: image_id → given label. Images without one, or of a class that was not predicted, are left out.

    Returns:
        ``image_id, given, predicted``, the two probabilities ``given_share, predicted_share`` in [0, 1], and
        ``label_quality`` (0 = worst).
    """
    probabilities = predictions.pred_probs
    best = probabilities.argmax(axis=1) if len(predictions.rows) else np.empty(0, dtype=np.int64)
    given = _given(predictions, labels)
    at = lookup.places(given, predictions.classes)
    # Names are made only of those that are wrong: all are Python strings.
    wrong = np.flatnonzero((at >= 0) & (at != best))
    rows = predictions.rows[["image_id", "label_quality"]].iloc[wrong].reset_index(drop=True)
    rows["given"] = given.iloc[wrong].reset_index(drop=True)
    rows["predicted"] = np.asarray(predictions.classes, dtype=object)[best[wrong]]
    rows["predicted_share"] = probabilities[wrong, best[wrong]]
    rows["given_share"] = probabilities[wrong, at[wrong]]
    ordered = rows.sort_values(["label_quality", "image_id"], ignore_index=True)
    return ordered[["image_id", "given", "predicted", "given_share", "predicted_share", "label_quality"]]


def pairs(wrong: pd.DataFrame) -> pd.DataFrame:
    """``given, predicted, n``: how many images each pair of classes has, the most frequent pair first.

    Args:
        wrong: see `confused`.
    """
    counts = wrong.groupby(["given", "predicted"], as_index=False).size().rename(columns={"size": "n"})
    return counts.sort_values(["n", "given", "predicted"], ascending=[False, True, True], ignore_index=True)


def most_confused(wrong: pd.DataFrame, classes: Sequence[str], most: int) -> list[str]:
    """The classes that a table has room for: all, or the `most` that are confused most. Sorted.

    Args:
        wrong: see `confused`.
        classes: of the predictions.
        most: how many the table has at most.
    """
    if len(classes) <= most:
        return sorted(classes)
    involved = pd.concat([wrong["given"], wrong["predicted"]]).value_counts()
    return sorted(involved.sort_index().sort_values(ascending=False, kind="stable").index[:most])


def right(predictions: Predictions, labels: pd.Series, wrong: pd.DataFrame) -> pd.Series:
    """Given label → how many of its images are predicted as it.

    Args:
        predictions, labels: as for `confused`.
        wrong: what that returned.
    """
    judged = _given(predictions, labels)
    judged = judged[lookup.among(judged, predictions.classes)]
    return judged.value_counts().sub(wrong["given"].value_counts(), fill_value=0).astype(int)


def _given(predictions: Predictions, labels: pd.Series) -> pd.Series:
    """The given label of each row of the predictions, null where it has none."""
    return lookup.taken(labels.reset_index(drop=True), lookup.places(predictions.rows["image_id"], labels.index))
