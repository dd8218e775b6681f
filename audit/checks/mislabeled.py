"""Images whose label is likely wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit import labels
from audit.errors import NotApplicable
from audit.findings import findings
from audit.tables import Predictions


def find(dataset: pd.DataFrame, predictions: Predictions, *, filter_by: str = "both") -> pd.DataFrame:
    """Images whose given label contradicts what cross-validated models predict for them.

    Why it matters: wrong training labels lower the accuracy that can be reached; wrong test labels hide it.

    What to do: review them, worst first. How many flags are right varies fivefold between datasets (20 % to 75 %),
    so nothing is changed without a person or an explicit policy, and `imageclinic status` estimates the precision
    of *these* flags from your reviews.

    Every image is predicted by Keras models that did not see it (folds grouped by copies); confident learning
    (Northcutt et al., 2021) decides which are flagged; `filter_by` is one of cleanlab's filters. Score: 1 − probability
    of the given label.
    """
    known = predictions.rows.merge(dataset[["image_id", "label"]], on="image_id", how="left", validate="1:1")
    if known["label"].nunique() < 2:
        raise NotApplicable(f"the dataset has {known['label'].nunique()} class(es) with readable images")
    given = labels.codes(known["label"], predictions.classes)
    labels.check_probs(predictions.pred_probs, len(known), len(predictions.classes))
    flagged = labels.flags(given, predictions.pred_probs, filter_by)
    best = predictions.pred_probs.argmax(axis=1)
    flagged &= best != given
    rows = np.flatnonzero(flagged)
    own, other = predictions.pred_probs[rows, given[rows]], predictions.pred_probs[rows, best[rows]]
    suggested = [predictions.classes[k] for k in best[rows]]
    return findings(
        image_id=known["image_id"].iloc[rows],
        score=1 - known["label_quality"].iloc[rows].to_numpy(),
        suggested_action=["relabel"] * len(rows),
        suggested_label=suggested,
        evidence=[
            f"Labelled {g}, at {p:.0%} by models that did not see it; {s} at {q:.0%}."
            for g, p, s, q in zip(known["label"].iloc[rows], own, suggested, other, strict=True)
        ],
    )
