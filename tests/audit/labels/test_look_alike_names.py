"""Which names of classes look alike, and which are merged into which."""

from __future__ import annotations

import unicodedata

import pandas as pd
import pytest

from imageclinic.audit.checks import look_alike_classes
from imageclinic.audit.labels import look_alike_names
from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.decisions.policies import policy
from imageclinic.core import tables

NFD = unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("name", "other", "score"),
    [
        ("cat ", "cat", 1.0),
        (" cat", "cat", 1.0),
        ("hot  dog", "hot dog", 1.0),
        ("cat\u200b", "cat", 1.0),
        (NFD, "café", 1.0),
        (r"caf\xe9", "café", 1.0),
        ("cafÃ©", "café", 1.0),
        ("１", "1", 1.0),
        ("1.0", "1", 0.9),
        ("01", "1", 0.9),
        ("+1", "1", 0.9),
        ("Cat", "cat", 0.8),
        ("STRASSE", "straße", 0.8),
        ("hot_dog", "hot dog", 0.7),
        ("Hot-Dog", "hot dog", 0.7),
    ],
)
def test_names_that_look_alike(name: str, other: str, score: float) -> None:
    (found,) = look_alike_names.find({name: 3, other: 20, "zebra": 20})
    assert (found.name, found.other, found.score) == (name, other, score)
    (turned,) = look_alike_names.find({name: 20, other: 3})
    assert (turned.name, turned.other) == (other, name), "the larger class is kept"


@pytest.mark.parametrize(
    "names",
    [
        ("a", "A"),
        ("1", "-1"),
        ("1", "1.5"),
        ("1.1", "1.10"),
        ("A", "A-"),
        ("cat", "cats"),
        ("hotdog", "hot dog"),
        ("none", "nine"),
        ("\\\\xe9", "é"),  # a folder called \xe9, its backslash escaped
    ],
)
def test_names_that_do_not(names: tuple[str, str]) -> None:
    assert look_alike_names.find(dict.fromkeys(names, 5)) == []


@pytest.mark.parametrize("name", ["NaN", "nan", "None", "NULL", "N/A", "<NA>"])
def test_missing_values_as_text(name: str) -> None:
    (found,) = look_alike_names.find({name: 3, "cat": 9})
    assert (found.name, found.other, found.score) == (name, None, 0.5)


def test_equal_sizes_keep_the_name_without_oddities() -> None:
    (found,) = look_alike_names.find({"cat ": 5, "cat": 5})
    assert found.other == "cat"


def test_the_merge_is_a_decision() -> None:
    labels = ["Cat"] * 2 + ["cat"] * 3 + ["NaN"]
    ids = [f"{n}.jpg" for n in range(6)]
    dataset = tables.frame(tables.DATASET, image_id=ids, label=labels, bytes=[1] * 6, mtime_ns=[0] * 6)
    issues = look_alike_classes.find(dataset).assign(check="look_alike_classes")
    assert issues["image_id"].tolist() == ["0.jpg", "1.jpg", "5.jpg"]
    assert issues["suggested_action"].tolist() == ["relabel", "relabel", "review"]
    empty = tables.empty
    events = policy.policy_events(
        {"look_alike_classes": 0},
        name="accept",
        dataset=dataset,
        issues=issues,
        clusters=empty(tables.CLUSTERS),
        features=empty(tables.FEATURES),
        splits=empty(tables.SPLIT_TABLE),
        current=decision_log.current(empty(tables.DECISION_LOG), dataset),
    )
    assert events[["image_id", "decision", "label"]].values.tolist() == [
        ["0.jpg", "relabel", "cat"],
        ["1.jpg", "relabel", "cat"],
    ]
    assert isinstance(events, pd.DataFrame)
