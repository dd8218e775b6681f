"""Pairs of classes whose labels are mixed up."""

from __future__ import annotations

from typing import Annotated

import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels import confident_learning, noise_model
from imageclinic.core.errors import NotApplicable
from imageclinic.core.option_fields import SHARE
from imageclinic.core.rows import lookup
from imageclinic.core.tables import Predictions

URGENCY = 200
ABOUT = ("classes",)


def find(dataset: pd.DataFrame, predictions: Predictions, *, min_share: Annotated[float, SHARE] = 0.03) -> pd.DataFrame:
    """Pairs of classes of which at least `min_share` of the images likely carry the other's label.

    Why it matters: a pair that annotators mix up sets a ceiling on accuracy that no model or hyperparameter lifts.

    What to do: sharpen the definition of the two classes, merge them, or review the flags between them first.

    Estimated by the noise model that also scores `mislabeled`, so model-based: a weak model takes some hard pairs
    for mixed-up ones. On CIFAR-10N (label_random1) it named 6 pairs, 5 of the 8 that are mixed up among them;
    confident learning (cleanlab) named 20, and 13 where no label was wrong, the noise model 1. Not applicable where
    models agree with the labels as chance may do. Score: the share.
    """
    known = lookup.joined(predictions.rows, dataset, ["label", "split"])
    if known["label"].nunique() < 2:
        raise NotApplicable(f"the dataset has {known['label'].nunique()} class(es) with readable images")
    given = confident_learning.codes(known["label"], predictions.classes)
    confident_learning.check_told_apart(given, predictions.pred_probs)
    pairs = noise_model.overlaps(given, noise_model.fit(given, predictions.pred_probs, known["split"]))
    pairs = pairs[pairs["share"] >= min_share]
    names = [(predictions.classes[a], predictions.classes[b]) for a, b in zip(pairs["a"], pairs["b"], strict=True)]
    return findings(
        label=[a for a, _ in names],
        suggested_label=[b for _, b in names],
        score=pairs["share"].clip(0, 1).to_numpy(),
        suggested_action=["review"] * len(pairs),
        evidence=[
            f"About {n:.0f} images of {a} and {b} ({share:.0%} of both classes) seem to be labelled as the other."
            for (a, b), n, share in zip(names, pairs["images"], pairs["share"], strict=True)
        ],
    )
