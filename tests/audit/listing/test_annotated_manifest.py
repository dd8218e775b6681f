"""Manifests with several labels per image, by several annotators (`audit.listing.annotated_manifest`)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from imageclinic.audit.listing import image_listing
from imageclinic.core.errors import InputError

NAMES = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
WIDE = pd.DataFrame(
    {
        "path": NAMES,
        "annotator:ann": ["cat", "dog", "cat", None],
        "annotator:bob": ["cat", "dog", "dog", None],
        "annotator:cy": ["cat", "dog", "cat", None],
        "split": ["train", "train", "test", "train"],
    }
)


def long(wide: pd.DataFrame = WIDE) -> pd.DataFrame:
    """The same with a row per label, and one for the image that nobody labelled."""
    rows = wide.melt(["path", "split"], var_name="annotator", value_name="label").dropna(subset=["label"])
    rows["annotator"] = rows["annotator"].str.removeprefix("annotator:")
    return pd.concat([rows, wide.loc[wide["annotator:ann"].isna(), ["path", "split"]]], ignore_index=True)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (WIDE, None),
        (WIDE.rename(columns=lambda c: c.removeprefix("annotator:")), {"annotators": "ann, bob,cy"}),
        (long(), None),
        (long().rename(columns={"annotator": "who", "label": "said"}), {"annotator": "who", "label": "said"}),
    ],
)
def test_wide_and_long_are_the_same(table: pd.DataFrame, columns: dict[str, str] | None, tmp_path: Path) -> None:
    listing = image_listing.from_frame(table, tmp_path, columns=columns)
    images = listing.images.set_index("image_id")
    assert images["label"].dropna().to_dict() == {"a.jpg": "cat", "b.jpg": "dog", "c.jpg": "cat"}
    assert images.index.tolist() == NAMES and images.loc["c.jpg", "split"] == "test"
    assert images["given_labels"].isna().all()
    said = listing.annotations
    assert said is not None and said.columns.tolist() == ["image_id", "annotator", "label"]
    assert len(said) == 9 and set(said["annotator"]) == {"ann", "bob", "cy"}
    assert listing.notes[0].startswith("9 labels by 3 annotators: 3 of 3 images have several, and of 1 they differ")
    assert not any("repeated" in note for note in listing.notes)


def test_from_a_csv_file_with_hostile_names(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('path,annotator,label\na.jpg,<b>,"=cmd"\na.jpg,"x, y",dog\nb.jpg,<b>,dog\n')
    said = image_listing.load(tmp_path / "m.csv").annotations
    assert said is not None and set(said["annotator"]) == {"<b>", "x, y"} and "=cmd" in set(said["label"])


def test_one_who_contradicts_oneself_does_not_count(tmp_path: Path) -> None:
    rows = [("a.jpg", "ann", "cat"), ("a.jpg", "ann", "dog"), ("a.jpg", "bob", "dog"), ("a.jpg", "bob", "dog")]
    rows += [("b.jpg", "ann", "cat"), ("b.jpg", "ann", "dog")]
    listing = image_listing.from_frame(pd.DataFrame(rows, columns=["path", "annotator", "label"]), tmp_path)
    assert listing.annotations is not None and listing.annotations.to_numpy().tolist() == [["a.jpg", "bob", "dog"]]
    assert listing.images["label"].isna().tolist() == [False, True]
    assert listing.notes[0].startswith("WARNING: 2 times") and "ann on a.jpg: cat, dog" in listing.notes[0]


def test_a_manifest_without_annotators_is_as_it_was(tmp_path: Path) -> None:
    listing = image_listing.from_frame(pd.DataFrame({"path": NAMES, "label": "cat", "note": "x"}), tmp_path)
    assert listing.annotations is None


@pytest.mark.parametrize(
    ("table", "columns", "says"),
    [
        (long().assign(annotator=None), None, "row 2: a label without an annotator"),
        (WIDE.assign(**{f"annotator:{n}": None for n in ("ann", "bob", "cy")}), None, "no label by any annotator"),
        (WIDE, {"annotators": "eve"}, "no column 'eve'"),
        (WIDE, {"annotators": " , "}, "--annotators is empty"),
        (WIDE, {"annotators": "split,split"}, "'split' comes twice"),
        (WIDE, {"annotator": "split", "label": "split"}, "in columns of their own"),
        (WIDE.rename(columns={"annotator:bob": "annotator: ann"}), None, "two annotators called 'ann'"),
        (long().drop(columns="label"), None, "no column 'label'"),
        (long().assign(label=[["cat", "dog"]] * 10), None, "holds lists"),
    ],
)
def test_what_can_not_be_is_named(
    table: pd.DataFrame, columns: dict[str, str] | None, says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        image_listing.from_frame(table, tmp_path, columns=columns)
