"""The arms of a comparison as frames: what is refused, how a seed draws, the control."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from imageclinic.core.errors import InputError
from imageclinic.training.compare import arms


def arm(n: int = 60, classes: str = "abc", val_every: int = 5, group: int = 2) -> pd.DataFrame:
    """`n` images of the classes in turn, every fifth group in val, groups of two images of one class."""
    number = np.arange(n)
    groups = number // (len(classes) * group) * len(classes) + number % len(classes)
    return pd.DataFrame(
        {
            "image_id": [f"{i:03}.png" for i in number],
            "path": [f"/images/{i:03}.png" for i in number],
            "label": [classes[i % len(classes)] for i in number],
            "split": np.where(groups % val_every == 0, "val", "train"),
            "split_group": [f"g{g}" for g in groups],
        }
    )


def images(n: int = 12, classes: str = "abc") -> pd.DataFrame:
    labels = [classes[i % len(classes)] for i in range(n)]
    return pd.DataFrame(
        {
            "image_id": [f"t{i:03}.png" for i in range(n)],
            "path": [f"/images/t{i:03}.png" for i in range(n)],
            "label_original": labels,
            "label_reviewed": labels,
            "split_group": [None] * n,
        }
    )


def both(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"original": frame, "cleaned": frame}


def test_copies_of_training_images_are_left_out_and_counted() -> None:
    test = images()
    test.loc[[0, 1], "split_group"] = ["g0", "g3"]
    frames, found = arms.checked(both(arm()), test)
    assert found["fair"].tolist() == [False] * 2 + [True] * 10
    assert found["twin"].equals(~found["fair"])
    assert list(frames) == ["original", "cleaned"]
    kept = found[found["fair"]]
    assert kept["split_group"].tolist() == kept["image_id"].tolist()  # no group: the image is its own


def test_an_arm_without_copies_of_test_images_makes_all_of_them_fair() -> None:
    test = images()
    test.loc[[0, 1], "split_group"] = ["g0", "g3"]
    without = arm()[~arm()["split_group"].isin(["g0", "g3"])]
    _, found = arms.checked({"original": arm(), "without_twins": without, "cleaned": without.head(40)}, test)
    assert found["fair"].all()
    assert found["twin"].tolist() == [True] * 2 + [False] * 10
    assert arms.baseline(["original", "without_twins"]) == "without_twins"
    assert arms.baseline(["original", "cleaned"]) == "original"


def test_images_that_one_arm_alone_learns_from_are_left_out_for_all() -> None:
    test = images()
    more = pd.concat([arm(), arm().head(1).assign(image_id="t000.png", split_group=None)])
    _, found = arms.checked({"original": arm(), "cleaned": arm(), "more": more}, test)
    assert found.loc[~found["fair"], "image_id"].tolist() == ["t000.png"]


def drop(column: str) -> Any:
    return lambda frame: frame.drop(columns=column)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (drop("split_group"), "no column split_group"),
        (lambda f: f[f["split"] == "train"], "no val images"),
        (lambda f: f[f["split"] == "val"], "no train images"),
        (lambda f: f[f["label"] == "a"], "one class only, 'a'"),
        (lambda f: f[f["label"] != "c"], "no images of the class 'c'"),
        (lambda f: f.assign(split="test"), "split 'test'"),
        (lambda f: f.assign(label=None), "000.png has no label"),
        (lambda f: pd.concat([f, f.head(1)]), "000.png is there twice"),
        (lambda f: f.assign(split_group="g"), "copies of each other"),
    ],
)
def test_arms_that_are_refused(change: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        arms.checked({"original": arm(), "cleaned": change(arm())}, images())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.head(0), "no test images"),
        (lambda t: t.assign(split_group="g1"), "all 12 test images are copies"),
        (lambda t: t.assign(label_original="z"), "class 'z'"),
        (lambda t: t.assign(label_reviewed="z"), "class 'z'"),
        (drop("label_reviewed"), "no column label_reviewed"),
    ],
)
def test_test_images_that_are_refused(change: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        arms.checked(both(arm()), change(images()))


def test_the_baseline_must_be_there() -> None:
    with pytest.raises(InputError, match="no arm 'original'"):
        arms.checked({"cleaned": arm()}, images())


def test_a_seed_draws_groups_whole_in_the_same_shares() -> None:
    frame = arms.checked(both(arm()), images())[0]["original"]
    drawn = arms.redraw(frame, 3)
    assert drawn.drop(columns="split").equals(frame.drop(columns="split"))
    assert drawn.groupby("split_group")["split"].nunique().max() == 1
    before, after = (f.groupby("label")["split"].value_counts(normalize=True) for f in (frame, drawn))
    assert after.xs("val", level="split").to_numpy() == pytest.approx((frame["split"] == "val").mean(), abs=0.06)
    assert set(after.index) == set(before.index)
    assert not drawn["split"].equals(arms.redraw(frame, 4)["split"])
    assert drawn.equals(arms.redraw(frame, 3))


def test_arms_draw_alike_where_they_have_the_same_images() -> None:
    frames = arms.checked({"original": arm(600), "cleaned": arm(600).drop(index=range(0, 600, 17))}, images())[0]
    first, second = (arms.redraw(frame, 0).set_index("image_id")["split"] for frame in frames.values())
    assert (first[second.index] == second).mean() > 0.95


def test_a_class_of_one_group_stays_in_training_and_validation_is_never_empty() -> None:
    frame = pd.concat([arm(4, "ab", group=1), arm(1, "c").assign(image_id="c", split_group="c")], ignore_index=True)
    for seed in range(10):
        drawn = arms.redraw(frame, seed)
        assert set(drawn.loc[drawn["split"] == "train", "label"]) == set("abc")
        assert (drawn["split"] == "val").any()


def test_random_removal_drops_as_many_of_each_class_and_split() -> None:
    original = arm(600)
    cleaned = original.drop(index=[0, 3, 6, 9, 1, 7])
    before = original.copy()
    control = arms.random_removal(original, cleaned, 0)
    counts = [f.groupby(["label", "split"]).size() for f in (control, cleaned)]
    assert counts[0].equals(counts[1])
    assert set(control["image_id"]) != set(cleaned["image_id"])
    assert original.equals(before)
    shuffled = original.sample(frac=1, random_state=1)
    assert set(arms.random_removal(shuffled, cleaned, 0)["image_id"]) == set(control["image_id"])
    assert set(arms.random_removal(original, cleaned, 1)["image_id"]) != set(control["image_id"])


def test_relabelling_removes_nothing() -> None:
    assert arms.random_removal(arm(), arm().assign(label="a"), 0).equals(arm())


def test_a_digest_tells_contents_apart() -> None:
    frame = arm()
    digests = {
        arms.digest({"seed": 0}, frame),
        arms.digest({"seed": 1}, frame),
        arms.digest({"seed": 0}, frame.assign(label="a")),
        arms.digest({"seed": 0}, frame, frame),
        arms.digest({"seed": 0}, frame.assign(path=pd.Series(["/images/\udcff.png"] * 60, dtype=object))),
    }
    assert len(digests) == 5
    assert arms.digest({"seed": 0}, frame.copy()) in digests


def test_random_review_mends_what_it_looks_at_and_nothing_else() -> None:
    frame = arm(300)
    truth = pd.Series(["a"] * 290, index=frame["image_id"].iloc[:290])
    truth.iloc[:100] = None
    before = frame.copy()
    control = arms.random_review(frame, truth, 60, 0)
    assert frame.equals(before)
    kept = frame.set_index("image_id")["label"].reindex(control["image_id"])
    gone = set(frame["image_id"]) - set(control["image_id"])
    assert 10 < len(gone) < 30  # a third of the 60
    assert gone <= set(truth.index[:100])
    changed = control.set_index("image_id")["label"] != kept
    assert 0 < changed.sum() <= 60 - len(gone)
    assert set(control.loc[changed.to_numpy(), "label"]) == {"a"}
    shuffled = arms.random_review(frame.sample(frac=1, random_state=1), truth, 60, 0)
    assert set(shuffled["image_id"]) == set(control["image_id"])
    everything = arms.random_review(frame, truth, 10_000, 0)
    assert len(everything) == 200
    assert set(everything["label"].iloc[:190]) == {"a"}
