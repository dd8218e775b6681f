"""Decisions to a cleaned table: pure, same columns, every change listed with its reason and reviewer."""

import pandas as pd
import pytest

from imageclinic.cleaning.decisions.apply import apply
from imageclinic.core import tables


def dataset():
    return tables.frame(
        tables.DATASET,
        image_id=["a", "b", "c", "d", "e", "f"],
        label=["cat", "cat", "dog", None, "dog", None],
        sha256=list("123456"),
        bytes=1,
        mtime_ns=0,
        read_error=[None, None, None, None, "truncated at byte 9", None],
    )


def current(*rows):
    names = ["image_id", "decision", "label", "reviewer", "decided_at", "confirmed", "rejected", "disputed", "note"]
    data = pd.DataFrame([{"reviewer": "ann", "disputed": False, **row} for row in rows]).reindex(columns=names)
    return data.astype({name: "str" for name in names if name != "disputed"} | {"disputed": bool})


def test_decisions_become_a_table_with_the_same_columns():
    data = dataset()
    before = data.copy(deep=True)
    cleaned, changes = apply(
        data,
        current(
            {"image_id": "a", "decision": "drop", "confirmed": "dark;blurry", "note": "Too dark."},
            {"image_id": "b", "decision": "relabel", "label": "dog", "note": "is a dog"},
            {"image_id": "c", "decision": "keep"},
            {"image_id": "f", "decision": "relabel", "label": "owl"},
        ),
    )
    pd.testing.assert_frame_equal(data, before)
    assert list(cleaned.columns) == tables.DATASET.names and (cleaned.dtypes == data.dtypes).all()
    assert cleaned.set_index("image_id")["label"].to_dict() == {"b": "dog", "c": "dog", "f": "owl"}
    rows = changes.astype(object).where(changes.notna(), None).to_numpy().tolist()
    assert rows == [
        ["a", "dropped", "cat", None, "dark, blurry: Too dark.", "ann"],
        ["b", "relabelled", "cat", "dog", "is a dog", "ann"],
        ["d", "unlabelled", None, None, "no label", None],
        ["e", "unreadable", "dog", None, "truncated at byte 9", None],
        ["f", "relabelled", None, "owl", "decided", "ann"],
    ]


@pytest.mark.parametrize("decision", ["keep", "unsure", None])
def test_undecided_images_stay(decision):
    cleaned, changes = apply(dataset(), current({"image_id": "a", "decision": decision, "disputed": decision is None}))
    assert "a" in set(cleaned["image_id"]) and "a" not in set(changes["image_id"])


def test_relabelling_to_the_given_label_changes_nothing_and_does_not_heal_a_file():
    cleaned, changes = apply(
        dataset(),
        current(
            {"image_id": "a", "decision": "relabel", "label": "cat"},
            {"image_id": "e", "decision": "relabel", "label": "cat"},
        ),
    )
    assert cleaned["image_id"].tolist() == ["a", "b", "c"]
    assert changes.set_index("image_id")["change"].to_dict() == {
        "d": "unlabelled", "e": "unreadable", "f": "unlabelled",
    }  # fmt: skip


def test_without_decisions_and_without_images():
    cleaned, _ = apply(dataset(), current())
    assert cleaned["image_id"].tolist() == ["a", "b", "c"]
    empty, changes = apply(tables.empty(tables.DATASET), current())
    assert empty.empty and changes.empty
