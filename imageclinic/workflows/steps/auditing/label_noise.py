"""What an audit's predictions say of the labels as a whole: the share that is wrong, by split and by class."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from imageclinic.audit import split_groups
from imageclinic.audit.labels import confident_learning, noise_model
from imageclinic.audit.labels.noise_share import NoiseShare, noise_share, sample_of
from imageclinic.audit.verdict.noise_words import in_words
from imageclinic.core import tables
from imageclinic.core.rows import lookup

__all__ = ["estimate", "in_words", "unlike_train"]

#: Fewer images, in all or in a class on average, say nothing about the share of wrong labels.
_LEAST_IMAGES, _LEAST_PER_CLASS = 50, 5
#: Of people's own errors the noise model sees too few, for a model learns some of them: of CIFAR-10N's three label sets
#: 17.5, 18.8 and 41.8 % are wrong, of which it sees 12.0, 13.7 and 25.4 % (EfficientNet-Lite2).
_BELIEVED = 1.6
#: Where nobody compared the splits: by so much the agreement with labels differs only when more than labels does.
_SAME = 0.1


def estimate(
    dataset: pd.DataFrame,
    splits: pd.DataFrame,
    clusters: pd.DataFrame,
    predictions: tables.Predictions,
    *,
    shifted: Collection[str] = (),
    wrong: int = 0,
) -> dict[str, Any]:
    """What the model makes of the labels as a whole, for run.json: an estimate that only random reviews calibrate.

    Args:
        dataset, splits, clusters, predictions: the audit's tables.
        shifted: splits whose images are of another kind than train's: what the model gets wrong there is no sign of
            wrong labels, so they are left out.
        wrong: labels that are surely wrong, such as those of copies with two labels.

    Returns:
        ``established``: whether the predictions tell wrong labels from hard images; ``low``, ``high``: an interval of
        the share of wrong labels, null where there are too few images; ``accuracy``: share of the given labels that
        the model agrees with; ``share``: mean probability that a label is wrong, by the noise model, and ``by_split``,
        ``by_class``: the same in each; ``splits``: ``low``, ``high``, ``established`` in each split of the dataset;
        ``ceiling_low``, ``ceiling``: the accuracy that a perfect model would measure on the dataset's own test labels,
        null where there are none or nothing is established; ``shifted``; ``classes`` and ``matrix``: share of the
        images labelled as a class (row) that are of each class; ``calibrated``: False; ``meaning``: in words.
    """
    known = lookup.joined(predictions.rows, dataset, ["sha256", "label", "split"])
    codes = confident_learning.codes(known["label"], predictions.classes)
    model = noise_model.fit(codes, predictions.pred_probs, known["split"])
    known = known.assign(wrong=1 - known["label_quality"])

    def share_of(rows: np.ndarray) -> NoiseShare | None:
        if rows.sum() < max(_LEAST_IMAGES, _LEAST_PER_CLASS * known.loc[rows, "label"].nunique()):
            return None
        some = np.flatnonzero(rows)[sample_of(int(rows.sum()), len(predictions.classes))]
        named = split_groups.named_by_content(known, clusters, some)
        numbers = pd.factorize(named, sort=True)[0].astype(np.int64)  # folds are drawn from these
        return noise_share(codes[some], np.asarray(predictions.pred_probs[some]), numbers)

    alike = ~known["split"].isin(shifted).to_numpy()
    whole = share_of(alike)
    by_own = {
        str(split): _interval(share_of(rows.to_numpy()), float(known.loc[rows, "wrong"].mean()))
        for split in sorted(set(known["split"].dropna()) - set(shifted))
        if (rows := known["split"].eq(split)).any()
    }
    found = _interval(whole, float(known.loc[alike, "wrong"].mean()) if alike.any() else 0.0)
    if wrong and found["high"] is not None:
        found["low"] = max(found["low"], round(wrong / len(known), 4))
        found["high"] = max(found["high"], found["low"])
    test = by_own.get("test", {"established": False})
    ceiling = (1 - test["high"], 1 - test["low"]) if test["established"] else (None, None)
    drawn = lookup.values(known["image_id"], splits, "split")
    return {
        **found,
        "accuracy": round(float((predictions.pred_probs.argmax(axis=1) == codes)[alike].mean()), 4)
        if alike.any()
        else None,
        "share": round(float(known["wrong"].mean()), 4),
        "by_split": {str(k): float(v) for k, v in known["wrong"].groupby(drawn).mean().round(4).items()},
        "splits": by_own,
        "shifted": sorted(shifted),
        "ceiling_low": None if ceiling[0] is None else round(ceiling[0], 4),
        "ceiling": None if ceiling[1] is None else round(ceiling[1], 4),
        "by_class": {str(k): float(v) for k, v in known.groupby("label")["wrong"].mean().round(4).items()},
        "classes": list(predictions.classes),
        "matrix": model.held.round(4).tolist(),
        "calibrated": False,
        "meaning": "model-based, uncalibrated: only random reviews can calibrate it",
    }


def unlike_train(dataset: pd.DataFrame, predictions: tables.Predictions) -> list[str]:
    """Splits in which the model agrees with far more or fewer labels than in train: for audits in which nobody compared
    the splits."""
    known = lookup.joined(predictions.rows, dataset, ["label", "split"])
    agrees = predictions.pred_probs.argmax(axis=1) == confident_learning.codes(known["label"], predictions.classes)
    rates = pd.Series(agrees).groupby(known["split"].to_numpy()).mean()
    if "train" not in rates:
        return []
    return sorted(str(split) for split, rate in rates.items() if abs(rate - rates["train"]) > _SAME)


def _interval(found: NoiseShare | None, model_share: float) -> dict[str, Any]:
    """The noise model's share raises the upper end: where people confuse certain classes it is the better one, and
    still too low, for a model learns some of their errors."""
    if found is None:
        return {"established": False, "low": 0.0, "high": None}
    return {
        "established": found.established,
        "low": round(found.low, 4),
        "high": round(min(1.0, max(found.high, _BELIEVED * model_share)), 4),
    }
