"""Arms that keep apart what cleaning did."""

from __future__ import annotations

import pandas as pd
import pytest

from imageclinic.training.compare.separate_arms import separate


def frame(*rows: tuple[str, str, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image_id", "label", "split_group"]).assign(split="train")


TEST = pd.DataFrame(
    {"image_id": ["t1", "t2"], "label_original": ["a", "b"], "split_group": ["g1", None]},
)
ORIGINAL = frame(
    ("a1", "a", "g1"), ("a2", "a", "g2"), ("a3", "a", "g2"), ("a4", "a", None), ("a5", "a", None),
    ("b1", "b", None), ("b2", "b", None), ("b3", "b", None),
)  # fmt: skip


def without(*names: str) -> pd.DataFrame:
    return ORIGINAL[~ORIGINAL["image_id"].isin(names)]


def ids(arm: pd.DataFrame) -> set[str]:
    return set(arm["image_id"])


def test_each_thing_that_cleaning_did_is_an_arm_of_its_own() -> None:
    before = ORIGINAL.copy()
    cleaned = without("a1", "a3", "b3")
    cleaned = cleaned.assign(label=cleaned["label"].mask(cleaned["image_id"] == "b2", "a"))
    arms, steps = separate(ORIGINAL, cleaned, TEST)
    assert list(arms) == ["original", "without_twins", "copies_dropped", "corrected", "cleaned"]
    assert ids(arms["original"]) - ids(arms["without_twins"]) == {"a1"}
    assert ids(arms["without_twins"]) - ids(arms["copies_dropped"]) == {"a3"}
    labels = [arms[name].set_index("image_id")["label"] for name in ("copies_dropped", "corrected", "cleaned")]
    assert labels[0].compare(labels[1]).index.tolist() == ["b2"]
    assert set(labels[1].index) - set(labels[2].index) == {"b3"}
    assert labels[2].to_dict() == cleaned.set_index("image_id")["label"].to_dict()
    kinds = [(s.kind, s.against, s.arm, s.images) for s in steps]
    assert kinds == [
        ("copies", "without_twins", "copies_dropped", 1),
        ("labels", "copies_dropped", "corrected", 1),
        ("drops", "corrected", "cleaned", 1),
    ]
    assert ORIGINAL.equals(before)


def test_where_only_copies_of_test_images_went_there_is_no_cleaned_arm() -> None:
    arms, steps = separate(ORIGINAL, without("a1"), TEST)
    assert (list(arms), steps) == (["original", "without_twins"], [])


def test_where_nothing_was_done_the_leak_is_still_an_arm_and_without_a_leak_nothing_is() -> None:
    assert list(separate(ORIGINAL, ORIGINAL, TEST)[0]) == ["original", "without_twins"]
    assert list(separate(without("a1"), without("a1"), TEST)[0]) == ["original"]


@pytest.mark.parametrize(("gone", "kind"), [("a3", "copies"), ("b3", "drops")])
def test_one_change_is_the_cleaned_arm(gone: str, kind: str) -> None:
    arms, steps = separate(without("a1"), without("a1", gone), TEST)
    assert list(arms) == ["original", "cleaned"]
    assert [(s.kind, s.arm, s.against) for s in steps] == [(kind, "cleaned", "original")]


def test_a_group_is_no_cluster() -> None:
    of_one_person = ORIGINAL.assign(cluster=None)
    _, steps = separate(of_one_person, of_one_person[of_one_person["image_id"] != "a3"], TEST)
    assert [s.kind for s in steps] == ["drops"]


def test_copies_stay_in_the_cleaned_arm_of_no_side_and_new_images_are_counted() -> None:
    more = pd.concat([without("a1"), frame(("new1", "b", None), ("new2", "b", "g1"))])
    arms, steps = separate(without("a1"), more, TEST)
    assert list(arms) == ["original", "cleaned"]
    assert "new2" not in ids(arms["cleaned"])
    assert [(s.kind, s.images) for s in steps] == [("additions", 1)]


def test_where_copies_are_most_of_a_class_the_test_images_are_left_out_instead() -> None:
    test = TEST.assign(split_group=["g1", "t2"])
    copies = ORIGINAL.assign(split_group=ORIGINAL["split_group"].mask(ORIGINAL["label"] == "a", "g1"))
    assert list(separate(copies, copies, test)[0]) == ["original"]
    dropped = copies[copies["image_id"] != "a1"]
    arms, steps = separate(copies, dropped, test)  # what cleaning dropped is still told apart
    assert (list(arms), steps) == (["original", "without_twins"], [])
    assert ids(arms["without_twins"]) == ids(dropped)
