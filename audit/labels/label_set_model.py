"""Labels of images that may have several classes: out-of-fold probabilities of each class, and which labels are wrong.

Each class is given or not given, and predicted by itself: one ridge regression on the embeddings for all classes,
calibrated for each by logistic regression on its out-of-fold scores (Platt, 1999).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.labels import noise_model

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_PENALTIES = tuple(10.0**k for k in range(-1, 5))


@dataclass(frozen=True)
class SetPredictions:
    """Of the readable, labelled images: `image_id` (n,), the `classes` (k), whether each is `given` (n, k), its
    out-of-fold probability `pred_probs` (n, k), and the `separator` of the label sets."""

    image_id: pd.Series
    classes: tuple[str, ...]
    given: Bools
    pred_probs: Floats
    separator: str


def out_of_fold(vectors: npt.NDArray[np.floating], given: Bools, folds: npt.NDArray[np.int64]) -> Floats:
    """Probability of each class for each image by models that did not see it, (n, k).

    Args:
        vectors: (n, features).
        given: (n, k).
        folds: (repeats, n) fold numbers; the repeats are averaged.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.preprocessing import StandardScaler

    scores = np.zeros(given.shape)
    for fold in folds:
        for number in np.unique(fold):
            seen = fold != number
            scale = StandardScaler().fit(vectors[seen])
            model = RidgeCV(alphas=_PENALTIES).fit(scale.transform(vectors[seen]), given[seen].astype(np.float64))
            found = model.predict(scale.transform(vectors[~seen]))
            scores[~seen] += found.reshape(len(found), -1) / len(folds)
    probs = np.empty_like(scores)
    for k in range(given.shape[1]):
        if given[:, k].all() or not given[:, k].any():
            probs[:, k] = given[:, k]
            continue
        platt = LogisticRegression(C=1e4).fit(scores[:, [k]] / (scores[:, k].std() or 1.0), given[:, k])
        probs[:, k] = platt.predict_proba(scores[:, [k]] / (scores[:, k].std() or 1.0))[:, 1]
    return probs


def wrong(given: Bools, pred_probs: Floats) -> Floats:
    """(n, k): probability that a class is wrongly given or wrongly missing.

    One noise model (see `noise_model`) of two states, there or not, for all classes together: a missing class is
    another kind of error than a wrong one, and few images have each class. On the hands of docs/multi-label.md a model
    for each class ranked worse (average precision .36 instead of .47).
    """
    both = np.column_stack([1 - pred_probs.ravel(), pred_probs.ravel()])
    return noise_model.fit(given.ravel().astype(np.int64), both).wrong.reshape(given.shape)


def flags(doubt: Floats) -> Bools:
    """Which of the (n, k) labels to flag: so many of all, the likeliest wrong ones first, that the expected F1 score is
    greatest."""
    return noise_model.flags(doubt.ravel()).reshape(doubt.shape)


def cleanlab_flags(given: Bools, pred_probs: Floats, filter_by: str) -> Bools:
    """Which of the (n, k) labels one of cleanlab's filters takes for wrong, class by class
    (`cleanlab.multilabel_classification.filter.find_multilabel_issues_per_class`)."""
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class  # slow to import

    lists = [np.flatnonzero(row).tolist() for row in given]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="May not flag all label issues in class")
        found = find_multilabel_issues_per_class(lists, pred_probs, filter_by=filter_by, n_jobs=1)
    return np.asarray(found, dtype=bool)
