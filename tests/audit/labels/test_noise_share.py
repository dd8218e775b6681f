"""The share of wrong labels: planted shares lie in the interval, and what can't be known is not reported."""

from __future__ import annotations

import numpy as np
import pytest

from imageclinic.audit.labels.noise_share import noise_share, sample_of

Arrays = tuple[np.ndarray, np.ndarray]


def world(n: int, classes: int, *, sure: float, wrong: float, seed: int = 0) -> Arrays:
    """Labels, and the probabilities of a calibrated model of the *given* labels; `sure` says how easy images are."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (n, classes)) * sure
    true_probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (true_probs.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    moved = rng.random(n) < wrong
    given = np.where(moved, (true + rng.integers(1, classes, n)) % classes, true)
    blurred = true_probs**0.8  # as a model does that had to allow for wrong labels
    return given.astype(np.int64), blurred / blurred.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("wrong", [0.05, 0.15])
def test_planted_shares_lie_in_the_interval(classes: int, wrong: float) -> None:
    found = noise_share(*world(3000, classes, sure=6, wrong=wrong))
    assert found.established
    assert found.low <= wrong <= found.high
    assert found.high - found.low < 0.1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sure", [1, 3, 6])
def test_hard_images_are_no_wrong_labels(sure: float, seed: int) -> None:
    found = noise_share(*world(1000, 10, sure=sure, wrong=0, seed=seed))
    assert not found.established
    assert found.low == 0


def test_a_model_that_knows_nothing_establishes_nothing_and_excludes_nothing() -> None:
    given, _ = world(1000, 2, sure=6, wrong=0.2)
    found = noise_share(given, np.full((1000, 2), 0.5))
    assert not found.established
    assert found.low == 0
    assert found.high >= 0.4


def test_copies_do_not_count_as_evidence() -> None:
    given, probs = world(60, 3, sure=4, wrong=0.1)
    alone = noise_share(given, probs)
    copied = noise_share(np.repeat(given, 20), np.repeat(probs, 20, axis=0), np.repeat(np.arange(60), 20))
    assert copied.gain == pytest.approx(alone.gain, abs=1.5)


def test_two_images_are_no_evidence() -> None:
    found = noise_share(np.array([0, 1]), np.array([[0.9, 0.1], [0.1, 0.9]]))
    assert not found.established
    assert found.high > 0.3
    assert noise_share(np.empty(0, np.int64), np.empty((0, 2))).high == 1


def test_the_images_that_are_looked_at_say_what_all_do() -> None:
    labels, probs = world(130_000, 10, sure=6, wrong=0.05)
    some = sample_of(*probs.shape)
    assert len(labels[some]) == 65_000
    groups = np.arange(len(labels)) // 2
    assert noise_share(labels[some], probs[some], groups[some]) == noise_share(labels, probs, groups)
