"""Doubted labels of new images: judged as the run's own are. Handwritten digits, some under another's name."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from imageclinic.audit.against import judged_labels
from imageclinic.audit.against.checks import mislabeled as of_new
from imageclinic.audit.checks import mislabeled as of_run
from imageclinic.audit.labels import noise_model
from imageclinic.core.errors import NotApplicable
from imageclinic.core.tables import Predictions

CLASSES = tuple("0123456789")


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, noise_model.Noise]:
    """Given and true class numbers of 1,797 digits, one in twenty wrong; out-of-fold probabilities; the noise model."""
    vectors, true = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong = rng.permutation(len(true))[: len(true) // 20]
    given = true.copy()
    given[wrong] = (true[wrong] + rng.integers(1, 10, len(wrong))) % 10
    model = LogisticRegression(C=0.01, max_iter=300)
    probs = cross_val_predict(model, vectors / 16, given, cv=5, method="predict_proba").astype(np.float32)
    return given, true, probs, noise_model.fit(given, probs)


def labels(codes: np.ndarray) -> pd.Series:
    return pd.Series(np.array(CLASSES, object)[codes], dtype="str")


def test_a_new_image_gets_the_finding_that_it_would_have_in_the_run() -> None:
    given, _, probs, noise = digits()
    names = pd.Series([f"{i:04}" for i in range(len(given))])
    quality = 1 - noise.wrong
    rows = pd.DataFrame({"image_id": names, "fold": 0, "label_quality": quality})
    dataset = pd.DataFrame({"image_id": names, "label": labels(given), "split": None})
    audited = of_run.find(dataset, Predictions(rows, probs, CLASSES)).set_index("image_id")
    least = judged_labels.limit(quality)
    judged = judged_labels.judge(labels(given), probs, CLASSES, noise.channel, noise.power, least)
    checked = of_new.find(judged.assign(image_id=names)).set_index("image_id")
    assert len(audited) > 60 and set(audited.index) <= set(checked.index)
    checked = checked.loc[audited.index]
    np.testing.assert_allclose(checked["score"], audited["score"], atol=1e-6)
    assert checked["suggested_label"].equals(audited["suggested_label"])
    run_words = audited["evidence"].str.replace("models that did not see it", "models of the run")
    assert checked["evidence"].tolist() == run_words.tolist()
    assert run_words.str.contains("what it shows is less clear").any()
    assert not run_words.str.contains("what it shows is less clear").all()


def test_the_score_is_the_probability_that_the_suggestion_is_right() -> None:
    given, true, probs, noise = digits()
    judged = judged_labels.judge(labels(given), probs, CLASSES, noise.channel, noise.power, 0.5)
    found = of_new.find(judged.assign(image_id=[f"{i:04}" for i in range(len(given))]))
    at = found["image_id"].astype(int).to_numpy()
    wrong = judged["wrong"].to_numpy()[at]
    assert (found["score"].to_numpy() <= wrong + 1e-12).all()
    right = found["suggested_label"].to_numpy() == labels(true).to_numpy()[at]
    assert abs(found["score"].mean() - right.mean()) < abs(wrong.mean() - right.mean())
    unclear = found["evidence"].str.contains("less clear").to_numpy()
    assert unclear.sum() >= 5 and right[unclear].mean() < right[~unclear].mean() - 0.2


def test_the_limit_is_the_runs_and_never_above_one_half() -> None:
    sure = np.concatenate([np.full(90, 0.999), np.full(10, 0.02)])
    assert judged_labels.limit(sure) == 0.5, "0.98 is the least that is flagged"
    unsure = np.concatenate([np.full(80, 0.95), np.full(20, 0.6)])
    flagged = noise_model.flags(1 - unsure)
    assert flagged.sum() == 20 and judged_labels.limit(unsure) == pytest.approx(0.4)
    assert judged_labels.limit(np.ones(5)) == 0.5, "nothing is flagged"


def test_labels_that_the_run_lacks_are_not_judged() -> None:
    given, _, probs, noise = digits()
    mixed = labels(given[:4]).astype(object)
    mixed[:2] = [None, "ten"]
    judged = judged_labels.judge(mixed, probs[:4], CLASSES, noise.channel, noise.power, 0.0)
    assert judged["wrong"].isna().tolist() == [True, True, False, False]
    assert judged["doubted"].tolist() == [False, False, True, True]
    assert judged["predicted_label"].notna().all() and judged["other_label"][:2].isna().all()
    assert (judged["other_label"][2:] != mixed[2:]).all()
    with pytest.raises(NotApplicable, match="no readable new image has a label of a class of the run"):
        of_new.find(judged[:2].assign(image_id=["a", "b"]))
    alone = judged_labels.judge(labels(given[2:3]), probs[2:3], CLASSES, noise.channel, noise.power, 0.0)
    assert alone["wrong"][0] == pytest.approx(judged["wrong"][2])
