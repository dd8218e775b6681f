"""The benchmark of wrong labels: its parts, and a run on a few pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks import mislabels
from imageclinic.core import tables
from imageclinic.core.run import create
from imageclinic.training.embed import patch_dictionary

pytestmark = pytest.mark.slow


def test_precision_recall_and_accuracy_of_a_method() -> None:
    own, truth = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0])
    flagged = np.array([True, True, False, False])
    probs = np.eye(2)[[0, 1, 1, 1]]
    judged = mislabels.Judged(flagged, np.array([0.99, 0.95, 0.1, 0.2]), probs, 0.5)
    name, ap, flags, precision, recall, f1, accuracy, share, sure = mislabels._row("x", judged, own, truth)
    assert (name, flags, precision, recall, f1, accuracy, share) == (
        "x",
        2,
        "0.500",
        "0.500",
        "0.500",
        "0.750",
        "50.0%",
    )
    assert sure == "1 of 2, 1 named", "of the first label, which is right, the true class is no other one"
    by_finding = replace(judged, finding=np.array([0.2, 0.94, 0.0, 0.97]))
    assert mislabels._row("x", by_finding, own, truth)[-1] == "1 of 1, 1 named", "of two classes it is the other"
    assert ap == f"{(1 / 2 + 2 / 3) / 2:.3f}"
    clean = mislabels._row("x", judged, truth, truth)
    assert clean[1:6] == ("–", 2, "–", "–", "–")


def test_votes_come_from_other_folds_only(tmp_path: Path) -> None:
    run = create(tmp_path / "run")
    ids = pd.Series([f"{i}.png" for i in range(60)], dtype="str")
    angle = np.repeat([0.0, 1.0], 30) + np.random.default_rng(0).normal(0, 0.01, 60)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    tables.write_vectors(run.embeddings, {"image_id": ids}, "embedding", vectors)
    fold = np.arange(60) % 2
    # Within a fold all bear one label, whatever they look like: votes of the own fold would tell.
    votes = mislabels._votes(run, ids, fold, np.where(fold == 0, 0, 1), 2)
    np.testing.assert_array_equal(votes, np.eye(2)[1 - fold])


def test_it_runs_and_prints_every_method(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_dictionary, "_SCALES", ((1, 60, 3),))
    pixels, labels = load_digits(return_X_y=True)
    rows = np.flatnonzero(np.isin(labels, (0, 1)))[:80]
    for i in rows:
        path = tmp_path / "digits" / str(labels[i]) / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = (255 - 15 * pixels[i].reshape(8, 8)).astype(np.uint8)
        Image.fromarray(np.kron(image, np.ones((4, 4), np.uint8))).save(path)
    mislabels.main([str(tmp_path / "digits"), "--plant", "0.1", "--sheet", str(tmp_path / "false.png")])
    printed = capsys.readouterr().out
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line[:1] == "|"]
    methods = ["ours", "cleanlab", "cleanlab, both", "20-NN votes"]
    assert [row[2] for row in found[2:14]] == methods * 3
    assert [row[0] for row in found[2:14:4]] == ["truth", "uniform 10%", "alike 10%"]
    assert {row[1] for row in found[6:14]} == {"10.0%"}
    assert min(float(row[3]) for row in found[6:14] if row[2] == "ours") > 0.8
    assert "cross-validation / embedding" in printed
    with Image.open(tmp_path / "false.png") as sheet:
        assert sheet.width == 960
