"""Class names as a witness, by made-up cosines of known worth."""

from __future__ import annotations

import numpy as np

from imageclinic.training.predict import class_names

N, CLASSES = 600, 4


def made(worth: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Given labels of which a tenth are wrong, true ones, what heads predict, vectors of images and of names: the
    nearer to its true class's name, the more they are worth."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, CLASSES, N)
    given = np.where(rng.random(N) < 0.1, rng.integers(0, CLASSES, N), true)
    logits = rng.normal(0, 1.5, (N, CLASSES)) + 2 * np.eye(CLASSES)[true]
    names = np.linalg.qr(rng.normal(0, 1, (16, CLASSES)))[0].T
    images = rng.normal(0, 0.3, (N, 16)) + worth * names[true]
    return given, true, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), images, names


def test_names_that_know_the_classes_are_believed() -> None:
    given, true, probs, images, names = made(0.8)
    joined = class_names.join(probs, images, names, given)
    assert joined.after < 0.8 * joined.before
    np.testing.assert_allclose(joined.probs.sum(1), 1)
    held = (probs.argmax(1) == true).mean()
    assert (joined.probs.argmax(1) == true).mean() > held + 0.1


def test_names_that_know_nothing_change_nothing() -> None:
    for seed in range(5):
        given, _, probs, images, names = made(0.0, seed)
        joined = class_names.join(probs, images, names, given)
        assert joined.probs is probs
        assert joined.before == joined.after


def test_names_that_mislead_change_nothing() -> None:
    given, _, probs, images, names = made(0.8)
    assert class_names.join(probs, images, names[::-1], given).probs is probs


def test_prompts_are_words() -> None:
    assert class_names.prompts(["car_side", "T-shirt"]) == ["a photo of a car side", "a photo of a T shirt"]
