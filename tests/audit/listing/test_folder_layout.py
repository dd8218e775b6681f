"""What folders are taken for: splits, classes, neither, or a question."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from imageclinic.audit.listing import folder_names, image_listing
from imageclinic.core.errors import InputError
from tests.parts import lacking


def touch(root: Path, names: str) -> Path:
    for name in names.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"\xff\xd8\xff" if name.endswith(".jpg") else b"something else")
    return root


def understood(root: Path, names: str, layout: str | None = None) -> tuple[str, set[tuple[str | None, str | None]]]:
    """The layout, and (split, label) pairs."""
    listing = image_listing.load(touch(root, names), layout=layout)
    pairs = listing.images[["split", "label"]].drop_duplicates().itertuples(index=False)
    return listing.layout, {(None if pd.isna(a) else a, None if pd.isna(b) else b) for a, b in pairs}


BOTH = {("train", "cat"), ("train", "dog"), ("test", "cat")}
FLAT = {("train", "cat"), ("train", "dog"), ("test", None)}


@pytest.mark.parametrize(
    ("names", "layout", "pairs"),
    [
        ("train/cat/1.jpg train/dog/2.jpg test/3.jpg", "split/class", FLAT),
        ("train/cat/1.jpg train/dog/2.jpg test1/3.jpg", "split/class", FLAT),
        ("train/cat/1.jpg train/dog/2.jpg test/unknown/3.jpg", "split/class", FLAT),
        ("train/cat/1.jpg train/dog/2.jpg test/test/3.jpg", "split/class", FLAT),
        ("train/cat/1.jpg train/dog/2.jpg test/cat/3.jpg", "split/class", BOTH),
        ("Training_Set/cat/1.jpg Training_Set/dog/2.jpg TestSet/cat/3.jpg", "split/class", BOTH),
        (
            "train/cat/1.jpg train/dog/2.jpg eval/cat/3.jpg",
            "split/class",
            (BOTH - {("test", "cat")}) | {("val", "cat")},
        ),
        ("train/cat/1.jpg train/dog/2.jpg dev/cat/3.jpg", "split/class", (BOTH - {("test", "cat")}) | {("val", "cat")}),
        (
            "train/cat/1.jpg train/dog/2.jpg valid/cat/3.jpg",
            "split/class",
            (BOTH - {("test", "cat")}) | {("val", "cat")},
        ),
        ("train/cat/1.jpg train/dog/2.jpg test/cat/3.jpg .cache/x/4.jpg", "split/class", BOTH),
        ("train/cat/1.jpg train/dog/2.jpg test/cat/3.jpg @eaDir/4.jpg __MACOSX/train/5.jpg", "split/class", BOTH),
        ("train/cat/1.jpg train/.ipynb_checkpoints/1.jpg train/dog/2.jpg test/cat/3.jpg", "split/class", BOTH),
        ("archive/train/cat/1.jpg archive/train/dog/2.jpg archive/test/cat/3.jpg", "any/split/class", BOTH),
        ("a/b/train/cat/1.jpg a/b/train/dog/2.jpg a/b/test/cat/3.jpg", "any/any/split/class", BOTH),
        (
            "seg_train/seg_train/cat/1.jpg seg_train/seg_train/dog/2.jpg seg_test/seg_test/cat/3.jpg",
            "split/any/class",
            BOTH,
        ),
        ("train/train/cat/1.jpg train/train/dog/2.jpg test/test/3.jpg", "split/any/class", FLAT),
        (
            "seg_train/seg_train/cat/1.jpg seg_train/seg_train/dog/2.jpg seg_test/seg_test/cat/3.jpg "
            "seg_pred/seg_pred/4.jpg",
            "split/any/class",
            BOTH | {(None, None)},
        ),
        ("cat/train/1.jpg dog/train/2.jpg cat/test/3.jpg", "class/split", BOTH),
        ("archive/cat/train/1.jpg archive/dog/train/2.jpg archive/cat/test/3.jpg", "any/class/split", BOTH),
        ("flowers/cat/1.jpg flowers/dog/2.jpg", "any/class", {(None, "cat"), (None, "dog")}),
        ("cat/deep/1.jpg dog/2.jpg @eaDir/3.jpg", "class", {(None, "cat"), (None, "dog")}),
        ("train/1.jpg car/2.jpg", "class", {(None, "train"), (None, "car")}),
        ("train/cat/1.jpg train/dog/2.jpg test/cat/3.jpg more/4.jpg", "split/class", BOTH | {(None, None)}),
    ],
)
def test_layouts_that_leave_no_doubt(
    tmp_path, names: str, layout: str, pairs: set[tuple[str | None, str | None]]
) -> None:
    assert understood(tmp_path, names) == (layout, pairs)


@pytest.mark.parametrize(
    ("names", "choices"),
    [
        ("train/1.jpg test/2.jpg", ["split", "class"]),
        ("train/1.jpg", ["split", "class"]),
        ("images/1.jpg", ["class", "any"]),
        ("train/images/1.jpg test/images/2.jpg", ["split/class", "split/any"]),
        ("train/cat/1.jpg test/cat/2.jpg holdout/cat/3.jpg", ["split/class", "class"]),
        ("train/steam/1.jpg car/2.jpg", ["split/class", "class"]),
        ("train/train/cat/1.jpg train/train/dog/2.jpg test/cat/2.jpg", ["split/class", "split/any/class"]),
        ("cat/train/1.jpg cat/test/2.jpg dog/3.jpg", ["class/split", "class"]),
        ("a/train/cat/1.jpg a/test/cat/2.jpg b/train/cat/3.jpg", ["any/split/class", "class/split"]),
        ("flowers/rose/1.jpg flowers/tulip/2.jpg arrays/1.npy", ["any/class", "class"]),
        ("chest/train/a/1.jpg chest/test/a/2.jpg chest/chest/train/a/1.jpg", ["any/split/class", "any/class"]),
        ("cat_train/1.jpg cat_test/2.jpg dog_train/3.jpg", ["class"]),
        ("fold1/cat/1.jpg fold1/dog/2.jpg fold2/cat/3.jpg", ["any/class", "class"]),
        ("part_a/1.jpg part_b/2.jpg", ["class", "any"]),
        ("flowers/rose/1.jpg flowers/tulip/2.jpg flowers/3.jpg", ["any/class", "class"]),
    ],
)
def test_layouts_that_are_in_doubt_are_asked_for(tmp_path, names: str, choices: list[str]) -> None:
    with pytest.raises(InputError, match="can mean several things") as caught:
        image_listing.load(touch(tmp_path, names))
    message = str(caught.value)
    offered = [part.split(" ")[0] for part in message.split("--layout ")[1:]]
    assert offered == choices
    assert "\n" not in message
    for choice in choices:  # what is offered can be taken
        assert image_listing.load(tmp_path, layout=choice).layout == choice


def test_a_chosen_layout(tmp_path) -> None:
    names = "train/cat/1.jpg test/cat/2.jpg holdout/dog/3.jpg"
    assert understood(tmp_path, names, "split/class")[1] == {("train", "cat"), ("test", "cat"), (None, "dog")}
    listing = image_listing.load(tmp_path, layout="split/class")
    (note,) = listing.notes
    assert "holdout" in note
    assert understood(tmp_path, names, "any/class")[1] == {(None, "cat"), (None, "dog")}
    assert understood(tmp_path, names, "any")[1] == {(None, None)}


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("splits/class", "the layout 'splits/class'. Expected what each level of folders is"),
        ("class/class", "the layout 'class/class'"),
        ("", "the layout ''"),
        ("any/any/class", "no image of .* lies as deep as the layout any/any/class says"),
        ("class/split", "finds no split in .*: the folders there are cat, dog"),
    ],
)
def test_layouts_that_do_not_fit(tmp_path, layout: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        image_listing.load(touch(tmp_path, "train/cat/1.jpg train/dog/2.jpg"), layout=layout)


def test_a_layout_is_of_folders(tmp_path) -> None:
    (tmp_path / "m.csv").write_text("path,label\na.jpg,x\n")
    with pytest.raises(InputError, match="is a file, and a layout of folders was given"):
        image_listing.load(tmp_path / "m.csv", layout="class")


def test_the_summary_is_one_line(tmp_path) -> None:
    listing = image_listing.load(touch(tmp_path, "train/cat/1.jpg train/dog/2.jpg train/dog/3.jpg test/4.jpg"))
    assert not lacking(
        listing.summary(), "split/class", "2 classes", "cat", "dog", "train 3", "test 1", "1 image without"
    )
    assert listing.facts() == {
        "layout": "split/class",
        "classes": 2,
        "splits": {"train": 3, "test": 1},
        "unlabelled": 1,
        "hidden_folders": {},
        "other_files": {},
        "classes_without_images": {},
    }


def test_many_classes_are_summed_up(tmp_path) -> None:
    (tmp_path / "a\nb").mkdir()
    (tmp_path / "a\nb" / "1.jpg").touch()
    summary = image_listing.load(touch(tmp_path, " ".join(f"c{n}/1.jpg" for n in range(1999)))).summary()
    assert not lacking(summary, "2,000 classes", r"'a\nb', c0, c1, c10, c100 and 1,995 more", "no splits")


def test_what_is_left_out_is_reported(tmp_path) -> None:
    names = (
        "cat/1.jpg dog/1.jpg scan/1.dcm scan/2.DCM vector/1.svg dog/notes.txt notes/1.xml .git/x.jpg .git/y @eaDir/1"
    )
    listing = image_listing.load(touch(tmp_path, names))
    assert set(listing.images["label"]) == {"cat", "dog"}
    assert listing.ignored == 5
    assert listing.facts()["classes_without_images"] == {"scan": {".dcm": 2}, "vector": {".svg": 1}}
    assert listing.facts()["other_files"] == {".dcm": 2, ".svg": 1, ".txt": 1, ".xml": 1}
    assert listing.facts()["hidden_folders"] == {".git": 1, "@eaDir": 0}
    classes, files, folders = listing.left_out()
    assert not lacking(classes, "WARNING", "2 classes", "scan (2 .dcm)", "vector (1 .svg)", "PNG or JPEG")
    assert not lacking(files, "5 files", "2 .dcm, 1 .svg, 1 .txt, 1 .xml")
    assert not lacking(folders, "2 hidden", "1 image", ".git, @eaDir")


def test_a_class_without_images_in_one_split_only_is_none(tmp_path) -> None:
    listing = image_listing.load(touch(tmp_path, "train/cat/1.jpg train/scan/1.dcm test/cat/1.jpg test/scan/2.jpg"))
    assert listing.empty_classes == {}
    assert set(listing.images["label"]) == {"cat", "scan"}


def test_links_into_hidden_folders_are_followed(tmp_path) -> None:
    touch(tmp_path, ".store/cat/1.jpg dog/2.jpg")
    (tmp_path / "cat").symlink_to(".store/cat")
    images = image_listing.load(tmp_path).images
    assert images["image_id"].tolist() == ["cat/1.jpg", "dog/2.jpg"]


def test_only_hidden_images(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no images in .*: nothing; 1 images in hidden or system folders"):
        image_listing.load(touch(tmp_path, ".cat/1.jpg"))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("TRAIN", "train"),
        ("Train Images", "train"),
        ("trainset", "train"),
        ("train2017", "train"),
        ("seg_train", "train"),
        ("Training-Data", "train"),
        ("validation", "val"),
        ("valid", "val"),
        ("dev", "val"),
        ("eval", "val"),
        ("testing", "test"),
        ("test_set", "test"),
        ("test1", "test"),
        ("test tube", None),
        ("train_test", None),
        ("cat", None),
        ("device", None),
        ("", None),
        ("123", None),
    ],
)
def test_names_of_splits(name: str, split: str | None) -> None:
    assert folder_names.split_of(name) == split
