"""Each format of an export: the lines of Keras in its DATASET.md are run and trained on, and its proof can fail."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

import imageclinic
from imageclinic.cleaning.decisions.apply import apply
from imageclinic.cleaning.export import formats, place_file
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.formats import tfrecord
from imageclinic.cleaning.export.packed import packed_format
from imageclinic.cleaning.export.proof.prove_export import verify
from imageclinic.cleaning.export.write_export import CleanedDataset
from imageclinic.cleaning.export.write_export import export as write
from imageclinic.cleaning.review import session
from imageclinic.cleaning.review.database import mongod
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.workflows.steps.run_state import load
from imageclinic.workflows.steps.splits import assign
from tests.conftest import LEARNING
from tests.helpers import foreign_loaders
from tests.helpers.prepared_fiftyone import prepare

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("only_equal_files_are_copies")]

#: Hostile to folders, to CSV files that are read by guessing, and to Markdown.
CLASSES = ("01", "a|b`c", "../up")
N = 60
RECORDS = tfrecord.Format()


def picture(seed: int, kind: int) -> Image.Image:
    """Noise whose brightness gives its class; no two alike."""
    pixels = np.random.default_rng(seed).integers(0, 80, (12, 16, 3)) + 80 * kind
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audit of 60 pictures of three classes, named by a manifest, some of them alike."""
    root = tmp_path_factory.mktemp("formats")
    rows = []
    for n in range(N):
        kind = n % 3
        # The same stem with two suffixes, in one class: FiftyOne's loader identifies images by stems.
        name = f"{n // 6}.{'png' if n % 6 < 3 else 'bmp'}"
        path = root / "pets" / str(kind) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(n, kind).save(path)
        rows.append({"path": f"pets/{kind}/{name}", "label": CLASSES[kind]})
    pd.DataFrame(rows).to_csv(root / "pets.csv", index=False)
    return imageclinic.audit(root / "pets.csv", root / "run", skip=LEARNING).run.path


@pytest.fixture(scope="module")
def exports(run: Path) -> Callable[[str], Path]:
    """An export of each format, made when it is first asked for."""

    def export(format: str) -> Path:
        out = run.parent / format
        if not out.exists():
            state = load(run)
            cleaned, changes = apply(state.dataset, state.current)
            splits, _ = assign(state, cleaned, (0.6, 0.2, 0.2), 0)
            content = CleanedDataset(cleaned, splits, state.clusters, changes)
            write(content, state.run, out, ExportOptions(format=format))
        return out

    return export


@pytest.fixture(scope="module")
def fiftyone(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Iterator[Any]:
    """FiftyOne on a database of its own."""
    from imageclinic.core.run import open_run

    before = dict(os.environ)
    os.environ.pop("FIFTYONE_DATABASE_URI", None)
    with mongod.running(lambda line: None) as database:
        prepare(database.uri, tmp_path_factory.mktemp("plugins"), open_run(run), "ann")
        import fiftyone

        yield fiftyone
        session.forget_database()
    os.environ.clear()
    os.environ.update(before)


def lines(out: Path) -> str:
    """The lines of Keras in DATASET.md."""
    found = re.search(r"```python\n(.*?)```", (out / "DATASET.md").read_text("utf-8"), re.S)
    assert found
    return found[1]


def loaded(out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the lines define, run where they say."""
    monkeypatch.chdir(out)
    names: dict[str, Any] = {}
    with foreign_loaders.quiet():
        exec(lines(out), names)
    return names


def learns(x: Any, y: Any = None) -> float:
    """Training accuracy of a tiny model, which distinguishes the classes by their brightness."""
    network = keras.Sequential(
        [
            keras.layers.Rescaling(1 / 127.5, -1),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    network.compile(keras.optimizers.Adam(0.3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = network.fit(x, y, epochs=30, shuffle=y is not None, verbose=0)
    return float(history.history["accuracy"][-1])


def truth(out: Path, split: str) -> list[int]:
    """Class numbers of a split, sorted."""
    manifest = tables.read_csv(out / "manifest.csv", tables.MANIFEST)
    return sorted(sorted(CLASSES).index(label) for label in manifest.loc[manifest["split"] == split, "label"])


@pytest.mark.parametrize("format", ["folders", "tfrecord"])
def test_the_lines_give_datasets(format: str, exports: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    names = loaded(exports(format), monkeypatch)
    for split in tables.SPLITS:
        batches = [(x, y) for x, y in names[split]]
        assert all(x.shape[1:] == (12, 16, 3) for x, _ in batches)
        numbers = sorted(int(n) for _, y in batches for n in y)
        assert np.bincount(numbers).tolist() == np.bincount(truth(exports(format), split)).tolist()
    assert learns(names["train"]) > 0.9


@pytest.mark.parametrize("format", ["manifest", "imagefolder", "fiftyone", "parquet", "webdataset"])
def test_the_lines_give_arrays(
    format: str,
    exports: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if format == "fiftyone":
        request.getfixturevalue("fiftyone")
    if format == "imagefolder":
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    names = loaded(exports(format), monkeypatch)
    assert names["x"].shape == (36, 12, 16, 3)
    assert sorted(names["y"]) == truth(exports(format), "train")
    assert learns(names["x"], names["y"]) > 0.9


def test_a_class_whose_name_reads_as_a_number_keeps_its_number() -> None:
    rows = pd.DataFrame({"path": ["train/01/a.png", "train/NA/b.png"], "label": ["01", "NA"], "split": "train"})
    imagefolder = formats.load("imagefolder")
    assert imagefolder.indexes(rows) == {"train/metadata.csv": "file_name,label\n01/a.png,0\nNA/b.png,1\n"}
    rows = rows.assign(label=["cat", 'd"og'])
    assert imagefolder.indexes(rows) == {
        "train/metadata.csv": 'file_name,label,class\n01/a.png,0,cat\nNA/b.png,1,"d""og"\n'
    }


def test_equal_inputs_give_equal_records(run: Path, exports: Callable[[str], Path], tmp_path: Path) -> None:
    summary = imageclinic.export(run, tmp_path / "again", format="tfrecord", split=(0.6, 0.2, 0.2))
    assert all(proof["ok"] for proof in summary["proofs"])
    assert {"records", "copies"} <= {proof["name"] for proof in summary["proofs"]}
    for file in sorted(exports("tfrecord").glob("*.tfrecord")):
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def unpacked(out: Path, folder: Path) -> pd.DataFrame:
    return RECORDS.unpack(sorted(out.glob("*.tfrecord")), folder)


def test_records_are_sharded_and_come_back(
    exports: Callable[[str], Path], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = exports("folders")
    manifest = tables.read_csv(out / "manifest.csv", tables.MANIFEST)
    monkeypatch.setattr(packed_format, "SHARD", 4000)
    files = [out / p for p in manifest["path"]]
    RECORDS.place(manifest, files, tmp_path, "copy", lambda done, total: None)
    shards = sorted(path.name for path in tmp_path.glob("train-*"))
    assert len(shards) > 3
    assert shards[-1] == f"train-{len(shards) - 1:05}-of-{len(shards):05}.tfrecord"
    records = unpacked(tmp_path, tmp_path / "back").set_index("path")
    folder_of = dict(zip(manifest["label"], manifest["path"].str.split("/").str[1], strict=True))
    as_keras_sorts = sorted(CLASSES, key=folder_of.__getitem__)
    assert sorted(records.index) == sorted(manifest["path"])
    for path, label in zip(manifest["path"], manifest["label"], strict=True):
        assert (tmp_path / "back" / path).read_bytes() == (out / path).read_bytes()
        assert records.at[path, "number"] == as_keras_sorts.index(label)


def test_a_record_can_not_leave_the_folder(tmp_path: Path) -> None:
    manifest = pd.DataFrame({"image_id": ["a"], "path": ["../../evil.png"], "label": ["a"], "split": ["train"]})
    (tmp_path / "a.png").write_bytes(b"x")
    manifest["sha256"] = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    (tmp_path / "deep" / "out").mkdir(parents=True)
    RECORDS.place(manifest, [tmp_path / "a.png"], tmp_path / "deep" / "out", "copy", lambda done, total: None)
    with pytest.raises(InputError, match=r"evil\.png"):
        unpacked(tmp_path / "deep" / "out", tmp_path / "deep" / "back")
    assert not (tmp_path / "evil.png").exists()


def test_a_pipe_in_a_shards_place_does_not_hold_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train-00000-of-00001.tfrecord")
    with pytest.raises(InputError, match="no regular file"):
        unpacked(tmp_path, tmp_path / "back")


def failing(out: Path) -> set[str]:
    """The proofs that fail."""
    return {proof.name for proof in verify(out) if not proof.ok}


def broken(out: Path, proof: str) -> None:
    """Make a proof fail."""
    shard = next(iter(out.glob("train-*.tfrecord")), None)
    match proof:
        case "records":
            assert shard
            content = bytearray(shard.read_bytes())
            content[len(content) // 2] ^= 1
            shard.write_bytes(content)
        case "files":
            assert shard
            shard.unlink()
        case "nothing else":
            assert shard
            (out / "train-00009-of-00009.txt").write_text("x")
        case "indexes":
            index = next(out.glob("train/*.json"), None) or next(out.glob("train/*.csv"))
            index.write_text(index.read_text("utf-8").replace("0", "1", 1), "utf-8")
        case "facts":
            (out / "export.json").unlink()
        case "counts":
            about = json.loads((out / "export.json").read_text("utf-8"))
            about["images"]["train"] += 1
            (out / "export.json").write_text(json.dumps(about), "utf-8")


@pytest.mark.parametrize(
    ("format", "proof"),
    [
        ("tfrecord", "records"),
        ("tfrecord", "files"),
        ("tfrecord", "nothing else"),
        ("imagefolder", "indexes"),
        ("fiftyone", "indexes"),
        ("folders", "facts"),
        ("folders", "counts"),
    ],
)
def test_each_format_s_proof_can_fail(format: str, proof: str, exports: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(exports(format), tmp_path / "out")
    assert failing(tmp_path / "out") == set()
    broken(tmp_path / "out", proof)
    assert proof in failing(tmp_path / "out")


def test_a_record_with_a_wrong_class_is_found(exports: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(exports("tfrecord"), tmp_path / "out")
    shard = next((tmp_path / "out").glob("val-*"))
    examples = [tf.train.Example.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset(str(shard))]
    label = examples[0].features.feature["label"].int64_list.value
    label[0] = (label[0] + 1) % 3
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    assert failing(tmp_path / "out") == {"records"}


def test_reflinks_share_blocks_or_say_that_they_can_not(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(b"x" * 8192)
    with pytest.raises(InputError, match="changed since"):
        place_file.put(source, tmp_path / "b.png", "0" * 64, "reflink")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    try:
        place_file.put(source, tmp_path / "b.png", digest, "reflink")
    except InputError as error:
        assert "use --link copy" in str(error).lower()
    else:
        assert (tmp_path / "b.png").read_bytes() == source.read_bytes()
        assert not source.samefile(tmp_path / "b.png")
    with pytest.raises(FileNotFoundError):
        place_file.put(source, tmp_path / "none" / "b.png", digest, "reflink")


def test_records_are_no_links(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shards hold"):
        imageclinic.export(run, tmp_path / "out", format="tfrecord", link="symlink")
