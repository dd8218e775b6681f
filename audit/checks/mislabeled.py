"""Images whose label is likely wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels import confident_learning, label_set_findings, noise_model
from imageclinic.audit.labels.label_set_model import SetPredictions
from imageclinic.core.errors import InputError, NotApplicable
from imageclinic.core.rows import lookup
from imageclinic.core.tables import Predictions

URGENCY = 20
ABOUT = ("labels",)

NOISE_MODEL = "noise_model"
#: Where the suggested class is less sure than this, given that the label is wrong, 3 of 5 suggestions are right.
_CLEAR = 0.8


def find(
    dataset: pd.DataFrame, predictions: Predictions | SetPredictions, *, filter_by: str = NOISE_MODEL
) -> pd.DataFrame:
    """Images whose given label contradicts what cross-validated models predict for them.

    Why it matters: wrong training labels lower the accuracy that can be reached; wrong test labels hide it.

    What to do: review them, worst first. How many flags are right depends on how well models see what tells the
    classes apart (precision .80 to .98 on twelve label sets), so nothing is changed without a person or an explicit
    policy, and `imageclinic status` estimates the precision of *these* flags from your reviews.

    Every image is predicted by models that did not see it (folds grouped by copies): heads on the network's features, a
    Keras layer or, for small sets, the same solved by NumPy; or a Keras network for each fold (`audit --train full`).
    Score: the probability that the label is wrong and the suggested one right, by a noise model fitted to these
    predictions (a matrix of how often each class is labelled as each other, after Bekker & Goldberger, 2016). A drawing
    among photographs may look unlike its class and like no other: its label is doubted, but the score is lower. So many
    are flagged that the expected F1 score is greatest. On CIFAR-10N's four label sets and eight with errors planted
    in photographs and hands the mean F1 was .85 against .78 for confident learning's defaults (better on all). Of
    the labels with a score of 0.95 or more among planted errors of 3 to 51 classes 98 % were wrong, and 97 % of the
    suggestions right. Of images that several annotators labelled the score knows what each of them said, too (see
    `annotator_disagreement`). Where the models are hardly ever sure, little is flagged; where they agree with the
    labels as chance may do (within 2.5 standard deviations of what shuffled labels show), the check is not
    applicable. `filter_by` may also name one of cleanlab's filters, such as prune_by_noise_rate (confident
    learning, Northcutt et al., 2021).

    Where images may have several classes, each class is judged by itself, and the evidence names those that seem wrong
    or missing.
    """
    if filter_by not in (NOISE_MODEL, *confident_learning.FILTERS):
        names = ", ".join((NOISE_MODEL, *confident_learning.FILTERS))
        raise InputError(f"mislabeled.filter_by={filter_by}", expected=f"one of {names}")
    if isinstance(predictions, SetPredictions):
        return label_set_findings.find(predictions, None if filter_by == NOISE_MODEL else filter_by)
    known = lookup.joined(predictions.rows, dataset, ["label", "split"])
    if known["label"].nunique() < 2:
        raise NotApplicable(f"the dataset has {known['label'].nunique()} class(es) with readable images")
    given = confident_learning.codes(known["label"], predictions.classes)
    confident_learning.check_probs(predictions.pred_probs, len(known), len(predictions.classes))
    confident_learning.check_told_apart(given, predictions.pred_probs)
    wrong = 1 - known["label_quality"].to_numpy()
    best, other = confident_learning.likeliest_others(given, predictions.pred_probs)
    if filter_by == NOISE_MODEL:
        flagged = noise_model.flags(wrong)
    else:
        flagged = confident_learning.flags(given, predictions.pred_probs, filter_by)
        flagged &= predictions.pred_probs.argmax(axis=1) != given
    rows = np.flatnonzero(flagged)
    noise = noise_model.fit(given, predictions.pred_probs, known["split"])
    named = noise_model.named(given[rows], predictions.pred_probs[rows], noise.channel, noise.power, best[rows])
    doubts = pd.DataFrame(
        {
            "image_id": known["image_id"].iloc[rows].to_numpy(),
            "label": known["label"].iloc[rows].to_numpy(),
            "own_probability": predictions.pred_probs[rows, given[rows]],
            "other_label": [predictions.classes[k] for k in best[rows]],
            "other_probability": other[rows],
            "wrong": wrong[rows],
            "named": named,
        }
    )
    return in_words(doubts, "models that did not see it")


def in_words(doubts: pd.DataFrame, models: str) -> pd.DataFrame:
    """Findings, one for each doubted label.

    Args:
        doubts: image_id; label; other_label, the suggested one; own_probability and other_probability, which models
            give to these; wrong, the probability that the label is wrong, and named, that the other is right if it is.
        models: what to call the models.
    """
    columns = ["label", "own_probability", "other_label", "other_probability", "wrong", "named"]
    return findings(
        image_id=doubts["image_id"],
        score=doubts["wrong"] * doubts["named"],
        suggested_action=["relabel"] * len(doubts),
        suggested_label=doubts["other_label"],
        evidence=[
            f"Labelled {g}, likely wrong ({_share(w)}{'' if n >= _CLEAR else '; what it shows is less clear'}): "
            f"{models} say {g} at {p:.0%}, {s} at {q:.0%}."
            for g, p, s, q, w, n in doubts[columns].itertuples(index=False, name=None)
        ],
    )


def _share(probability: float) -> str:
    """A probability in per cent; none that is short of certainty becomes "100%"."""
    return "over 99%" if probability > 0.99 else f"{probability:.0%}"
