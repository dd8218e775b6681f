"""Balancing is for training images only, can be proven, and is what the lines of Keras and `imageclinic train` use."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imageclinic.cleaning.export import balance
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.proof.prove_export import verify
from imageclinic.cleaning.export.write_export import CleanedDataset, export
from imageclinic.core import run as runs
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.training.data import export_balance
from imageclinic.training.fit import train_export
from imageclinic.training.fit.settings import Settings

pytestmark = pytest.mark.usefixtures("only_equal_files_are_copies")

#: The folder of the second sorts otherwise than its name.
SIZES = {"cat": 6, "?dog": 18, "owl": 12}


def exported(root: Path, **options: Any) -> Path:
    """An export of 36 pictures of three classes, of unequal numbers: half of each train, the rest val."""
    rows = []
    for kind, (label, n) in enumerate(SIZES.items()):
        for i in range(n):
            name = f"{label.strip('?')}{i:02}.png"
            pixels = np.random.default_rng(kind * 100 + i).integers(0, 80, (8, 8, 3)) + 80 * kind
            (root / "data").mkdir(exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(root / "data" / name)
            rows.append((name, label, "train" if i % 2 else "val"))
    images = pd.DataFrame(rows, columns=["image_id", "label", "split"])
    content = [(root / "data" / name).read_bytes() for name in images["image_id"]]
    dataset = tables.frame(
        tables.DATASET,
        image_id=images["image_id"],
        label=images["label"],
        bytes=[len(c) for c in content],
        mtime_ns=0,
        sha256=[hashlib.sha256(c).hexdigest() for c in content],
        format="PNG",
        width=8,
        height=8,
    )
    run = runs.create(root / "run")
    run.update_info({"root": str(root / "data")})
    run.write(tables.DATASET, dataset)
    splits = tables.frame(tables.SPLIT_TABLE, image_id=images["image_id"], split=images["split"])
    none = pd.DataFrame(columns=["image_id", "change", "from_label", "to_label", "why", "reviewer"], dtype="str")
    content = CleanedDataset(dataset, splits, tables.empty(tables.CLUSTERS), none)
    export(content, run, root / "out", ExportOptions(**options))
    return root / "out"


def failing(out: Path) -> set[str]:
    return {proof.name for proof in verify(out) if not proof.ok}


def loaded(out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the lines in DATASET.md define."""
    found = re.search(r"```python\n(.*?)```", (out / "DATASET.md").read_text("utf-8"), re.S)
    assert found
    monkeypatch.chdir(out)
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(found[1], names)
    return names


@pytest.mark.parametrize(("how", "each"), [("oversample", 9), ("undersample", 3)])
def test_a_sample_is_of_training_images_and_even(
    how: str, each: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = exported(tmp_path, balance=how)
    assert failing(out) == set()
    manifest = tables.read_csv(out / "manifest.csv", tables.MANIFEST)
    table = tables.read_csv(out / "balance.csv", tables.BALANCE)
    assert set(table["image_id"]) == set(manifest.loc[manifest["split"] == "train", "image_id"])
    assert (table.groupby("label")["times"].sum() == each).all()
    assert table["times"].min() == (1 if how == "oversample" else 0)
    names = loaded(out, monkeypatch)
    assert np.bincount(names["y"]).tolist() == [each] * 3
    assert names["x"].shape == (3 * each, 8, 8, 3)
    assert sum(len(y) for _, y in names["val"]) == 18
    result = train_export.train(out, to=tmp_path / "model", settings=Settings(epochs=1, mirror="no"))
    assert result["images"] == {"train": 3 * each, "val": 18, "test": 0}


@pytest.mark.slow
def test_weights_fit_the_numbers_of_the_folder_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = exported(tmp_path, balance="weights")
    assert failing(out) == set()
    names = loaded(out, monkeypatch)
    # "?dog" sorts first as a name, and its folder "_dog" too; both orders are asserted by the numbers.
    sizes = {names["train"].class_names.index(folder): SIZES[label] // 2 for folder, label in
             (("cat", "cat"), ("_dog", "?dog"), ("owl", "owl"))}  # fmt: skip
    assert names["class_weight"] == pytest.approx({n: 18 / (3 * size) for n, size in sizes.items()})
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")])
    network.compile("sgd", "sparse_categorical_crossentropy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(names["train"], class_weight=names["class_weight"], verbose=0)
    manifest = tables.read_csv(out / "manifest.csv", tables.MANIFEST)
    rows, weights = export_balance.read(out, manifest[manifest["split"] == "train"], sorted(SIZES))
    assert len(rows) == 18
    assert weights == pytest.approx({0: 18 / 27, 1: 2.0, 2: 1.0})
    result = train_export.train(out, to=tmp_path / "model", settings=Settings(epochs=1, mirror="no"))
    assert result["images"]["train"] == 18


@pytest.mark.parametrize("how", ["oversample", "weights"])
def test_a_balance_that_was_changed_is_found(how: str, tmp_path: Path) -> None:
    out = exported(tmp_path, balance=how)
    if how == "weights":
        content = json.loads((out / "class_weights.json").read_text("utf-8"))
        content["weights"][0] *= 2
        (out / "class_weights.json").write_text(json.dumps(content), "utf-8")
    else:
        table = tables.read_csv(out / "balance.csv", tables.BALANCE)
        manifest = tables.read_csv(out / "manifest.csv", tables.MANIFEST)
        other = manifest.loc[manifest["split"] == "val", "image_id"].iloc[0]
        table.loc[0, "image_id"] = other
        tables.write_csv(out / "balance.csv", table, tables.BALANCE)
        with pytest.raises(InputError, match="lacks 1 training images"):
            train_export.train(out, to=tmp_path / "model", settings=Settings(epochs=1))
    assert failing(out) == {"indexes"}


def test_records_can_not_be_sampled(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="records can't be named"):
        exported(tmp_path, balance="oversample", format="tfrecord")
    with pytest.raises(InputError, match="none, weights, oversample, undersample"):
        exported(tmp_path, balance="even")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.sampled_from(["oversample", "undersample"]))
def test_classes_become_even(labels: list[str], how: str) -> None:
    manifest = pd.DataFrame(
        {"image_id": [f"{n}" for n in range(len(labels))], "path": "train/x", "label": labels, "split": "train"}
    )
    table = balance.sampling(manifest, how, 0)
    counts = pd.Series(labels).value_counts()
    goal = counts.max() if how == "oversample" else counts.min()
    assert (table.groupby("label")["times"].sum() == goal).all()
    spread = table.groupby("label")["times"].agg(["min", "max"])
    assert ((spread["max"] - spread["min"]) <= 1).all()
