"""Accuracy and its relatives."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from imageclinic.training.fit import metrics


def test_confusion_and_macro_f1_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, (2, 200))
    assert (metrics.confusion(truth, predicted, 4) == confusion_matrix(truth, predicted)).all()
    assert metrics.macro_f1(truth, predicted, 4) == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_macro_f1_averages_over_the_classes_that_have_images() -> None:
    assert metrics.macro_f1(np.array([0, 0, 1]), np.array([0, 0, 1]), 5) == 1
    assert metrics.macro_f1(np.array([0, 0, 1]), np.array([0, 0, 4]), 5) == 0.5


def test_calibration_error() -> None:
    truth = np.array([0, 0, 0, 1])
    assert metrics.calibration_error(truth, np.tile([0.75, 0.25], (4, 1))) == pytest.approx(0)
    assert metrics.calibration_error(truth, np.tile([1.0, 0.0], (4, 1))) == pytest.approx(0.25)


def test_summary_is_json_and_says_what_it_cannot_know() -> None:
    probs = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0]], np.float32)
    found = json.loads(json.dumps(metrics.summary(np.array([0, 1]), probs, ["a", "b", "c"])))
    assert found["accuracy"] == 0.5
    assert found["confusion"] == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert found["per_class"]["a"] == {"n": 1, "recall": 1.0, "precision": 0.5, "f1": pytest.approx(2 / 3)}
    assert found["per_class"]["b"] == {"n": 1, "recall": 0.0, "precision": None, "f1": 0.0}
    assert found["per_class"]["c"] == {"n": 0, "recall": None, "precision": None, "f1": None}
