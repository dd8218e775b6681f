"""An audit of what is not in folders: the same tables as of the folder, and a run that every command takes."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imageclinic
from imageclinic.cli import app
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.workflows.steps import diagnosis_images

CHECKS = ("exact_duplicate", "corrupted", "dark", "class_imbalance")


def pack(folder: Path, file: Path) -> Path:
    with tarfile.open(file, "w") as tar:
        tar.add(folder, folder.name)
    return file


def test_an_archive_is_audited_as_its_folder_is(folder, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(folder / "cat" / "1.png", folder / "cat" / "copy.png")
    file = pack(folder, tmp_path / "pets.tar")
    plain = imageclinic.audit(folder, "plain", checks=CHECKS, workers=1)
    monkeypatch.setattr(
        "sys.argv", ["imageclinic", "audit", "pets.tar", "--checks", ",".join(CHECKS), "--workers", "1"]
    )
    with pytest.raises(SystemExit) as done:
        app.main()
    assert done.value.code == 0
    assert f"17 images in {file}" in " ".join(capsys.readouterr().out.split())
    run = imageclinic.audit("pets.tar", checks=CHECKS, workers=1).run
    assert run.path == tmp_path / "imageclinic-runs" / "pets"
    for schema in (tables.DATASET, tables.FEATURES, tables.ISSUES):
        ours, theirs = run.read(schema), plain.run.read(schema)
        for column in ("image_id", "related"):
            if column in theirs:
                theirs[column] = "pets/" + theirs[column]
        if "evidence" in theirs:
            ours["evidence"] = ours["evidence"].str.replace("pets/", "")
        leave = {"mtime_ns", "issue_id", "cluster"}
        pd.testing.assert_frame_equal(
            ours[[c for c in ours if c not in leave]], theirs[[c for c in theirs if c not in leave]]
        )

    shutil.move(run.path, tmp_path / "moved")
    file.unlink()
    imageclinic.decide(tmp_path / "moved", accept=["exact_duplicate"])
    imageclinic.export(tmp_path / "moved", tmp_path / "clean")
    assert len(list((tmp_path / "clean").rglob("*.png"))) == 16
    assert imageclinic.report(tmp_path / "moved").is_file()


def test_a_diagnosis_reads_what_an_audit_does(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = pack(folder, tmp_path / "pets.tar")
    plain = diagnosis_images.find(folder, None, 0).images
    packed = diagnosis_images.find(file, None, 0)
    assert packed.folder == tmp_path / "pets-diagnosis" and all(Path(p).is_file() for p in packed.images["path"])
    labels = packed.images.set_index("image_id")["label"].rename(lambda name: name.removeprefix("pets/"))
    assert labels.to_dict() == plain.set_index("image_id")["label"].to_dict()
    x = np.stack([np.full((9, 9), 16 * n, np.uint8) for n in range(12)])
    arrays = diagnosis_images.find((x, [0, 1] * 6), tmp_path / "to", 0)
    assert arrays.images["label"].value_counts().to_dict() == {"0": 6, "1": 6} and arrays.folder == tmp_path / "to"


def test_what_another_audit_of_the_run_may_be_of(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = pack(folder, tmp_path / "pets.tar")
    first = imageclinic.audit(file, "run", checks=CHECKS, workers=1)
    x, y = np.zeros((4, 9, 9), np.uint8), [0, 0, 1, 1]
    with pytest.raises(InputError, match=r"holds a run of .*pets\.tar.*--out"):
        imageclinic.audit((x, y), "run", checks=CHECKS)
    with pytest.raises(InputError, match=r"holds a run of .*--out"):
        imageclinic.audit(folder, "run", checks=CHECKS)
    assert len(list(first.run.root.rglob("*.png"))) == 16
    (folder / "cat" / "7.png").unlink()
    pack(folder, file)
    again = imageclinic.audit(file, "run", checks=CHECKS, workers=1)
    assert len(again.run.read_dataset()) == 15
    assert any(note.startswith("changed since the last audit") for note in again.notes)
    with pytest.raises(InputError, match=r"data=….* is object.*tf\.data"):
        imageclinic.audit(object(), "run")
