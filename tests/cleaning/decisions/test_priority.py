"""The order in which findings are seen, and what a decision says about them."""

from __future__ import annotations

import pandas as pd
import pytest

from imageclinic.cleaning.decisions import priority
from imageclinic.core import tables


def issues(*rows: tuple[object, ...]) -> pd.DataFrame:
    """check, image_id, score, cluster, suggested_action, suggested_label."""
    columns = ["check", "image_id", "score", "cluster", "suggested_action", "suggested_label"]
    return tables.validate(pd.DataFrame(rows, columns=columns).assign(label=None, evidence="So it is."), tables.ISSUES)


FOUND = issues(
    ("blurry", "a", 0.9, None, "review", None),
    ("mislabeled", "b", 0.7, None, "relabel", "dog"),
    ("mislabeled", "a", 0.8, None, "relabel", "cat"),
    ("near_duplicate", "d", 0.6, "c2", "review", None),
    ("near_duplicate", "f", 0.6, "c2", "review", None),
    ("near_duplicate", "e", 0.9, "c1", "review", None),
    ("near_duplicate", "c", 0.5, "c1", "review", None),
    ("a_new_check", "g", 1.0, None, "drop", None),
    ("too_few_images", None, 1.0, None, "review", None),
)


def test_one_item_an_image_urgent_checks_first_copies_together() -> None:
    items = priority.per_image(FOUND)
    assert items["image_id"].tolist() == ["a", "b", "e", "c", "d", "f", "g"]
    assert items["queue"].tolist() == list(range(7))
    first = items.iloc[0]
    assert first["checks"] == ["mislabeled", "blurry"]
    assert first["evidence"] == "mislabeled: So it is.\nblurry: So it is."
    assert first["suggested_label"] == "cat"
    assert items["suggested_label"].isna().tolist() == [False, False, *[True] * 5]


def test_order_does_not_depend_on_the_order_of_rows() -> None:
    mixed = FOUND.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(priority.per_image(mixed), priority.per_image(FOUND))


def test_scores() -> None:
    table = priority.scores(FOUND)
    assert list(table.columns) == ["mislabeled", "near_duplicate", "blurry", "a_new_check"]
    assert table.loc["a", "mislabeled"] == 0.8
    assert table.loc["b"].isna().tolist() == [False, True, True, True]


def test_nothing_found() -> None:
    nothing = tables.empty(tables.ISSUES)
    assert priority.per_image(nothing).empty
    assert priority.scores(nothing).empty


COPY = ("near_duplicate", "a", 1.0, "c", "review", None)
CONFLICT = ("conflicting_label", "a", 1.0, "c", "review", "dog")
LABEL = ("mislabeled", "a", 1.0, None, "relabel", "dog")
LOOK = ("dark", "a", 1.0, None, "review", None)


@pytest.mark.parametrize(
    ("decision", "found", "confirmed", "rejected"),
    [
        ("keep", [LABEL, LOOK], [], ["dark", "mislabeled"]),
        ("keep", [COPY, CONFLICT], [], []),
        ("keep", [COPY, LABEL], [], ["mislabeled"]),
        ("relabel", [LABEL, LOOK, COPY], ["mislabeled"], []),
        ("relabel", [CONFLICT], ["conflicting_label"], []),
        ("drop", [COPY, LABEL], ["near_duplicate"], []),
        ("drop", [LABEL, LOOK], ["dark", "mislabeled"], []),
        ("unsure", [LABEL, COPY], [], []),
        ("undo", [LABEL, COPY], [], []),
        ("keep", [], [], []),
    ],
)
def test_what_a_decision_says(
    decision: str, found: list[tuple[object, ...]], confirmed: list[str], rejected: list[str]
) -> None:
    assert priority.spoken_about(decision, issues(*found)) == (confirmed, rejected)
