"""Manifests of another task: several classes for one image (`audit.listing.several_classes`)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from imageclinic.audit.listing import image_listing, several_classes
from imageclinic.core.errors import InputError


@pytest.mark.parametrize("mark", ["|", ";", ", "])
def test_names_of_several_classes_in_a_cell_are_noticed(mark: str, tmp_path: Path) -> None:
    labels = ["cat", "dog", f"cat{mark}dog", f"dog{mark}owl", f"cat{mark}owl", f"cat{mark}dog{mark}owl"]
    table = pd.DataFrame({"path": [f"{n}.jpg" for n in range(6)], "label": labels})
    (note,) = image_listing.from_frame(table, tmp_path).notes
    assert note.startswith("WARNING: 4 images") and several_classes.SENTENCE in note


@pytest.mark.parametrize(
    "labels",
    [
        ["tench, Tinca tinca", "great white shark, white shark", "hen, biddy", "cat"],
        ["salt;pepper", "cat", "dog"],
        [None, None],
    ],
)
def test_names_with_commas_are_names(labels: list[str | None]) -> None:
    assert several_classes.in_cells(pd.Series(labels, dtype="str")) is None


@pytest.mark.parametrize("values", [[0, 1, 1], ["0", "1", "1"], [True, False, True], [0.0, 1.0, 1.0]])
def test_a_column_of_zeros_and_ones_for_each_class_is_another_task(values: list[object], tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["a.jpg", "b.jpg", "c.jpg"], "cat": values, "dog": values[::-1], "size": [3, 4, 5]})
    with pytest.raises(InputError, match="multi-label") as caught:
        image_listing.from_frame(table, tmp_path)
    assert "'cat', 'dog'" in str(caught.value) and "size" not in str(caught.value)


def test_lists_and_rows_of_several_labels_say_so(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "label": [["cat", "dog"], ["cat"]]})
    with pytest.raises(InputError, match="multi-label"):
        image_listing.from_frame(table, tmp_path)
    notes = image_listing.from_frame(table.explode("label"), tmp_path).notes
    assert not any(several_classes.SENTENCE in note for note in notes), "half of the images are no majority"
    notes = image_listing.from_frame(table.iloc[:1].explode("label"), tmp_path).notes
    assert any(several_classes.SENTENCE in note for note in notes)
