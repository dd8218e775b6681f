"""New images unlike a run's: handwritten digits as the run, patches of a photograph as strangers (sklearn has both)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_sample_image

from imageclinic.audit import runner
from imageclinic.audit.against.checks import outlier
from imageclinic.core.errors import NotApplicable
from imageclinic.core.tables import Embeddings

OPTIONS: dict[str, Any] = {"outlier": runner.load()["outlier"].options}


def pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digits 0 to 4 as vectors and their labels, in random order, and as many strangers."""
    vectors, digits = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(digits < 5))
    photo = load_sample_image("china.jpg").mean(axis=2)[:424].reshape(53, 8, 80, 8).swapaxes(1, 2).reshape(-1, 64) / 16
    rich = photo[photo.std(axis=1) > 1.5]
    strangers = np.random.default_rng(1).permutation(rich)
    return vectors[rows].astype(np.float32), digits[rows].astype(str), strangers.astype(np.float32)


DIGITS, LABELS, STRANGERS = pictures()
RUN, NEW = slice(0, 600), slice(600, 800)


def find(
    vectors: np.ndarray,
    labels: Sequence[str | None] | np.ndarray,
    run: np.ndarray = DIGITS[RUN],
    given: Sequence[str | None] | np.ndarray = LABELS[RUN],
    *,
    options: dict[str, Any] = OPTIONS,
    decision: Sequence[str | None] | None = None,
    flagged: Sequence[int] = (),
) -> list[int]:
    """Rows of the new vectors that are flagged."""
    names = pd.Series([f"{i:04}" for i in range(len(run))])
    images = pd.DataFrame(
        {"image_id": names, "label": given, "decision": decision, "outlier": np.isin(np.arange(len(run)), flagged)}
    )
    new = Embeddings(pd.Series([f"{i:04}" for i in range(len(vectors))]), vectors)
    dataset = pd.DataFrame({"image_id": new.image_id, "label": labels})
    found = outlier.find(dataset, new, Embeddings(names, run), images, options)
    assert found["score"].between(0, 1).all() and (found["suggested_action"] == "review").all()
    return sorted(found["image_id"].astype(int))


def under_labels(strangers: int) -> np.ndarray:
    return (np.arange(strangers) % 5).astype(str)


def test_strangers_are_flagged_and_few_others() -> None:
    vectors = np.concatenate([DIGITS[NEW], STRANGERS[:20]])
    found = find(vectors, np.concatenate([LABELS[NEW], under_labels(20)]))
    assert set(range(200, 220)) <= set(found)
    # Of 23 flags 3.5 may be wrong, as expected.
    assert len(found) <= 20 / (1 - 0.15) + 3
    assert len(find(DIGITS[NEW], LABELS[NEW])) <= 1


def test_a_single_image_is_judged_as_one_of_many() -> None:
    assert sum(len(find(STRANGERS[[i]], ["1"])) for i in range(10)) >= 9
    ordinary = range(600, 640)
    # Nearly each second would be flagged if three tenths and a half of one image might be wrong.
    assert sum(len(find(DIGITS[[i]], LABELS[[i]])) for i in ordinary) <= 1


def test_a_delivery_of_strangers_does_not_become_usual() -> None:
    vectors = np.concatenate([DIGITS[600:620], STRANGERS[:300]])
    found = find(vectors, np.concatenate([LABELS[600:620], under_labels(300)]))
    assert len([row for row in found if row >= 20]) >= 295
    # Of usual ones 15 % are expected among as many flags.
    assert len([row for row in found if row < 20]) <= 8
    alike = np.repeat(STRANGERS[:1], 150, axis=0)
    assert find(alike, under_labels(150)) == list(range(150))


def test_strangers_in_the_run_hide_none_that_are_new() -> None:
    run = np.concatenate([DIGITS[RUN], STRANGERS[100:160]])
    given = np.concatenate([LABELS[RUN], under_labels(60)])
    new, labels = STRANGERS[:20], under_labels(20)
    undecided = find(new, labels, run, given, flagged=range(600, 660))
    assert undecided == list(range(20))
    assert find(new, labels, run, given, decision=[None] * 600 + ["drop"] * 60) == undecided


def test_what_a_person_kept_is_usual_and_what_was_dropped_is_not() -> None:
    names = pd.Series([f"{i:04}" for i in range(6)])
    decision = [None, None, "keep", "drop", "relabel", None]
    flagged = [False, True, True, False, True, False]
    images = pd.DataFrame({"image_id": names, "label": list("aabbcc"), "decision": decision, "outlier": flagged})
    run = Embeddings(names[::-1].reset_index(drop=True), DIGITS[:6])
    rows, labels = outlier._usual(run, images.sample(frac=1, random_state=0))
    assert run.image_id[rows].tolist() == ["0000", "0002", "0004", "0005"] and labels.tolist() == list("abcc")


def test_without_a_class_neighbours_count() -> None:
    vectors = np.concatenate([DIGITS[600:620], STRANGERS[:10]])
    for labels in ([None] * 30, ["a class that the run lacks"] * 30):
        found = find(vectors, labels)
        assert set(range(20, 30)) <= set(found) and len(found) <= 12
    few = np.where(np.arange(600) < 4, "rare", LABELS[RUN])
    assert find(STRANGERS[:10], ["rare"] * 10, given=few) == list(range(10))
    assert find(STRANGERS[:10], [None] * 10, given=[None] * 600) == list(range(10))
    small = find(vectors, np.concatenate([LABELS[600:620], under_labels(10)]), DIGITS[:290], LABELS[:290])
    assert len(set(range(20, 30)) & set(small)) >= 8 and len(small) <= 12


def test_the_runs_options_count() -> None:
    labels = np.concatenate([LABELS[NEW], under_labels(20)])
    vectors = np.concatenate([DIGITS[NEW], STRANGERS[:20]])
    none = {"outlier": {**OPTIONS["outlier"], "false_share": 0.0, "deviations": 1e9}}
    assert find(vectors, labels, options=none) == []
    many = {"outlier": {**OPTIONS["outlier"], "false_share": 0.5}}
    assert set(find(vectors, labels)) < set(find(vectors, labels, options=many))


def test_features_that_tell_nothing_apart_are_no_proof() -> None:
    shuffled = np.random.default_rng(3).permutation(LABELS[RUN])  # what the classes are, the vectors don't know
    with pytest.raises(NotApplicable, match=r"too weak to tell: only 5\d% .* own class"):
        find(DIGITS[NEW], LABELS[NEW], given=shuffled)
    with pytest.raises(NotApplicable, match="too weak to tell"):
        find(DIGITS[600:640], [None] * 40, given=shuffled)
    assert find(STRANGERS[:20], under_labels(20), given=shuffled), "strangers are seen all the same"
    with pytest.raises(NotApplicable, match="the run's 30 images are too few"):
        find(STRANGERS[:20], under_labels(20), DIGITS[:30], LABELS[:30])


def test_order_is_nothing_and_of_a_large_run_some_of_each_class_count(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.concatenate([LABELS[NEW], under_labels(20)])
    vectors = np.concatenate([DIGITS[NEW], STRANGERS[:20]])
    turned = np.arange(220)[::-1]
    assert sorted(219 - np.array(find(vectors[turned], labels[turned]))) == find(vectors, labels)
    monkeypatch.setattr(outlier, "MOST", 400)
    rare = np.where(np.arange(600) < 8, "rare", LABELS[RUN])
    names = pd.Series([f"{i:04}" for i in range(600)])
    images = pd.DataFrame({"image_id": names, "label": rare, "decision": None, "outlier": False})
    rows, kept = outlier._usual(Embeddings(names, DIGITS[RUN]), images)
    assert len(rows) == 400 and (np.diff(rows) > 0).all()
    assert kept.tolist() == rare[rows].tolist() and (kept == "rare").sum() == 8
    assert set(range(200, 220)) <= set(find(vectors, labels))
