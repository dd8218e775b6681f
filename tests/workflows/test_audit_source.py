"""Which images an audit is of, what is left out, and how a second audit of a run relates to the first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import imageclinic
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.workflows.audit import Audit
from tests.conftest import LEARNING
from tests.parts import lacking

Make = Callable[..., Image.Image]


def save(root: Path, make: Make, *names: str) -> Path:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        make(seed).save(root / name)
    return root


def audited(data: Path | pd.DataFrame, out: Path | None, **options: object) -> tuple[Audit, list[str]]:
    lines: list[str] = []
    result = imageclinic.audit(data, out, skip=LEARNING, workers=1, say=lines.append, **options)  # type: ignore[arg-type]
    return result, lines


def outcome(result: Audit, check: str) -> str:
    return str(result.outcomes.set_index("check").loc[check, "outcome"])


def test_unlabelled_test_images_are_audited_and_not_exported(tmp_path, make_picture) -> None:
    names = [f"train/{'cat' if n % 2 else 'dog'}/{n}.png" for n in range(20)] + [f"test/{n}.png" for n in range(4)]
    data = save(tmp_path / "data", make_picture, *names)
    shutil.copy(data / "train/cat/1.png", data / "test/copy.png")
    (data / "test/cut.png").write_bytes((data / "test/0.png").read_bytes()[:200])
    (data / "@eaDir").mkdir()
    shutil.copy(data / "test/0.png", data / "@eaDir/thumb.png")
    result, lines = audited(data, tmp_path / "run")
    assert not lacking(
        lines[0], "split/class", "2 classes", "cat", "dog", "train 20", "test 6", "6 images without label"
    )
    assert not lacking(lines[1], "1 image", "@eaDir")
    assert not lacking(lines[2], "6 images", "no label", "test/ 6")
    found = result.issues.groupby("check")["image_id"].agg(set)
    assert found["split_leakage"] == {"train/cat/1.png", "test/copy.png"}
    assert found["corrupted"] == {"test/cut.png"}
    assert outcome(result, "conflicting_label") == "clean"
    facts = result.run.info()["listing"]
    assert facts["in_words"] == lines[:3]
    assert (facts["layout"], facts["classes"], facts["unlabelled"]) == ("split/class", 2, 6)
    assert result.run.info()["arguments"]["layout"] is None
    report = imageclinic.report(result.run.path).read_text("utf-8")
    assert lines[0] in report
    summary = imageclinic.export(result.run.path, tmp_path / "out")
    assert (summary["classes"], summary["images"]) == (2, 20)
    assert {p.name for p in (tmp_path / "out" / "train").iterdir()} == {"cat", "dog"}
    again = audited(data, tmp_path / "run")[1]
    assert again[:4] == [*lines[:3], "nothing has changed since the last audit: these are its results"]


def test_images_without_any_label_can_be_audited(tmp_path, make_picture) -> None:
    data = save(tmp_path / "data", make_picture, *(f"train/{n}.png" for n in range(6)), "test/0.png")
    shutil.copy(data / "train/3.png", data / "test/copy.png")
    with pytest.raises(InputError, match="can mean several things"):
        audited(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    result, _ = audited(data, tmp_path / "run", layout="split")
    assert outcome(result, "split_leakage") == "found"
    assert "failed" not in set(result.outcomes["outcome"])
    assert outcome(result, "too_few_images") == outcome(result, "look_alike_classes") == "not_applicable"
    with pytest.raises(InputError, match=r"no image is left to export"):
        imageclinic.export(result.run.path, tmp_path / "out")


def test_several_labels_are_decided_like_other_conflicts(tmp_path, make_picture) -> None:
    data = save(tmp_path / "data", make_picture, *(f"{n}.png" for n in range(12)))
    rows = [(f"{n}.png", "cat" if n % 2 else "dog") for n in range(12)]
    table = pd.DataFrame([*rows, ("4.png", "cat")], columns=["path", "label"])
    result, lines = audited(table, tmp_path / "run", root=data)
    warnings = [line for line in lines if line.startswith("WARNING")]
    assert not lacking(warnings[0], "1 image", "conflicting_label", "4.png (cat, dog)")
    conflicts = result.issues[result.issues["check"] == "conflicting_label"]
    assert conflicts[["image_id", "score", "suggested_action"]].values.tolist() == [["4.png", 1.0, "review"]]
    (evidence,) = conflicts["evidence"]
    assert not lacking(evidence, "manifest", "cat and dog")
    assert imageclinic.export(result.run.path, tmp_path / "before")["images"] == 11
    (tmp_path / "mine.csv").write_text("image_id,decision,label\n4.png,relabel,cat\n")
    imageclinic.decide(result.run.path, source=tmp_path / "mine.csv", reviewer="ann")
    assert imageclinic.export(result.run.path, tmp_path / "after")["images"] == 12
    manifest = tables.read_csv(tmp_path / "after" / "manifest.csv", tables.MANIFEST).set_index("image_id")
    assert manifest.loc["4.png", "label"] == "cat"


def test_two_manifests_of_one_folder_have_two_runs(tmp_path, make_picture, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = save(tmp_path / "pets", make_picture, *(f"{n}.png" for n in range(8)))
    for name, label in (("v1", "dog"), ("v2", "wasp")):
        lines = [f"{n}.png,{'cat' if n % 2 else label}" for n in range(8)]
        (data / f"{name}.csv").write_text("\n".join(["path,label", *lines]))
    first, _ = audited(data / "v1.csv", None)
    second, _ = audited(data / "v2.csv", None)
    assert [r.run.path.name for r in (first, second)] == ["pets", "pets-v2"]
    assert audited(data / "v1.csv", None)[0].run.path.name == "pets"
    assert audited(data / "v2.csv", None)[0].run.path.name == "pets-v2"
    with pytest.raises(InputError, match=r"holds a run of the manifest .*v1.csv. Expected a run of the folder"):
        audited(save(data, make_picture, "cat/1.png", "dog/2.png"), None)
    replaced, lines = audited(data / "v2.csv", first.run.path)
    assert any(line.endswith("v1.csv: its results are replaced") for line in lines)
    assert any("4 changed (dog → wasp 4)" in line for line in lines)
    assert set(replaced.run.read_dataset()["label"]) == {"cat", "wasp"}


def test_a_run_of_an_earlier_version_is_continued(tmp_path, make_picture, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = save(tmp_path / "pets", make_picture, "0.png", "1.png", "2.png", "3.png")
    (data / "m.csv").write_text("path,label\n0.png,a\n1.png,a\n2.png,b\n3.png,b\n")
    run = audited(data / "m.csv", None)[0].run
    info = {key: value for key, value in run.info().items() if key not in ("source", "listing")}
    run.info_file.write_text(json.dumps(info))
    assert audited(data / "m.csv", None)[0].run.path == run.path


def test_a_moved_dataset_keeps_its_run(tmp_path, folder: Path) -> None:
    result, _ = audited(folder, tmp_path / "run")
    moved = folder.rename(tmp_path / "elsewhere")
    again, lines = audited(moved, tmp_path / "run")
    assert any(str(folder) in line and str(moved) in line for line in lines)
    assert again.run.root == moved
    pd.testing.assert_frame_equal(again.run.read_dataset(), result.run.read_dataset())
    for file in moved.rglob("*.png"):
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(file)
    other = moved.rename(tmp_path / "other")
    with pytest.raises(
        InputError, match=r"holds a run of .*elsewhere. Expected a run of .*other, or of the same files"
    ):
        audited(other, tmp_path / "run")


def test_a_class_that_vanishes_is_reported(tmp_path, folder: Path) -> None:
    (folder / "bird").mkdir()
    for n in range(3):
        (folder / "bird" / f"{n}.jpg").write_bytes(b"")
    (folder / "scan").mkdir()
    (folder / "scan" / "1.dcm").write_bytes(b"DICM")
    result, lines = audited(folder, tmp_path / "run")
    warnings = [line for line in lines if line.startswith("WARNING")]
    assert [w.split(":")[1].strip() for w in warnings] == [
        "1 class has no file that can be read as an image, and is left out",
        "no image of 1 class can be read, and an export will be without it",
    ]
    report = imageclinic.report(result.run.path).read_text("utf-8")
    assert all(warning.split(": ")[1] in report for warning in warnings)
    assert "scan (1 .dcm)" in report
