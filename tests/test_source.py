from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from audit import source
from audit.errors import InputError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"\xff\xd8\xff")
    return root


def rows(listing: source.Listing) -> list[tuple[object, ...]]:
    return [tuple(None if pd.isna(v) else v for v in row) for row in listing.images.itertuples(index=False)]


def test_class_folders(tmp_path) -> None:
    touch(tmp_path, "dog/1.jpg", "cat/deep/2.JPG", "loose.png", "cat/notes.txt")
    listing = source.load(tmp_path)
    assert rows(listing) == [
        ("cat/deep/2.JPG", "cat", None, None),
        ("cat/notes.txt", "cat", None, None),  # by its signature
        ("dog/1.jpg", "dog", None, None),
        ("loose.png", None, None, None),
    ]
    assert listing.notes == ["1 images lie outside the class folders: they have no label"]


def test_split_and_class_folders(tmp_path) -> None:
    touch(tmp_path, "Training/cat/1.jpg", "valid/cat/2.jpg", "test/dog/3.jpg")
    assert rows(source.load(tmp_path)) == [
        ("Training/cat/1.jpg", "cat", "train", None),
        ("test/dog/3.jpg", "dog", "test", None),
        ("valid/cat/2.jpg", "cat", "val", None),
    ]


def test_a_class_may_be_called_train(tmp_path) -> None:
    touch(tmp_path, "train/1.jpg", "car/2.jpg")
    assert [r[1:3] for r in rows(source.load(tmp_path))] == [("car", None), ("train", None)]


def test_other_files_are_counted(tmp_path) -> None:
    touch(tmp_path, "cat/1.jpg")
    (tmp_path / "cat" / "readme.md").write_text("hello")
    assert source.load(tmp_path).ignored == 1


def test_link_loops_are_followed_once(tmp_path) -> None:
    touch(tmp_path, "cat/1.jpg")
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    listing = source.load(tmp_path)
    assert [r[0] for r in rows(listing)] == ["cat/1.jpg"]
    assert "already listed" in listing.notes[0]


def test_names_that_are_not_utf8(tmp_path) -> None:
    folder = os.fsencode(tmp_path / "cat")
    Path(os.fsdecode(folder)).mkdir()
    Path(os.fsdecode(folder + b"/\xff.jpg")).write_bytes(b"\xff\xd8\xff")
    assert [r[0] for r in rows(source.load(tmp_path))] == ["cat/\\xff.jpg"]


def test_manifest(tmp_path) -> None:
    touch(tmp_path, "img/a.jpg")
    table = pd.DataFrame(
        {"file": ["img/a.jpg", str(tmp_path / "img/b.jpg"), "./img/a.jpg"], "y": [3, "", 3], "part": ["dev", "", "dev"]}
    )
    table.to_csv(tmp_path / "m.csv", index=False)
    listing = source.load(tmp_path / "m.csv", columns={"path": "file", "label": "y", "split": "part"})
    assert rows(listing) == [("img/a.jpg", "3", "val", None), ("img/b.jpg", None, None, None)]
    assert listing.notes == ["1 repeated rows of the manifest were counted once"]
    table.astype({"y": str}).to_parquet(tmp_path / "m.parquet")
    again = source.load(tmp_path / "m.parquet", columns={"path": "file", "label": "y", "split": "part"})
    assert rows(again) == rows(listing)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,labl\na.jpg,x\n", r"no column 'label'; it has 'path', 'labl'.*--label-column"),
        ("path,label\n../a.jpg,x\n", r"row 2: '../a.jpg' leaves the dataset's root"),
        ("path,label\n/etc/a.jpg,x\n", r"row 2: '/etc/a.jpg' leaves"),
        ("path,label\nx/../../a.jpg,x\n", r"row 2: .* leaves"),
        ("path,label\n,x\n", "row 2: the path is empty"),
        ("path,label\n", "has no rows"),
        ("", "no readable CSV"),
        ("path,label\na.jpg,x\nb.jpg,x\na.jpg,y\n", "names 'a.jpg' in rows 2, 4 with different"),
        ("path,label,split\na.jpg,x,holdout\n", "row 2: split 'holdout'. Expected one of train"),
    ],
)
def test_bad_manifests(tmp_path, content: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        source.load(tmp_path / "m.csv")


def test_bad_folders(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no images in .*: nothing\. Expected one folder per class"):
        source.load(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        source.load(tmp_path / "nowhere")
    touch(tmp_path, "1.jpg")
    with pytest.raises(InputError, match="has 1 images but no class folders"):
        source.load(tmp_path)
