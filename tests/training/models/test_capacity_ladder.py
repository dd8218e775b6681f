"""The capacity ladder and augmentation."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from imageclinic.core.errors import InputError
from imageclinic.training.models import augmentation, capacity_ladder
from imageclinic.training.models.augmentation_strengths import STRENGTHS
from imageclinic.training.models.rungs import LADDER

pytestmark = pytest.mark.slow

SHAPES = {"linear": (512,)}
DOCS = (Path(__file__).resolve().parents[3] / "docs" / "training.md").read_text("utf-8")


@pytest.mark.parametrize("rung", LADDER)
def test_a_rung_gives_probabilities_and_costs_what_its_documentation_says(rung: str) -> None:
    shape = SHAPES.get(rung, (32, 32, 3))
    network = capacity_ladder.build(rung, shape, 10)
    inputs = np.random.default_rng(0).uniform(0, 255, (3, *shape)).astype(np.float32)
    probs = np.asarray(network(inputs))
    assert probs.shape == (3, 10)
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-5)
    assert f"| {network.count_params():,} | {capacity_ladder.multiply_adds(network):,} |" in capacity_ladder.row(rung)
    assert capacity_ladder.row(rung) in DOCS


def test_multiply_adds_are_counted_by_hand_alike() -> None:
    image = keras.Input((8, 8, 4))
    inner = keras.Input((8, 8, 4))
    nested = keras.Model(inner, keras.layers.SeparableConv2D(6, 3, padding="same")(inner))
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same")(nested(image))
    x = keras.layers.Conv2D(10, 3, padding="valid", groups=2)(x)
    network = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    separable, depthwise = 64 * (4 * 9 + 4 * 6), 16 * 6 * 9
    grouped, dense = 4 * 9 * 3 * 10, 40 * 3
    assert capacity_ladder.multiply_adds(network) == separable + depthwise + grouped + dense


def test_capacity_grows_along_the_ladder() -> None:
    costs = [capacity_ladder.multiply_adds(capacity_ladder.build(rung, (32, 32, 3), 10)) for rung in LADDER]
    assert costs == sorted(costs)


def test_images_are_rescaled_inside() -> None:
    network = capacity_ladder.build("small_cnn", (16, 16, 3), 2)
    rescaling = next(layer for layer in network.layers if isinstance(layer, keras.layers.Rescaling))
    np.testing.assert_allclose(np.asarray(rescaling(np.array([0.0, 255.0]))), [-1, 1], atol=1e-6)


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (
        capacity_ladder.build("small_cnn", (16, 16, 1), 3, seed=seed).get_weights() for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_penalties_enter_the_loss() -> None:
    plain = capacity_ladder.build("small_cnn", (16, 16, 3), 2)
    penalised = capacity_ladder.build("small_cnn", (16, 16, 3), 2, l1=0.01, l2=0.01)
    assert not plain.losses
    assert float(sum(map(float, penalised.losses))) > 0


def test_an_unknown_rung_lists_the_ladder() -> None:
    with pytest.raises(InputError, match="small_cnn, large_cnn"):
        capacity_ladder.build("huge_cnn", (32, 32, 3), 10)


@pytest.mark.parametrize(
    ("rung", "shape", "classes", "options"),
    [
        ("small_cnn", (512,), 10, {}),
        ("small_cnn", (4, 4, 3), 10, {}),
        ("small_cnn", (32, 32, 3), 1, {}),
        ("small_cnn", (32, 32, 3), 2, {"dropout": 1.0}),
        ("linear", (8,), 2, {"l2": -1.0}),
    ],
)
def test_what_a_model_cannot_be(rung: str, shape: tuple[int, ...], classes: int, options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Expected"):
        capacity_ladder.build(rung, shape, classes, **options)  # type: ignore[arg-type]


def test_augmentation_changes_training_only_and_stays_in_range() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)).astype(np.float32)
    for strength in ("light", "medium", "strong"):
        layers = keras.Sequential(augmentation.layers(strength, mirror=True))
        np.testing.assert_array_equal(np.asarray(layers(images, training=False)), images)
        changed = np.asarray(layers(images, training=True))
        assert not np.allclose(changed, images)
        assert changed.min() >= 0
        assert changed.max() <= 255.01


def test_images_are_mirrored_only_when_that_is_allowed() -> None:
    def flips(strength: str, mirror: bool) -> bool:
        return any(isinstance(x, keras.layers.RandomFlip) for x in augmentation.layers(strength, mirror=mirror))

    assert augmentation.layers("none") == []
    for strength in STRENGTHS:
        assert not flips(strength, False)
        assert flips(strength, True)


def test_an_unknown_strength_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="none, light, medium"):
        augmentation.layers("heavy")


def test_images_of_starved_classes_alone_are_changed_and_the_seed_decides_how() -> None:
    labels = np.array([0] * 30 + [1] * 30 + [2] * 4, np.int32)
    images = np.random.default_rng(0).uniform(0, 255, (64, 16, 16, 3)).astype(np.float32)
    starved = augmentation.starved(labels)
    assert starved.tolist() == [2]
    assert augmentation.starved(labels[:60]).tolist() == []

    def changed(seed: int) -> list[np.ndarray]:
        batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)
        found = augmentation.strengthened(batches, starved, "strong", seed=seed)
        return [np.concatenate([x.numpy() for x, _ in found]) for _ in range(2)]

    first, second = changed(1)
    np.testing.assert_array_equal(first[:60], images[:60])
    assert (np.abs(first[60:] - images[60:]).mean(axis=(1, 2, 3)) > 5).all()
    assert not np.array_equal(first, second)  # another draw each epoch
    np.testing.assert_array_equal(changed(1)[0], first)
    assert not np.array_equal(changed(2)[0], first)
