"""Classes that are numbers: their order, their names and the mapping, in every format and to the loaders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import imageclinic
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from tests.conftest import LEARNING
from tests.helpers import foreign_loaders

pytestmark = pytest.mark.slow

CLASSES = [str(n) for n in range(11)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits and a ten: all pictures of class n have n × 20 in their red channel."""
    root = tmp_path_factory.mktemp("numbers") / "digits"
    random = np.random.default_rng(0)
    for label in CLASSES:
        (root / label).mkdir(parents=True)
        for n in range(6):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            pixels[..., 0] = 20 * int(label)
            Image.fromarray(pixels).save(root / label / f"{n}.png")
    return imageclinic.audit(root, root.parent / "run", skip=LEARNING).run.path


@pytest.mark.parametrize("format", ["folders", "imagefolder", "fiftyone", "manifest", "tfrecord"])
def test_the_mapping_is_in_every_format(
    format: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    summary = imageclinic.export(run, out, format=format, split=(0.5, 0.25, 0.25))
    assert all(proof["ok"] for proof in summary["proofs"]), summary["proofs"]
    assert summary["class_names"] == CLASSES
    mapping = json.loads((out / "classes.json").read_text("utf-8"))
    assert [(row["index"], row["class"]) for row in mapping] == list(enumerate(CLASSES))
    manifest = tables.read_csv(out / "manifest.csv", tables.MANIFEST)
    assert (manifest["class_index"] == manifest["label"].astype(int)).all()
    sheet = (out / "DATASET.md").read_text("utf-8")
    assert "| 10 | 10 | 6 |" in sheet and "| 2 | 2 | 6 |" in sheet
    monkeypatch.chdir(out)
    if format == "folders":
        scope: dict[str, object] = {}
        exec(sheet.split("```python\n")[1].split("```")[0], scope)
        for images, numbers in scope["train"]:  # type: ignore[attr-defined]
            assert np.array_equal(np.round(images.numpy()[:, 0, 0, 0] / 20), numbers.numpy())
    if format == "imagefolder":
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        with foreign_loaders.quiet():
            data = datasets.load_dataset("imagefolder", data_dir=".")["train"]
        assert [str(n) for n in data["label"]] == list(data["class"])


def test_an_altered_number_is_found(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    imageclinic.export(run, out, format="manifest", split=(0.5, 0.25, 0.25))
    manifest = tables.read_csv(out / "manifest.csv", tables.MANIFEST)
    manifest["class_index"] = manifest["class_index"].where(manifest["label"] != "3", 4)
    tables.write_csv(out / "manifest.csv", manifest, tables.MANIFEST)
    assert not imageclinic.verify(out)["ok"].all()


def test_a_class_that_would_be_lost_is_an_error(run: Path, tmp_path: Path) -> None:
    from imageclinic.cleaning.export.losses import left_out

    dataset = tables.frame(
        tables.DATASET,
        image_id=["bird/1", "bird/2", "cat/1", "dog/1", "Cat/1"],
        label=["bird", "bird", "cat", "dog", "Cat"],
        bytes=[1] * 5,
        mtime_ns=[0] * 5,
        read_error=["truncated", "unsupported: x", None, None, None],
    )
    changes = pd.DataFrame(
        [
            ("bird/1", "unreadable", "bird", None, "truncated", None),
            ("bird/2", "unreadable", "bird", None, "unsupported: x", None),
            ("dog/1", "dropped", "dog", None, "decided", "ann"),
            ("Cat/1", "relabelled", "Cat", "cat", "decided", "ann"),
        ],
        columns=["image_id", "change", "from_label", "to_label", "why", "reviewer"],
    )
    cleaned = dataset[dataset["label"].isin(["cat"])]
    found = left_out.of(dataset, cleaned, changes)
    assert found.lost == {"bird": 2, "dog": 1}, "what was merged into another class is not lost"
    assert found.unasked == ["bird"], "a person dropped the dog"
    assert found.notes() == [
        "2 images are left out, can't be decoded: 'bird' 2.",
        "1 images are left out, dropped by a decision: 'dog' 1.",
        "Classes of which no image is left: 'bird' 2, 'dog' 1.",
    ]
    with pytest.raises(InputError, match=r"no image is left of 'bird' 2 images \(2 of them can't be decoded\)"):
        raise found.refusal() or AssertionError
    by_policy = changes.assign(reviewer="policy:accept")
    assert left_out.of(dataset, cleaned, by_policy).unasked == ["bird", "dog"]
