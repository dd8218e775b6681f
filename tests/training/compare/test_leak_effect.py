"""What a leak does to accuracy, from predictions whose outcome is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imageclinic.training.compare.leak_effect import leak
from imageclinic.training.compare.validation_gap import gap, sentence

N = 200


def images(twins: int, fair: bool = True) -> pd.DataFrame:
    twin = np.arange(N) < twins
    return pd.DataFrame(
        {
            "label_original": np.where(np.arange(N) % 2, "b", "a"),
            "split_group": [f"g{i}" for i in range(N)],
            "twin": twin,
            "fair": True if fair else ~twin,
        }
    )


def predicted(on_twins: float, on_others: float, twins: int, seeds: int = 5) -> np.ndarray:
    """Right on these shares, on other images with each seed."""
    truth = np.arange(N) % 2
    rng = np.random.default_rng(int(1000 * on_twins + on_others))
    share = np.where(np.arange(N) < twins, on_twins, on_others)
    return np.where(rng.random((seeds, N)) < share, truth, 1 - truth).astype(np.int64)


def test_the_accuracy_with_the_leak_the_honest_one_and_the_cost() -> None:
    arms = {"original": predicted(1.0, 0.6, 100), "without_twins": predicted(0.6, 0.6, 100)}
    found = leak(arms, images(100), ["a", "b"], {"original": 300, "without_twins": 250})
    assert found is not None
    assert (found["test_images"], found["with_copies"], found["copies_removed"]) == (200, 100, 50)
    assert found["accuracy_on_copies"] == 1.0
    assert found["accuracy_with_leak"] == pytest.approx(0.8, abs=0.03)
    assert found["accuracy_without_leak"] == pytest.approx(0.6, abs=0.03)
    inflated = found["accuracy_with_leak"] - found["accuracy_without_leak"]
    assert found["inflated_by"]["estimate"] == pytest.approx(inflated)
    assert found["inflated_by"]["verdict"] == "gain"
    assert found["cost_of_removal"]["low"] < 0 < found["cost_of_removal"]["high"]
    said = " ".join(found["sentences"])
    assert "100 of 200" in said and f"{100 * found['accuracy_without_leak']:.1f} %" in said


def test_where_copies_stay_in_training_the_test_without_them_is_the_honest_one() -> None:
    arms = {"original": predicted(1.0, 0.6, 100), "cleaned": predicted(1.0, 0.7, 100)}
    found = leak(arms, images(100, fair=False), ["a", "b"], {"original": 300, "cleaned": 290})
    assert found is not None
    assert (found["copies_removed"], found["inflated_by"], found["cost_of_removal"]) == (0, None, None)
    assert found["accuracy_without_leak"] == found["accuracy_on_others"]


def test_a_test_that_is_all_copies_has_no_others() -> None:
    arms = {"original": predicted(1.0, 1.0, N), "without_twins": predicted(0.6, 0.6, N)}
    found = leak(arms, images(N), ["a", "b"], {"original": 400, "without_twins": 200})
    assert found is not None
    assert (found["accuracy_on_others"], found["cost_of_removal"]) == (None, None)
    assert found["inflated_by"]["low"] > 0.3


def test_no_copies_no_leak() -> None:
    assert leak({"original": predicted(0.6, 0.6, 0)}, images(0), ["a", "b"], {"original": 300}) is None


@pytest.mark.parametrize(
    ("validation", "test", "images_each", "told"),
    [(0.82, 0.41, 100, True), (0.82, 0.75, 1000, False), (0.82, 0.70, 20, False), (0.41, 0.82, 100, False)],
)
def test_a_gap_is_large_and_beyond_chance(validation: float, test: float, images_each: int, told: bool) -> None:
    arm = {"validation_accuracy": [validation] * 5, "original": {"accuracy": [test] * 5}}
    found = gap(arm, images_each, images_each)
    assert (found is not None) == told
    if found is not None:
        assert found["low"] < validation - test < found["high"]
        known = "A model trained on train is right on 41% of 200 test images."
        assert known in sentence(found, known)
        assert known not in sentence(found, "") != sentence(found, None)
