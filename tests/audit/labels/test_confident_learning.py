"""What labels and probabilities must be, and cleanlab's filters (`audit.labels.confident_learning`)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imageclinic.audit import runner
from imageclinic.audit.labels import confident_learning
from imageclinic.core import tables
from imageclinic.core.errors import InputError, NotApplicable

PROBS = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.95, 0.05, 0]] * 6)
GIVEN = np.array([0, 1, 1] + [0, 1, 0] * 5)


def test_good_probabilities_pass() -> None:
    confident_learning.check_probs(PROBS, 18, 3)
    confident_learning.check_probs(np.zeros((0, 3)), 0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (np.nan, "those of row 1 hold NaN"),
        (-0.2, r"those of row 1 hold -0\.2"),
        (0.5, r"those of row 1 sum to 1\.3"),
        (np.inf, "hold NaN or infinity"),
    ],
)
def test_the_first_bad_row_is_named(change: float, message: str) -> None:
    probs = PROBS.copy()
    probs[1, 0] = change
    with pytest.raises(InputError, match=message):
        confident_learning.check_probs(probs, 18, 3)
    with pytest.raises(InputError, match=r"p\.csv: those of cat\.png"):
        confident_learning.check_probs(probs[1:], 17, 3, names=["cat.png"] * 17, where="p.csv")
    with pytest.raises(InputError, match=r"shape \(18, 3\)"):
        confident_learning.check_probs(PROBS, 18, 4)


def test_labels_become_numbers_of_their_classes() -> None:
    assert confident_learning.codes(pd.Series(["b", "a"]), ("a", "b")).tolist() == [1, 0]
    with pytest.raises(InputError, match="label 'c' has no column"):
        confident_learning.codes(pd.Series(["a", "c"]), ("a", "b"))


@pytest.mark.parametrize("name", confident_learning.FILTERS)
def test_every_filter_of_cleanlab_finds_the_wrong_label(name: str) -> None:
    flagged = confident_learning.flags(GIVEN, PROBS, name)
    assert flagged[2]
    assert flagged.sum() == 1 or name.startswith("low_")


def test_agreement_beyond_chance_is_what_shuffled_labels_show() -> None:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), 60)
    labels = np.where(rng.random(60) < 0.4, probs.argmax(axis=1), rng.choice(4, 60, p=[0.6, 0.2, 0.1, 0.1]))
    agree = [(rng.permutation(labels) == probs.argmax(axis=1)).sum() for _ in range(20_000)]
    wanted = ((labels == probs.argmax(axis=1)).sum() - np.mean(agree)) / np.std(agree)
    assert wanted > 2
    assert confident_learning.beyond_chance(labels, probs) == pytest.approx(wanted, rel=0.03)
    always = np.tile([0.7, 0.1, 0.1, 0.1], (60, 1))
    assert confident_learning.beyond_chance(labels, always) == 0


@pytest.mark.parametrize("check", ["mislabeled", "overlapping_classes"])
def test_where_models_can_not_tell_classes_apart_nothing_is_judged(check: str) -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2
    find = runner.load()[check].find
    assert find(*given_and_predicted(labels, labels)).empty
    assert not find(*given_and_predicted(labels, 1 - labels)).empty, "swapped labels are no chance"
    with pytest.raises(NotApplicable, match=r"agree with \d\d% of 400 labels"):
        find(*given_and_predicted(labels, rng.permutation(labels)))
    with pytest.raises(NotApplicable, match="agree with 0% of 2 labels"):
        find(*given_and_predicted(np.array([0, 1]), np.array([1, 0])))


def given_and_predicted(labels: np.ndarray, seen: np.ndarray) -> tuple[pd.DataFrame, tables.Predictions]:
    """A dataset, and models that are nearly sure of the classes `seen`."""
    probs = np.where(seen[:, None] == [0, 1], 0.97, 0.03)
    ids = pd.Series([f"{i}.png" for i in range(len(labels))], dtype="str")
    rows = pd.DataFrame({"image_id": ids, "fold": 0, "label_quality": probs[np.arange(len(labels)), labels]})
    dataset = pd.DataFrame({"image_id": ids, "label": pd.Series(np.array(["a", "b"])[labels], dtype="str")})
    return dataset.assign(split="train"), tables.Predictions(rows, probs.astype(np.float32), ("a", "b"))


def test_a_check_takes_cleanlabs_filters_and_refuses_others() -> None:
    ids = pd.Series([f"{i}.png" for i in range(18)], dtype="str")
    rows = pd.DataFrame({"image_id": ids, "fold": 0, "label_quality": PROBS[np.arange(18), GIVEN]})
    predictions = tables.Predictions(rows, PROBS.astype(np.float32), ("a", "b", "c"))
    dataset = pd.DataFrame({"image_id": ids, "label": pd.Series(np.array(["a", "b", "c"])[GIVEN], dtype="str")})
    dataset["split"] = pd.Series([None] * len(ids), dtype="str")
    find = runner.load()["mislabeled"].find
    for name in ("noise_model", "both", "low_self_confidence"):
        found = find(dataset, predictions, filter_by=name)
        assert found["image_id"].tolist()[0] == "2.png"
        assert found["suggested_label"].tolist()[0] == "a"
        assert found["score"].iloc[0] == pytest.approx(0.95)
    with pytest.raises(InputError, match=r"filter_by=best\. Expected one of noise_model, prune_by_class"):
        find(dataset, predictions, filter_by="best")
