"""Several annotators: consensus, their quality, doubt (`audit.labels.annotator_model`)."""

from __future__ import annotations

import numpy as np
import pytest

from imageclinic.audit.labels import annotator_model
from imageclinic.audit.labels.annotator_model import Consensus, Floats, Ints, Labels

CLASSES = 4


def draw(qualities: list[float], n: int = 1500, *, seen: float = 0.6, seed: int = 0) -> tuple[Ints, Ints]:
    """True classes; labels (images, annotators), -1 where an annotator has not seen the image."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, n)
    other = (truth[:, None] + rng.integers(1, CLASSES, (n, len(qualities)))) % CLASSES
    labels = np.where(rng.random(other.shape) < qualities, truth[:, None], other)
    return truth, np.where(rng.random(other.shape) < seen, labels, -1)


def said(labels: Ints) -> Labels:
    image, annotator = np.nonzero(labels >= 0)
    return Labels(image, annotator, labels[image, annotator], *labels.shape, CLASSES)


def fit(labels: Ints, pred_probs: Floats | None = None) -> Consensus:
    return annotator_model.fit(said(labels), pred_probs)


def model(truth: Ints, right: float, seed: int = 1) -> Floats:
    """Probabilities of a model that is right so often, and knows it."""
    rng = np.random.default_rng(seed)
    named = np.where(rng.random(len(truth)) < right, truth, rng.integers(0, CLASSES, len(truth)))
    probs = np.full((len(truth), CLASSES), (1 - right) / (CLASSES - 1))
    probs[np.arange(len(truth)), named] = right
    return probs


def votes(labels: Ints) -> Ints:
    return np.stack([(labels == k).sum(axis=1) for k in range(CLASSES)], axis=1).argmax(axis=1)


QUALITIES = [0.95, 0.85, 0.75, 0.6, 1 / CLASSES]


def test_consensus_beats_the_majority_and_a_spammer_is_found_out() -> None:
    truth, labels = draw(QUALITIES)
    found = fit(labels)
    some = (labels >= 0).any(axis=1)
    right = (found.probabilities.argmax(axis=1) == truth)[some].mean()
    assert right > (votes(labels) == truth)[some].mean() + 0.03
    assert found.quality.argsort().tolist() == [4, 3, 2, 1, 0]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)


def test_with_a_model_the_consensus_is_better_and_intervals_hold_the_truth() -> None:
    inside = 0
    for seed in range(2):
        truth, labels = draw(QUALITIES, seed=seed)
        probs = model(truth, 0.8, seed + 9)
        true = np.array([(column == truth)[column >= 0].mean() for column in labels.T])
        low, high = annotator_model.intervals(said(labels), probs)
        inside += int(((low <= true) & (true <= high)).sum())
        wrong = [(f.probabilities.argmax(axis=1) != truth).mean() for f in (fit(labels), fit(labels, probs))]
        assert wrong[1] < wrong[0] - 0.03
        assert (high - low).max() < 0.25
    assert inside >= 9, "of 10"


def test_annotators_who_err_together_are_allowed_for() -> None:
    truth, labels = draw([0.8], 1000, seen=1.0)
    labels = np.repeat(labels, 3, axis=1)
    fresh = np.random.default_rng(5).random(labels.shape) < 0.6
    labels = np.where(fresh, draw([0.8] * 3, 1000, seen=1.0)[1], labels)
    labels[:, 0] = np.where(fresh[:, 0], truth, labels[:, 0])
    low, high = annotator_model.intervals(said(labels), model(truth, 0.8))
    true = (labels == truth[:, None]).mean(axis=0)
    assert ((low <= true) & (true <= high)).all()


def test_doubt_finds_the_wrong_consensus() -> None:
    truth, labels = draw(QUALITIES)
    found = fit(labels, model(truth, 0.8))
    best, doubt = found.probabilities.argmax(axis=1), 1 - found.probabilities.max(axis=1)
    worst = np.argsort(-doubt)[: len(truth) // 10]
    assert (best != truth)[worst].mean() > 4 * (best != truth).mean()


def test_a_useless_model_does_not_outvote_people() -> None:
    truth, labels = draw([0.95, 0.9, 0.9], seen=1.0)
    found = fit(labels, model(truth, 1 / CLASSES))
    assert (found.probabilities.argmax(axis=1) == truth).mean() > 0.97


def test_images_nobody_labelled_are_judged_by_the_model_and_no_label_is_no_crash() -> None:
    probs = np.array([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]])
    none = fit(np.full((2, 2), -1), probs)
    assert none.probabilities.argmax(axis=1)[0] == 0
    low, high = annotator_model.intervals(said(np.full((2, 2), -1)), probs)
    assert (low < 0.01).all() and (high > 0.99).all(), "nothing is known of who labelled nothing"
    assert fit(np.full((3, 1), 2)).probabilities.argmax(axis=1).tolist() == [2, 2, 2]


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_how_sure_a_model_says_it_is_matters_little(power: float) -> None:
    truth, labels = draw(QUALITIES)
    probs = model(truth, 0.8)
    other = probs**power / (probs**power).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fit(labels, probs).quality, fit(labels, other).quality, atol=0.02)
