"""Splits by numbers of images: met exactly where single images allow it, groups whole, no class lost."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageclinic.cleaning.split.demanded_split import demanded
from imageclinic.cleaning.split.split_counts import assign_counts
from imageclinic.core import tables
from imageclinic.core.errors import InputError

rows = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 25)), min_size=6, max_size=80)


def images(data: list[tuple[str, int]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"{n:03}" for n in range(len(data))],
            "label": [label for label, _ in data],
            # From 12 on: an image of its own.
            "split_group": pd.Series([f"g{g}" if g < 12 else None for _, g in data], dtype="str"),
        }
    )


def counted(splits: pd.DataFrame) -> list[int]:
    return [int((splits["split"] == name).sum()) for name in tables.SPLITS]


@settings(max_examples=60, deadline=None)
@given(rows, st.tuples(st.integers(0, 30), st.integers(0, 9), st.integers(0, 9)), st.integers(0, 3))
def test_groups_stay_whole_and_every_deviation_is_reported(
    data: list[tuple[str, int]], asked: tuple[int, int, int], seed: int
) -> None:
    table = images(data)
    if sum(asked) > len(table):
        with pytest.raises(InputError, match="are there"):
            assign_counts(table, asked, seed=seed)
        return
    splits, notes = assign_counts(table, asked, seed=seed)
    both = table.merge(splits, on="image_id", how="left")
    grouped = both.dropna(subset="split_group").fillna({"split": "rest"}).groupby("split_group")["split"].nunique()
    assert (grouped == 1).all(), "also what is left out"
    for name, wanted, got in zip(tables.SPLITS, asked, counted(splits), strict=True):
        assert (wanted == got) != any(
            note.startswith(f"{name} has {got} images instead of {wanted}:") for note in notes
        )
    left = len(table) - len(splits)
    assert any(note.startswith(f"{left} images are in no split") for note in notes) == (left > 0)
    order = table.sample(frac=1, random_state=seed)
    again, _ = assign_counts(order, asked, seed=seed)
    pd.testing.assert_frame_equal(again.sort_values("image_id", ignore_index=True), splits)


def test_single_images_meet_the_counts_and_keep_the_shares() -> None:
    table = images([("a", 99)] * 601 + [("b", 99)] * 303 + [("c", 99)] * 97)
    splits, notes = assign_counts(table, (333, 51, 77), seed=0)
    assert counted(splits) == [333, 51, 77]
    assert notes == ["540 images are in no split, as the counts ask: they are not exported."]
    labels = splits.merge(table, on="image_id")
    shares = pd.crosstab(labels["split"], labels["label"], normalize="index")
    assert abs(shares["a"] - 0.6).max() < 0.03


def test_a_rare_class_is_not_left_out() -> None:
    table = images([("a", 99)] * 500 + [("rare", 99)] * 3)
    splits, _ = assign_counts(table, (50, 5, 5), seed=0)
    rare = splits.merge(table[table["label"] == "rare"], on="image_id")
    assert sorted(rare["split"]) == ["test", "train", "val"]
    assert counted(splits) == [50, 5, 5]


def test_the_rest_goes_where_it_is_asked_for() -> None:
    splits, notes = assign_counts(images([("a", 99)] * 100), (None, 10, 20), seed=0)
    assert (counted(splits), notes) == ([70, 10, 20], [])


def test_placed_images_stay_and_take_from_train() -> None:
    table = images([("a", 99)] * 100)
    fixed = tables.frame(tables.SPLIT_TABLE, image_id=table["image_id"][:60], split="test")
    splits, notes = assign_counts(table, (60, 10, 20), seed=0, fixed=fixed)
    assert counted(splits) == [30, 10, 60]
    assert len(notes) == 2
    splits, notes = assign_counts(table, (20, 10, 20), seed=0, fixed=fixed)
    assert counted(splits) == [20, 10, 60], "what is left out gives first"
    assert notes[0].startswith("test has 60 images instead of 20")


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ((0.8, 0.1, 0.1), (0.8, 0.1, 0.1)),
        ((80, 10, 10), (0.8, 0.1, 0.1)),
        ((1, 0, 0), (1.0, 0.0, 0.0)),
        ((1000, 100, 200), (1000, 100, 200)),
        ((None, 1, 0), (None, 1, 0)),
    ],
)
def test_shares_and_counts_are_distinguished(split: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert demanded(split) == pytest.approx(expected)
    assert [type(part) for part in demanded(split)] == [type(part) for part in expected]


@pytest.mark.parametrize(
    "split", [(0.8, 0.2), (0.7, 0.1, 0.1), (None, None, 1), (1.5, 1, 1), (-1, 1, 1), (0, 0, 0), (float("nan"), 1, 0)]
)
def test_what_is_neither(split: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"sum to 1.*1000,100,200"):
        demanded(split)
