"""Manifests as they come: encodings, separators, doubled columns and rows, images in place of paths."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from imageclinic.audit.listing import image_listing
from imageclinic.core.errors import InputError

TEXT = "path,label\nä.jpg,Füße\nb.jpg,cat\n"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(20)


def pairs(file: Path) -> list[tuple[str, str]]:
    images = image_listing.load(file).images
    return list(zip(images["image_id"], images["label"], strict=True))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_encodings_and_separators(tmp_path, encoding: str, separator: str, line: str) -> None:
    text = TEXT.replace(",", separator).replace("\n", line)
    (tmp_path / "m.csv").write_bytes(text.encode(encoding))
    assert pairs(tmp_path / "m.csv") == [("b.jpg", "cat"), ("ä.jpg", "Füße")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe" + "path,label\na.jpg,x".encode("utf-16-le") + b"\x00", r"no readable CSV file \(utf-16\)"),
        (b"path,label,label\na.jpg,x,y\n", "has 2 columns called 'label'. Expected each name once"),
        (b"path,label\na.jpg,x,y\n", "no readable CSV file .*Expected 2 fields in line 2, saw 3"),
    ],
)
def test_csv_files_that_are_refused(tmp_path, content: bytes, message: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        image_listing.load(tmp_path / "m.csv")


def test_a_frame_with_a_doubled_column(tmp_path) -> None:
    table = pd.DataFrame([["a.jpg", "x", 1, 2]], columns=["path", "label", "note", "note"])
    assert image_listing.from_frame(table, tmp_path).images["label"].tolist() == ["x"], "note is not used"
    with pytest.raises(InputError, match="the frame has 2 columns called 'note'"):
        image_listing.from_frame(table, tmp_path, columns={"label": "note"})


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ({"bytes": JPEG, "path": "1.jpg"}, "a record of bytes and path, as Hugging Face writes them"),
        (JPEG, "bytes"),
        (b"II*\x00" + bytes(9), "bytes"),
    ],
)
@pytest.mark.parametrize("columns", [{"path": "image"}, None])
def test_images_in_place_of_paths(tmp_path, cell: object, kind: str, columns: dict[str, str] | None) -> None:
    pd.DataFrame({"image": [cell] * 3, "label": [0, 1, 0]}).to_parquet(tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(InputError) as caught:
        image_listing.load(tmp_path / "train-00000-of-00001.parquet", columns=columns)
    assert f"the column 'image' of {tmp_path}" in str(caught.value)
    assert f"holds the images themselves ({kind}), and not their paths" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_image_under_several_labels_is_a_conflict(tmp_path) -> None:
    table = pd.DataFrame(
        {
            "path": ["a.jpg", "b.jpg", "a.jpg", "c.jpg", "c.jpg", "d.jpg", "d.jpg"],
            "label": ["dog", "cat", "cat", "cat", None, "cat", "cat"],
        }
    )
    listing = image_listing.from_frame(table, tmp_path)
    images = listing.images.set_index("image_id")
    assert images["label"].dropna().to_dict() == {"b.jpg": "cat", "c.jpg": "cat", "d.jpg": "cat"}
    assert json.loads(images.loc["a.jpg", "given_labels"]) == ["cat", "dog"]
    assert images["given_labels"].notna().sum() == 1
    assert listing.notes == [
        "1 repeated rows of the manifest were counted once",
        "WARNING: 1 image has several labels, and none until you decide (check conflicting_label): a.jpg (cat, dog)",
    ]


def test_many_conflicts_are_summed_up(tmp_path) -> None:
    rows = [(f"{n:04}.jpg", label) for n in range(2000) for label in ("cat", "dog")]
    listing = image_listing.from_frame(pd.DataFrame(rows, columns=["path", "label"]), tmp_path)
    assert len(listing.images) == 2000
    assert "0004.jpg (cat, dog) and 1,995 more" in listing.notes[-1]


def test_an_image_in_several_splits_is_a_test_image(tmp_path) -> None:
    table = pd.DataFrame(
        {
            "path": ["a.jpg", "a.jpg", "b.jpg", "b.jpg", "c.jpg", "c.jpg"],
            "label": ["x"] * 6,
            "split": ["train", "test", "val", "train", None, "train"],
        }
    )
    listing = image_listing.from_frame(table, tmp_path)
    assert listing.images["split"].tolist() == ["test", "val", "train"]
    assert listing.notes == [
        "WARNING: 2 images are listed in more than one split, and count as test, else as val: a.jpg, b.jpg"
    ]
