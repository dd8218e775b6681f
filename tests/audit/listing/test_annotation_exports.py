"""Exports of annotation tools, as the tools write them: images, labels and splits; what is missing, what is hostile,
and what is another task."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import imageclinic
from imageclinic.audit.listing import image_listing
from imageclinic.audit.listing.packed.packed_source import Reading, recognise
from imageclinic.core.errors import InputError
from tests.conftest import picture

PNG = b"\x89PNG\r\n\x1a\n"
ABOUT = {"annotator": 1, "annotation_id": 7, "created_at": "", "updated_at": "", "lead_time": 2.5}


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PNG)
    return root


def write(file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".csv":
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def listed(place: Path, **how: Any) -> dict[str, tuple[str | None, str | None]]:
    """image_id → (label, split)."""
    images = image_listing.load(place, **how).images.astype(object)
    images = images.where(images.notna(), None)
    return {i: (label, split) for i, label, split in images[["image_id", "label", "split"]].itertuples(index=False)}


def choices(*names: str, question: str = "choice", **more: Any) -> dict[str, Any]:
    return {"type": "choices", "from_name": question, "to_name": "image", "value": {"choices": [*names], **more}}


def task(image: str, *persons: list[dict[str, Any]], **about: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": each, **about} for each in persons]}


def tag(*labels: str) -> str:
    return "".join(f'<tag label="{label}" source="manual"></tag>' for label in labels)


def cvat(*images: tuple[str, str, str]) -> str:
    inside = "".join(
        f'<image id="{n}" name="{name}" subset="{subset}" width="9" height="9">{tags}</image>'
        for n, (name, subset, tags) in enumerate(images)
    )
    meta = "<meta><task><labels><label><name>cat</name></label></labels></task></meta>"
    return f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{meta}{inside}</annotations>'


def test_label_studio_json(tmp_path) -> None:
    put(tmp_path, "ab12cd34-1.png", "2.png", "far/3.png", "pets/4.png", "5.png", "6.png", "not named.png")
    tasks = [
        task("/data/upload/3/ab12cd34-1.png", [choices("cat")]),
        task("/data/upload/3/00aa11bb-2.png", [choices("dog")], [choices("dog")]),  # two annotators who agree
        task("s3://bucket/far/3.png?x=1", [choices("cat")], [choices("dog")]),  # and two who don't
        task("/data/local-files/?d=pets%2F4.png", [choices("cat")], was_cancelled=True),
        {**task("5.png"), "predictions": [{"result": [choices("cat")]}]},
        task("https://example.org/6.png", [choices("cat")]),
        task("7.png", [choices("cat")]),
    ]
    tasks[5]["annotations"] += [{"result": [choices("dog")], "ground_truth": True}]
    file = write(tmp_path / "export.json", tasks)
    assert listed(file) == {
        "ab12cd34-1.png": ("cat", None),
        "2.png": ("dog", None),
        "far/3.png": (None, None),
        "pets/4.png": (None, None),
        "5.png": (None, None),
        "6.png": ("dog", None),
        "7.png": ("cat", None),
    }
    listing = image_listing.load(file)
    assert listing.manifest == file and listing.layout == "Label Studio"
    given = listing.images.set_index("image_id")["given_labels"].dropna()
    assert given.to_dict() == {"far/3.png": '["cat", "dog"]'}
    said = " ".join(listing.notes)
    assert "1 image is named" in said and "7.png" in said and "1 image is below" in said


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_label_studio_tables(tmp_path, suffix: str) -> None:
    put(tmp_path, "1.png", "2.png", "3.png")
    rows = [
        {"image": "/data/upload/1/1.png", "id": 1, "choice": "cat", "note": "striped", **ABOUT},
        {"image": "/data/upload/1/2.png", "id": 2, "choice": "dog", "note": "", **ABOUT},
        {"image": "/data/upload/1/3.png", "id": 3, **ABOUT},
    ]
    cells = [list(rows[0]), *([row.get(name, "") for name in rows[0]] for row in rows)]
    file = write(tmp_path / f"export{suffix}", rows if suffix == ".json" else cells)
    assert listed(file) == {"1.png": ("cat", None), "2.png": ("dog", None), "3.png": (None, None)}
    assert listed(file, columns={"label": "note"})["1.png"] == ("striped", None)
    several = [{**rows[0], "choice": {"choices": ["cat", "dog"]}}]
    texts = [list(several[0]), [json.dumps(v) if isinstance(v, dict) else v for v in several[0].values()]]
    file = write(tmp_path / f"several{suffix}", several if suffix == ".json" else texts)
    with pytest.raises(InputError, match=r"several labels for one image .*cat, dog"):
        image_listing.load(file)


def test_label_studio_with_several_questions(tmp_path) -> None:
    put(tmp_path, "1.png")
    file = write(
        tmp_path / "e.json", [task("1.png", [choices("vw", question="make"), choices("golf", question="type")])]
    )
    with pytest.raises(InputError, match=r"make, type.*--label-column"):
        image_listing.load(file)
    assert listed(file, columns={"label": "type"}) == {"1.png": ("golf", None)}
    with pytest.raises(InputError, match="not 'year'"):
        image_listing.load(file, columns={"label": "year"})


def test_cvat_for_images(tmp_path) -> None:
    put(tmp_path, "images/Train/a/1.png", "images/Test/1.png", "images/2.png")
    xml = cvat(("a/1.png", "Train", tag("cat")), ("1.png", "Test", tag("dog")), ("2.png", "", "<box label='cat'/>"))
    file = write(tmp_path / "annotations.xml", xml)
    expected = {
        "images/Train/a/1.png": ("cat", "train"),
        "images/Test/1.png": ("dog", "test"),
        "images/2.png": (None, None),
    }
    assert listed(tmp_path) == listed(file) == expected
    assert any(note.startswith("1 shapes") for note in image_listing.load(tmp_path).notes)
    with pytest.raises(InputError, match="a column of labels was named"):
        image_listing.load(file, columns={"label": "kind"})


def test_datumaro(tmp_path) -> None:
    put(tmp_path, "images/train/a b.png", "images/val/c.png", "images/val/d.png")

    def item(name: str, *annotations: dict[str, Any]) -> dict[str, Any]:
        about = {"path": f"{name}.png", "size": [9, 9]}
        return {"id": name, "attr": {"frame": 0}, "image": about, "annotations": [*annotations]}

    def label(number: int) -> dict[str, Any]:
        return {"id": 0, "type": "label", "attributes": {}, "group": 0, "label_id": number}

    names = {"label": {"labels": [{"name": "cat", "parent": ""}, {"name": "dog", "parent": ""}], "attributes": []}}
    top = {"info": {}, "categories": names}
    write(tmp_path / "annotations" / "train.json", {**top, "items": [item("a b", label(1))]})
    val = write(tmp_path / "annotations" / "val.json", {**top, "items": [item("c", label(0)), item("d")]})
    half = {"images/val/c.png": ("cat", "val"), "images/val/d.png": (None, "val")}
    assert listed(tmp_path) == {"images/train/a b.png": ("dog", "train"), **half}
    assert listed(val) == half
    write(val, {**top, "items": [item("c", label(2))]})
    with pytest.raises(InputError, match="the label 2"):
        image_listing.load(val)


def test_imagenet_lists(tmp_path) -> None:
    put(tmp_path, "images/cat/1.png", "images/a dog.png", "images/none.png")
    write(tmp_path / "synsets.txt", "cat\ndog\n")
    write(tmp_path / "train.txt", 'cat/1.png 0\n"a dog".png 1\nnone.png\n')
    assert listed(tmp_path) == {
        "images/cat/1.png": ("cat", "train"),
        "images/a dog.png": ("dog", "train"),
        "images/none.png": (None, "train"),
    }
    write(tmp_path / "train.txt", "cat/1.png 0 1\n")
    with pytest.raises(InputError, match="several labels"):
        image_listing.load(tmp_path)


def test_roboflow_tables(tmp_path) -> None:
    put(tmp_path, "train/a.png", "train/b.png", "valid/a.png", "test/c.png")
    header = ["filename", " cat", " dog", " Unlabeled"]
    write(tmp_path / "train" / "_classes.csv", [header, ["a.png", " 1", " 0", " 0"], ["b.png", " 0", " 0", " 1"]])
    write(tmp_path / "valid" / "_classes.csv", [header, ["a.png", " 0", " 1", " 0"]])
    test = write(tmp_path / "test" / "_classes.csv", [header, ["c.png", " 0", " 0", " 0"]])
    assert listed(tmp_path) == {
        "train/a.png": ("cat", "train"),
        "train/b.png": (None, "train"),
        "valid/a.png": ("dog", "val"),
        "test/c.png": (None, "test"),
    }
    assert listed(test) == {"c.png": (None, "test")}
    write(test, [header, ["c.png", " 1", " 1", " 0"]])
    with pytest.raises(InputError, match=r"several labels for one image .*1 of 4 images; test/c\.png: cat, dog"):
        image_listing.load(tmp_path)


def test_fiftyone_labels(tmp_path) -> None:
    put(tmp_path, "data/a.b.png", "data/deep/c.jpg", "data/d.png", "data/e.png")
    write(tmp_path / "data" / "a.b.txt", "no image")
    labels = {"a.b": 1, "deep/c": [{"label": 0, "confidence": 0.9}], "d": None, str(tmp_path / "data" / "e.png"): 0}
    file = write(tmp_path / "labels.json", {"classes": ["cat", "dog"], "labels": labels})
    expected = {
        "data/a.b.png": ("dog", None),
        "data/deep/c.jpg": ("cat", None),
        "data/d.png": (None, None),
        "data/e.png": ("cat", None),
    }
    assert listed(tmp_path) == listed(file) == expected
    write(file, {"classes": None, "labels": {"a.b": "emu"}})
    assert listed(tmp_path) == {"data/a.b.png": ("emu", None)}
    put(tmp_path, "data/a.b.jpg")
    with pytest.raises(InputError, match=r"a\.b may be data/a\.b\.(jpg|png)"):
        image_listing.load(tmp_path)


def coco(*annotations: dict[str, Any], images: int = 2) -> dict[str, Any]:
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 40, "height": 30} for n in range(images)],
        "categories": [{"id": 5, "name": "cat"}, {"id": 6, "name": "dog"}],
        "annotations": [{"id": n, "image_id": n % images, **each} for n, each in enumerate(annotations)],
    }


def test_coco_with_one_category_an_image(tmp_path) -> None:
    put(tmp_path, "train/0.png", "train/1.png", "valid/0.png", "valid/1.png")
    whole = {"category_id": 6, "bbox": [0, 0, 40, 30], "segmentation": []}
    write(tmp_path / "train" / "_annotations.coco.json", coco({"category_id": 5}, whole))
    write(tmp_path / "valid" / "_annotations.coco.json", coco({"category_id": 5}))
    assert listed(tmp_path) == {
        "train/0.png": ("cat", "train"),
        "train/1.png": ("dog", "train"),
        "valid/0.png": ("cat", "val"),
        "valid/1.png": (None, "val"),
    }
    file = write(tmp_path / "annotations" / "instances_val.json", coco({"category_id": 5}))
    with pytest.raises(InputError, match=r"0\.png may be train/0\.png, valid/0\.png"):
        image_listing.load(file)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.json", coco({"category_id": 5, "bbox": [1, 1, 5, 5]}), "1 boxes or masks"),
        ("a.json", coco({"category_id": 5}, {"category_id": 6}, images=1), "several labels .*0.png: cat, dog"),
        ("a.json", [task("0.png", [{"type": "rectanglelabels", "value": {"x": 1}}])], "1 boxes or shapes"),
        ("a.json", [task("0.png", [choices("cat", x=3)])], "1 boxes or shapes"),
        ("a.json", [task("0.png", [choices("cat", "dog")])], "several labels"),
        ("a.json", [{"image": "0.png", "label": [{"x": 1, "rectanglelabels": ["cat"]}], **ABOUT}], "1 boxes or shapes"),
        ("annotations.xml", cvat(("0.png", "", "<box label='cat'></box>")), "1 shapes"),
        ("annotations.xml", cvat(("0.png", "", tag("cat", "dog"))), "several labels"),
        ("annotations.xml", "<annotations><track label='cat'></track></annotations>", "a video"),
        ("labels.json", {"classes": ["a"], "labels": {"0": [{"label": 0, "bounding_box": [0, 0, 1, 1]}]}}, "1 boxes"),
        ("labels.json", {"classes": ["a", "b"], "labels": {"0": [0, 1]}}, "several labels"),
    ],
)
def test_other_tasks_say_so(tmp_path, name: str, content: Any, what: str) -> None:
    put(tmp_path, "0.png", "1.png")
    with pytest.raises(InputError, match=rf"{what}.*one class for each image"):
        image_listing.load(write(tmp_path / name, content))


REFUSED = "leaves the dataset's root|can't be the path"
ESCAPES = ("../secret.png", "/etc/passwd", "a/../../secret.png", "x\0.png", "..", "\ud800.png")


@pytest.mark.parametrize("path", ESCAPES)
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, path: str) -> None:
    root = tmp_path / "data"
    put(tmp_path, "secret.png", "data/0.png")
    files: list[tuple[str, Any]] = [
        ("studio.json", [task(path, [choices("cat")])]),
        ("uploaded.json", [task(f"/data/upload/{path}", [choices("cat")])]),
        ("local.json", [task(f"/data/local-files/?d={path}", [choices("cat")])]),
        ("min.json", [{"image": path, "choice": "cat", **ABOUT}]),
        ("coco.json", {**coco(images=1), "images": [{"id": 0, "file_name": path}]}),
        ("labels.json", {"classes": ["cat"], "labels": {path: 0}}),
        ("datumaro.json", {"categories": {}, "items": [{"id": "x", "image": {"path": path}, "annotations": []}]}),
    ]
    for name, content in files:
        with pytest.raises(InputError, match=f"{REFUSED}|no field with an image|none of the 1 images"):
            image_listing.load(write(root / name, content))
        (root / name).unlink()
    if path.isprintable():
        write(root / "annotations.xml", cvat((path, "../..", tag("cat"))))
        with pytest.raises(InputError, match=REFUSED):
            image_listing.load(root)


def test_hostile_files(tmp_path) -> None:
    put(tmp_path, "1.png")
    entities = '<!DOCTYPE a [<!ENTITY x "y">]><annotations><image name="&x;"/></annotations>'
    with pytest.raises(InputError, match="document type"):
        image_listing.load(write(tmp_path / "annotations.xml", entities))
    write(tmp_path / "annotations.xml", "<annotations><image name='1.png'>")
    with pytest.raises(InputError, match="no readable XML"):
        image_listing.load(tmp_path / "annotations.xml")
    for content in ("[" * 100_000, "{}", "[1]", '{"images": 3, "annotations": {}}', '{"classes": 1, "labels": 2}'):
        with pytest.raises(InputError, match="no export that imageclinic knows"):
            image_listing.load(write(tmp_path / "a.json", content))
    names = ["\x1b[31mcat", "c" * 3000, "a\nb"]
    file = write(tmp_path / "a.json", [task("1.png", [choices(name)]) for name in names])
    assert "\x1b" not in " ".join(image_listing.load(file).notes)


def test_a_label_never_goes_to_another_image_of_the_name(tmp_path) -> None:
    put(tmp_path, "a/1.png", "b/1.png", "c/2.png")
    near = write(tmp_path / "near.json", [task("https://x.org/b/1.png", [choices("cat")])])
    assert listed(near) == {"b/1.png": ("cat", None)}
    put(tmp_path, "runs/x/.imageclinic-run", "runs/x/added/b/1.png")
    assert listed(near) == {"b/1.png": ("cat", None)}, "a run's pictures are no images of the dataset"
    unclear = write(tmp_path / "unclear.json", [task("https://x.org/z/1.png", [choices("cat")])])
    with pytest.raises(InputError, match=r"may be a/1\.png, b/1\.png"):
        image_listing.load(unclear)
    twice = [task("s3://p/2.png", [choices("cat")]), task("s3://q/z/2.png", [choices("dog")])]
    with pytest.raises(InputError, match=r"would both be c/2\.png"):
        image_listing.load(write(tmp_path / "twice.json", twice))


def test_folders_of_classes_with_files_of_these_names_stay_what_they_are(folder, tmp_path) -> None:
    write(folder / "labels.json", {"cat": 0, "dog": 1})
    write(folder / "synsets.txt", "cat\ndog\n")
    write(folder / "README.txt", "two classes of pets\n")
    assert image_listing.load(folder).layout == "class"
    write(folder / "annotations.xml", cvat(("cat/0.png", "", tag("dog"))))
    assert image_listing.load(folder).layout == "CVAT"
    assert image_listing.load(folder, layout="class").layout == "class"
    write(folder / "annotations.xml", cvat(("cat/0.png", "", "<box label='nose'></box>")))
    listing = image_listing.load(folder)
    assert listing.layout == "class" and "1 shapes" in listing.notes[0]


def test_an_audit_of_an_export_with_missing_and_unlabelled_images(tmp_path) -> None:
    for n in range(3):
        put(tmp_path, f"pets/{n}.png")
        picture(n).save(tmp_path / "pets" / f"{n}.png")
    tags = [tag("cat"), tag("dog"), "", tag("cat")]
    file = write(tmp_path / "pets" / "annotations.xml", cvat(*((f"{n}.png", "", each) for n, each in enumerate(tags))))
    result = imageclinic.audit(file, tmp_path / "run", checks=["corrupted", "exact_duplicate"], workers=1)
    dataset = result.run.read_dataset().set_index("image_id")
    assert dataset["read_error"].dropna().to_dict() == {"3.png": "file is missing"}
    assert pd.isna(dataset.loc["2.png", "label"]) and any("3.png" in note for note in result.notes)
    (tmp_path / "pets" / "3.png").write_bytes(b"")
    for n in range(4):
        (tmp_path / "pets" / f"{n}.png").unlink()
    with pytest.raises(InputError, match="none of the 4 images"):
        image_listing.load(file)


def test_a_packed_export_is_to_be_unpacked(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.writestr("images/1.png", PNG)
        archive.writestr("annotations.xml", cvat(("1.png", "", tag("cat"))))
    with pytest.raises(InputError, match=r"export of annotations .*unzip"):
        recognise(tmp_path / "task.zip", Reading({}, None))
    assert recognise(tmp_path / "task.zip", Reading({}, "any")) is not None
