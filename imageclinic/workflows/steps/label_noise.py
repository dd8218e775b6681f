"""What an audit's predictions say of the labels as a whole: the share that is wrong, by split and by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from imageclinic.audit.labels import confident_learning, noise_model
from imageclinic.core import tables


def estimate(dataset: pd.DataFrame, splits: pd.DataFrame, predictions: tables.Predictions) -> dict[str, Any]:
    """What the model makes of the labels as a whole, for run.json: an estimate that only random reviews calibrate.

    Returns:
        ``share``: of labels that are wrong; ``by_split``: the same in each split; ``ceiling``: the accuracy that a
        perfect model would measure on the test labels (on all where there is no test split), 1 − share;
        ``by_class``: share of each class's labels that are wrong; ``classes`` and ``matrix``: share of the images
        labelled as a class (row) that are of each class; ``calibrated``: False; ``meaning``: in words.
    """
    known = predictions.rows.merge(dataset[["image_id", "label", "split"]], on="image_id", validate="1:1")
    model = noise_model.fit(
        confident_learning.codes(known["label"], predictions.classes), predictions.pred_probs, known["split"]
    )
    known = known.drop(columns="split").assign(wrong=1 - known["label_quality"])
    known = known.merge(splits, on="image_id", how="left")
    by_split = {str(k): float(v) for k, v in known.groupby("split")["wrong"].mean().round(4).items()}
    share = round(float(known["wrong"].mean()), 4)
    return {
        "share": share,
        "by_split": by_split,
        "ceiling": round(1 - by_split.get("test", share), 4),
        "by_class": {str(k): float(v) for k, v in known.groupby("label")["wrong"].mean().round(4).items()},
        "classes": list(predictions.classes),
        "matrix": model.held.round(4).tolist(),
        "calibrated": False,
        "meaning": "model-based, uncalibrated: only random reviews can calibrate it",
    }


def in_words(label_noise: Mapping[str, Any]) -> str:
    """`estimate` as a sentence."""
    return (
        f"About {label_noise['share']:.1%} of the labels seem to be wrong (model-based, uncalibrated), so a perfect "
        f"model would measure an accuracy of about {label_noise['ceiling']:.1%} on "
        f"{'the test labels' if 'test' in label_noise['by_split'] else 'them'}."
    )
