"""Images that may have several classes: audit, flags, decisions, split and export (docs/multi-label.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import imageclinic
from imageclinic.audit.labels import label_set_findings, label_set_model
from imageclinic.core import tables
from imageclinic.core.errors import InputError, NotApplicable
from imageclinic.core.run import open_run

CLASSES = ["ant", "bee", "cat", "dog"]
#: Rows with a class missing, and with a wrong one.
MISSING, WRONG = 5, 17


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame, np.ndarray]:
    """A manifest of 160 pictures, embeddings that tell their classes, and which classes are there."""
    folder, rng = tmp_path_factory.mktemp("label-sets"), np.random.default_rng(0)
    there = rng.random((160, 4)) < 0.45
    there[np.arange(160), rng.integers(0, 4, 160)] = True
    there[MISSING], there[WRONG] = [1, 1, 0, 0], [0, 0, 1, 0]
    given = there.copy()
    given[MISSING, 1], given[WRONG] = False, [0, 0, 0, 1]
    names = [f"{n:03d}.png" for n in range(160)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / name)
    cells = [" | ".join(CLASSES[k] for k in np.flatnonzero(row)[::-1]) for row in given]
    pd.DataFrame({"path": names, "label": cells}).to_csv(folder / "sets.csv", index=False)
    vectors = there @ rng.normal(size=(4, 12)) + rng.normal(scale=0.2, size=(160, 12))
    return folder / "sets.csv", pd.DataFrame({"image_id": names, "embedding": list(vectors.astype(np.float32))}), there


@pytest.fixture(scope="module")
def audited(data: tuple[Path, pd.DataFrame, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("label-sets-run") / "run"
    imageclinic.audit(data[0], run, embeddings=data[1], label_separator="|", workers=1)
    return run


def test_the_wrong_and_the_missing_class_are_named(audited: Path) -> None:
    run = open_run(audited)
    dataset = run.read_dataset().set_index("image_id")["label"]
    assert dataset["005.png"] == "ant" and dataset["017.png"] == "dog" and "bee|ant" not in set(dataset)
    issues = run.read(tables.ISSUES)
    found = issues[issues["check"] == "mislabeled"].set_index("image_id")
    assert set(found.index) == {"005.png", "017.png"} and (found["suggested_action"] == "relabel").all()
    assert found.loc["005.png", "suggested_label"] == "ant|bee"
    assert found.loc["017.png", "suggested_label"] == "cat"
    outcomes = pd.DataFrame(run.info()["outcomes"]).set_index("check")["outcome"]
    assert not outcomes.eq("failed").any()
    assert outcomes["overlapping_classes"] == outcomes["shortcut"] == "not_applicable"
    small = issues[issues["check"] == "too_few_images"]
    assert set(small["label"]) == set(CLASSES), "classes are counted, and not their combinations"


def test_a_decided_label_set_is_exported_and_proven(
    audited: Path, data: tuple[Path, pd.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    decisions = tmp_path / "mine.csv"
    decisions.write_text("image_id,decision,label\n005.png,relabel,bee | ant\n")
    imageclinic.decide(audited, source=decisions, reviewer="ann")
    with pytest.raises(InputError, match="--format manifest"):
        imageclinic.export(audited, tmp_path / "no")
    out = tmp_path / "out"
    summary = imageclinic.export(audited, out, format="manifest")
    assert all(proof["ok"] for proof in summary["proofs"]) and summary["class_names"] == CLASSES
    assert imageclinic.verify(out)["ok"].all()
    about, manifest = (
        json.loads((out / "export.json").read_text()),
        tables.read_csv(out / "manifest.csv", tables.MANIFEST),
    )
    assert about["label_separator"] == "|" and about["classes"] == CLASSES
    assert manifest.set_index("image_id")["label"]["005.png"] == "ant|bee"
    for refused in (
        lambda: imageclinic.compare(audited),
        lambda: imageclinic.compare(out, out),
        lambda: imageclinic.rerank(audited),
        lambda: imageclinic.diagnose(audited),
        lambda: imageclinic.diagnose(out),
        lambda: imageclinic.check(data[0], audited),
        lambda: imageclinic.train(out),
        lambda: imageclinic.tune(out),
    ):
        with pytest.raises(InputError, match="multi-label"):
            refused()


def test_what_takes_no_separator_says_so(data: tuple[Path, pd.DataFrame, np.ndarray], tmp_path: Path) -> None:
    for given, options in ((data[0].parent, {}), (data[0], {"train": "full"})):
        with pytest.raises(InputError):
            imageclinic.audit(given, tmp_path / "run", label_separator="|", **options)
    with pytest.raises(InputError, match="separator"):
        imageclinic.audit(data[0], tmp_path / "run", label_separator="")


def test_flags_of_planted_errors() -> None:
    rng = np.random.default_rng(1)
    there = rng.random((400, 5)) < 0.3
    wrong = rng.random((400, 5)) < 0.03
    vectors = there @ rng.normal(size=(5, 16)) + rng.normal(scale=0.25, size=(400, 16))
    folds = np.stack([rng.permutation(400) % 5])
    probs = label_set_model.out_of_fold(vectors, there ^ wrong, folds)
    assert probs.shape == (400, 5) and ((probs > 0.5) == there).mean() > 0.98
    for flagged in (
        label_set_model.flags(label_set_model.wrong(there ^ wrong, probs)),
        label_set_model.cleanlab_flags(there ^ wrong, probs, "prune_by_noise_rate"),
    ):
        assert (flagged & wrong).sum() > 0.65 * wrong.sum() and (flagged & ~wrong).sum() < 0.2 * flagged.sum()


def test_where_features_tell_nothing_labels_are_not_called_clean() -> None:
    random = np.random.default_rng(0)
    vectors, given = random.normal(size=(200, 8)), random.random((200, 3)) < 0.4
    given[:, 0] |= ~given.any(axis=1)
    folds = random.permutation(200)[None] % 5
    told = label_set_model.out_of_fold(np.hstack([vectors, 3.0 * given]), given, folds)
    assert label_set_model.tells_classes(given, told)
    blind = label_set_model.out_of_fold(vectors, given, folds)
    assert not label_set_model.tells_classes(given, blind)
    predictions = label_set_model.SetPredictions(
        pd.Series([str(k) for k in range(200)]), ("a", "b", "c"), given, blind, "|"
    )
    with pytest.raises(NotApplicable, match="no better than"):
        label_set_findings.find(predictions)
