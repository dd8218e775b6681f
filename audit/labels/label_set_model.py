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

#: Principal components that are kept: more cost minutes.
_COMPONENTS = 256
#: So many of the answers (does this image have this class?) are taken to be wrong.
SHARE = 0.02
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
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores = np.zeros(given.shape)
    for fold in folds:
        for number in np.unique(fold):
            seen = fold != number
            kept = min(_COMPONENTS, vectors.shape[1], int(seen.sum()) - 1)
            reduced = PCA(kept, svd_solver="randomized", random_state=0)
            model = make_pipeline(StandardScaler(), reduced, RidgeCV(alphas=_PENALTIES))
            found = model.fit(vectors[seen], given[seen].astype(np.float64)).predict(vectors[~seen])
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
    """(n, k): probability that a class is wrongly given or wrongly missing, by Bayes' rule from the probability of the
    other answer, where `SHARE` of all answers are wrong. It ranks as cleanlab's self-confidence does.

    The noise model of single labels was tried and is not used: on weak predictions of CIFAR-10 it took almost half of
    the answers for wrong.
    """
    other = np.where(given, 1 - pred_probs, pred_probs)
    return np.asarray(other * SHARE / (other * SHARE + (1 - other) * (1 - SHARE)), np.float64)


def tells_classes(given: Bools, pred_probs: Floats) -> bool:
    """Whether the probabilities foretell the classes of images better than how common each class is, by more than two
    standard errors of the gain in log likelihood per image. If not, nothing follows from them about any label."""
    common = np.clip(given.mean(axis=0), 1e-6, 1 - 1e-6)
    probs = np.clip(pred_probs, 1e-6, 1 - 1e-6)
    gain = np.log(np.where(given, probs, 1 - probs) / np.where(given, common, 1 - common)).sum(axis=1)
    return bool(gain.mean() > 2 * gain.std() / np.sqrt(len(gain)))


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
