"""How labels go wrong: a noise matrix, and odds of an error that grow with doubt (`audit.labels.noise_channel`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from imageclinic.audit.labels import noise_channel, noise_model
from imageclinic.audit.labels.noise_channel import Channel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def draw(growth: float, *, share: float = 0.15, classes: int = 10, n: int = 4_000) -> tuple[Ints, Ints, Floats]:
    """Given labels, true labels and their probabilities: the odds of a wrong label grow with doubt."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, classes)) * 6
    true = np.exp(logits - logits.max(axis=1, keepdims=True))
    true /= true.sum(axis=1, keepdims=True)
    truth = (rng.random((n, 1)) > true.cumsum(axis=1)).sum(axis=1)
    odds = share / (1 - share) * np.exp(growth * (noise_channel.doubt(true) - noise_channel.doubt(true).mean()))
    moved = rng.random(n) < odds / (1 + odds)
    return np.where(moved, (truth + 1) % classes, truth), truth, true


def test_without_growth_it_is_the_noise_matrix() -> None:
    matrix = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.3, 0.0, 0.7]])
    true = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
    joint = true * matrix[:, [1, 2]].T
    np.testing.assert_allclose(
        noise_channel.wrong(np.array([1, 2]), true, Channel(matrix, 0.0, 0.0)),
        1 - joint[[0, 1], [1, 2]] / joint.sum(axis=1),
    )


@pytest.mark.parametrize("growth", [0.0, 0.3])
def test_the_class_instead_is_as_likely_as_bayes_says(growth: float) -> None:
    matrix = np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.3, 0.0, 0.7]])
    true = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
    given, others = np.array([1, 2]), np.array([0, 1])
    # Labelled 1: of class 0 (.6, labelled so by .1) or 2 (never labelled so). Labelled 2: of 0 (never) or 1.
    np.testing.assert_allclose(noise_channel.named(given, true, Channel(matrix, growth, 0.0), others), 1)
    matrix = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.2, 0.1, 0.7]])
    found = noise_channel.named(given, true, Channel(matrix, growth, 0.0), others)
    if not growth:
        np.testing.assert_allclose(found, [0.6 * 0.05 / (0.6 * 0.05 + 0.1 * 0.1), 0.3 * 0.1 / (0.3 * 0.1 + 0.2 * 0.05)])
    either = found + noise_channel.named(given, true, Channel(matrix, growth, 0.0), np.array([2, 0]))
    np.testing.assert_allclose(either, 1)
    assert noise_channel.named(given, true, Channel(np.eye(3), growth, 0.0), others).tolist() == [0, 0]


@pytest.mark.parametrize("growth", [0.0, 0.3])
def test_the_channel_that_labels_were_drawn_from_is_found(growth: float) -> None:
    given, truth, true = draw(growth)
    even = np.full((10, 10), 0.01) + np.eye(10) * 0.9
    channel, likelihood = noise_channel.fit(given, true, even, 5.0, growth)
    np.testing.assert_allclose(channel.matrix.sum(axis=1), 1)
    assert np.diag(channel.matrix).mean() == pytest.approx(0.85, abs=0.02)
    assert noise_channel.fit(given, true, even, 5.0, 0.3 - growth)[1] < likelihood, "the other growth is less likely"
    wrong = noise_channel.wrong(given, true, channel)
    for part in np.array_split(np.argsort(noise_channel.doubt(true)), 4):
        assert wrong[part].mean() == pytest.approx((given != truth)[part].mean(), abs=0.04)


def test_errors_on_hard_images_are_told_from_errors_anywhere() -> None:
    given, truth, true = draw(0.25)
    hard = noise_model.fit(given, true)
    assert hard.channel.growth > 0.1
    assert hard.share == pytest.approx((given != truth).mean(), abs=0.04)
    given, truth, true = draw(0.0)
    anywhere = noise_model.fit(given, true)
    assert anywhere.channel.growth < 0.05
    assert anywhere.share == pytest.approx((given != truth).mean(), abs=0.03)
