from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imageclinic.audit.listing import folder_walk, image_listing
from imageclinic.core.errors import InputError
from imageclinic.core.tables import to_path


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"\xff\xd8\xff")
    return root


def rows(listing: image_listing.Listing) -> list[tuple[object, ...]]:
    return [tuple(None if pd.isna(v) else v for v in row) for row in listing.images.iloc[:, :4].itertuples(index=False)]


def test_class_folders(tmp_path) -> None:
    touch(tmp_path, "dog/1.jpg", "cat/deep/2.JPG", "loose.png", "cat/notes.txt")
    listing = image_listing.load(tmp_path)
    assert rows(listing) == [
        ("cat/deep/2.JPG", "cat", None, None),
        ("cat/notes.txt", "cat", None, None),  # by its signature
        ("dog/1.jpg", "dog", None, None),
        ("loose.png", None, None, None),
    ]
    assert listing.left_out()[-1].startswith("1 image has no label (the top folder 1): audited for damage")


def test_split_and_class_folders(tmp_path) -> None:
    touch(tmp_path, "Training/cat/1.jpg", "valid/cat/2.jpg", "test/dog/3.jpg")
    assert rows(image_listing.load(tmp_path)) == [
        ("Training/cat/1.jpg", "cat", "train", None),
        ("test/dog/3.jpg", "dog", "test", None),
        ("valid/cat/2.jpg", "cat", "val", None),
    ]


def test_a_class_may_be_called_train(tmp_path) -> None:
    touch(tmp_path, "train/1.jpg", "car/2.jpg")
    assert [r[1:3] for r in rows(image_listing.load(tmp_path))] == [("car", None), ("train", None)]


def test_other_files_are_counted(tmp_path) -> None:
    touch(tmp_path, "cat/1.jpg")
    (tmp_path / "cat" / "readme.md").write_text("hello")
    assert image_listing.load(tmp_path).ignored == 1


def test_link_loops_are_followed_once(tmp_path) -> None:
    touch(tmp_path, "cat/1.jpg")
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    listing = image_listing.load(tmp_path)
    assert [r[0] for r in rows(listing)] == ["cat/1.jpg"]
    assert "already listed" in listing.notes[0]


def test_real_folders_come_before_links_to_them(tmp_path) -> None:
    touch(tmp_path, "data/zebra/1.jpg", "elsewhere/2.jpg", "elsewhere/deep/3.jpg")
    (tmp_path / "data" / "ape").symlink_to("zebra")
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "data")
    listing = image_listing.load(tmp_path / "data")
    assert [r[:2] for r in rows(listing)] == [
        ("dog/2.jpg", "dog"),
        ("dog/deep/3.jpg", "dog"),
        ("zebra/1.jpg", "zebra"),
    ]
    assert [n.split(":")[0] for n in listing.notes] == ["ape", "dog/back"]


def test_a_link_to_what_holds_the_dataset_is_not_followed(tmp_path) -> None:
    touch(tmp_path, "data/cat/1.jpg", "private/2.jpg")
    (tmp_path / "data" / "up").symlink_to(tmp_path)
    listing = image_listing.load(tmp_path / "data")
    assert [r[0] for r in rows(listing)] == ["cat/1.jpg"]
    assert "or that holds the dataset; not followed" in listing.notes[0]


def test_links_to_themselves_and_to_nothing(tmp_path) -> None:
    touch(tmp_path, "cat/1.jpg")
    for name, target in {"self.jpg": "self.jpg", "gone.jpg": "nowhere", "self": "self", "gone": "nowhere"}.items():
        (tmp_path / "cat" / name).symlink_to(target)
    listing = image_listing.load(tmp_path)
    assert [r[0] for r in rows(listing)] == ["cat/1.jpg", "cat/gone.jpg", "cat/self.jpg"], "the scan says why"
    assert listing.ignored == 2
    assert [n.split(",")[0] for n in listing.notes] == [
        "cat/gone: can't be read (No such file or directory)",
        "cat/self: can't be read (Too many levels of symbolic links)",
    ]


def test_pipes_and_sockets_are_never_opened(tmp_path, monkeypatch) -> None:
    touch(tmp_path, "cat/1.jpg")
    os.mkfifo(tmp_path / "cat" / "pipe.jpg")
    os.mkfifo(tmp_path / "cat" / "pipe")
    (tmp_path / "cat" / "link.jpg").symlink_to("pipe")
    (tmp_path / "cat" / "null.jpg").symlink_to("/dev/null")
    monkeypatch.chdir(tmp_path / "cat")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        monkeypatch.setattr(os, "open", lambda *_: pytest.fail("something was opened"))
        listing = image_listing.load(tmp_path)
    assert [r[0] for r in rows(listing)] == ["cat/1.jpg"]
    assert listing.notes == [
        f"cat/{name}: a pipe, a socket or a device; not opened"
        for name in ("link.jpg", "null.jpg", "pipe", "pipe.jpg", "socket.png")
    ]


def test_what_only_looks_like_an_image(tmp_path) -> None:
    touch(tmp_path, "cat.jpg/1.jpg", "cat.jpg/._real.jpg", "cat.jpg/.jpg")
    (tmp_path / "cat.jpg" / "._1.jpg").write_bytes(bytes.fromhex("00051607000200004d6163204f532058"))
    (tmp_path / "cat.jpg" / "Thumbs.db").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1"))
    (tmp_path / "cat.jpg" / ".DS_Store").touch()
    listing = image_listing.load(tmp_path)
    assert [r[:2] for r in rows(listing)] == [
        ("cat.jpg/._real.jpg", "cat.jpg"),  # by its signature
        ("cat.jpg/.jpg", "cat.jpg"),
        ("cat.jpg/1.jpg", "cat.jpg"),
    ]
    assert listing.ignored == 3
    assert not listing.notes


NAMES = [
    b"\xff.jpg",
    b"a\nb.jpg",
    b"back\\slash.jpg",
    b"back\\xff.jpg",
    b"trailing.jpg ",
    b" leading.jpg",
    b"tab\t.jpg",
    b"-rf.jpg",
    b"=cmd().jpg",
    b"<script>.jpg",
    b'quote".jpg',
    "ä €.jpg".encode(),
    b"n" * 251 + b".jpg",
]


def test_hostile_names_are_listed_and_lead_back_to_their_files(tmp_path) -> None:
    for name in NAMES:
        folder = os.fsencode(tmp_path / "data") + b"/" + name
        Path(os.fsdecode(folder)).mkdir(parents=True)
        with open(folder + b"/" + name, "wb") as file:
            file.write(b"\xff\xd8\xff")
    listing = image_listing.load(tmp_path / "data")
    paths = [os.fsencode(to_path(i)) for i in listing.images["image_id"]]
    assert sorted(paths) == sorted(n + b"/" + n for n in NAMES)
    assert listing.images["image_id"].tolist() == sorted(listing.images["image_id"])
    assert listing.images["label"].tolist() == [i.split("/")[0] for i in listing.images["image_id"]]
    assert r"\xff.jpg" in set(listing.images["label"])

    files = pd.DataFrame({"path": [os.fsdecode(p) for p in paths], "label": "x"}, dtype=object)
    assert image_listing.from_frame(files, tmp_path / "data").images["image_id"].tolist() == list(
        listing.images["image_id"]
    )


def test_a_path_that_is_too_long_is_noted(tmp_path) -> None:
    touch(tmp_path, "data/cat/1.jpg")
    here = os.open(tmp_path / "data" / "cat", os.O_RDONLY)
    for _ in range(17):
        os.mkdir("n" * 250, dir_fd=here)
        here, above = os.open("n" * 250, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(os.open("deep.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    listing = image_listing.load(tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
    assert [r[0] for r in rows(listing)] == ["cat/1.jpg"]
    assert listing.notes[0].endswith("can't be listed (File name too long)")


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """As an ordinary user: root may read everything."""
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)


def test_what_may_not_be_read_is_noted() -> None:
    folder = Path(tempfile.mkdtemp())  # every user may enter /tmp; only its owner pytest's folders
    touch(folder, "cat/1.jpg", "dog/2.jpg", "cat/secret", "cat/secret.jpg")
    folder.chmod(0o755)
    for name in ("dog", "cat/secret", "cat/secret.jpg"):
        (folder / name).chmod(0)
    try:
        with without_privileges():
            listing = image_listing.load(folder)
            with pytest.raises(InputError, match=r"nothing; \.: can't be listed \(Permission denied\)"):
                image_listing.load(folder / "dog")
    finally:
        (folder / "dog").chmod(0o755)
        shutil.rmtree(folder)
    assert [r[0] for r in rows(listing)] == ["cat/1.jpg", "cat/secret.jpg"], "the scan says that it can't be read"
    assert listing.notes == [
        "dog: can't be listed (Permission denied)",
        "cat/secret: can't be read (Permission denied), and the name is not an image's; ignored",
    ]


def test_a_folder_that_vanishes_is_noted(tmp_path) -> None:
    touch(tmp_path, "loose.jpg", "cat/1.jpg")
    trouble: folder_walk.Trouble = {}
    steps = folder_walk.walk(tmp_path, trouble)
    assert next(steps) == ("", ["loose.jpg"])
    shutil.rmtree(tmp_path / "cat")
    assert list(steps) == []
    assert folder_walk.notes(trouble) == ["cat: can't be listed (No such file or directory)"]


def test_much_trouble_is_summed_up(tmp_path) -> None:
    touch(tmp_path, "cat/1.jpg")
    for i in range(1234):
        os.mkfifo(tmp_path / f"{i:04}")
    notes = image_listing.load(tmp_path).notes
    assert len(notes) == folder_walk.NAMED + 1
    assert notes[0].startswith("0000: ")
    assert notes[-1].startswith("… and 1,229 more: a pipe")


def test_manifest(tmp_path) -> None:
    touch(tmp_path, "img/a.jpg")
    table = pd.DataFrame(
        {"file": ["img/a.jpg", str(tmp_path / "img/b.jpg"), "./img/a.jpg"], "y": [3, "", 3], "part": ["dev", "", "dev"]}
    )
    table.to_csv(tmp_path / "m.csv", index=False)
    listing = image_listing.load(tmp_path / "m.csv", columns={"path": "file", "label": "y", "split": "part"})
    assert rows(listing) == [("img/a.jpg", "3", "val", None), ("img/b.jpg", None, None, None)]
    assert listing.notes == ["1 repeated rows of the manifest were counted once"]
    table.astype({"y": str}).to_parquet(tmp_path / "m.parquet")
    again = image_listing.load(tmp_path / "m.parquet", columns={"path": "file", "label": "y", "split": "part"})
    assert rows(again) == rows(listing)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,labl\na.jpg,x\n", r"no column 'label'; it has 'path', 'labl'.*--label-column"),
        ("path,label\n../a.jpg,x\n", r"row 2: '../a.jpg' leaves the dataset's root"),
        ("path,label\n/etc/a.jpg,x\n", r"row 2: '/etc/a.jpg' leaves"),
        ("path,label\nx/../../a.jpg,x\n", r"row 2: .* leaves"),
        ("path,label\n,x\n", "row 2: the path is empty"),
        ("path,label\na.jpg,x\nb\0.jpg,y\n", "row 3: .* can't be the path of a file"),
        ("path,label\n", "has no rows"),
        ("", "no readable CSV"),
        (
            "path,label,group\na.jpg,x,1\nb.jpg,x,1\na.jpg,x,2\n",
            r"gives 1 images different groups: a.jpg \(the first in rows 2, 4\)",
        ),
        ("path,label,split\na.jpg,x,holdout\n", "row 2: split 'holdout'. Expected one of train"),
    ],
)
def test_bad_manifests(tmp_path, content: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        image_listing.load(tmp_path / "m.csv")


def test_a_frame_of_any_types(tmp_path) -> None:
    table = pd.DataFrame(
        {
            "path": [tmp_path / "a.jpg", b"b.jpg", "c.jpg", "d.jpg"],
            "label": pd.Categorical(["x", None, "x", "y"]),
            "split": ["Train", None, "VALID", np.nan],
            "group": np.array([1, np.nan, 2, 2.5], dtype=np.float32),
        },
        index=[9, 9, 3, 1],
    )
    kept = table.copy()
    assert rows(image_listing.from_frame(table, tmp_path)) == [
        ("a.jpg", "x", "train", "1"),
        ("b.jpg", None, None, None),
        ("c.jpg", "x", "val", "2"),
        ("d.jpg", "y", None, "2.5"),
    ]
    pd.testing.assert_frame_equal(table, kept)


def test_stray_bytes_in_labels_become_text(tmp_path) -> None:
    (tmp_path / "m.csv").write_bytes(b"path,label\na.jpg,\xff\n")
    assert rows(image_listing.load(tmp_path / "m.csv"))[0][1] == r"\xff"
    halves = pd.DataFrame({"path": ["a.jpg"], "label": ["\ud800"]}, dtype=object)
    assert rows(image_listing.from_frame(halves, tmp_path))[0][1] == r"\ud800"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a.jpg", "\ud800.jpg"], "label": ["x", "y"]}, "row 3: .* can't be the path of a file"),
        ({"path": ["a.jpg"], "label": [["x", "y"]]}, "the column 'label' holds lists. Expected one value per image"),
    ],
)
def test_bad_frames(tmp_path, columns: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        image_listing.from_frame(pd.DataFrame(columns, dtype=object), tmp_path)


def test_a_manifest_may_name_its_folder_by_a_link(tmp_path) -> None:
    touch(tmp_path, "disk/data/cat/1.jpg")
    (tmp_path / "home").symlink_to("disk")
    manifest = tmp_path / "home" / "data" / "m.csv"
    manifest.write_text(f"path,label\n{tmp_path}/home/data/cat/1.jpg,x\n{tmp_path}/disk/data/cat/2.jpg,x\n")
    assert [r[0] for r in rows(image_listing.load(manifest))] == ["cat/1.jpg", "cat/2.jpg"]


def test_bad_folders(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no images in .*: nothing\. Expected one folder per class"):
        image_listing.load(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        image_listing.load(tmp_path / "nowhere")
    touch(tmp_path, "1.jpg")
    with pytest.raises(InputError, match="has 1 images but no class folders"):
        image_listing.load(tmp_path)
