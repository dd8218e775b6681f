"""The benchmark of a comparison: a small run with planted wrong labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks import compare
from imageclinic.training.embed import patch_dictionary

pytestmark = pytest.mark.slow


def test_it_runs_prints_every_arm_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_dictionary, "_SCALES", ((1, 60, 3),))
    pixels, labels = load_digits(return_X_y=True)
    rows = []
    for number, i in enumerate(np.flatnonzero(np.isin(labels, (0, 1, 2)))[:160]):
        image = np.kron((255 - 15 * pixels[i].reshape(8, 8)).astype(np.uint8), np.ones((2, 2), np.uint8))
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        true, train = int(labels[i]), number < 110
        given = (true + 1) % 3 if train and number % 4 == 0 else true
        rows.append((f"{i}.png", "train" if train else "test", f"d{true}", f"d{given}"))
    manifest = tmp_path / "labels.csv"
    pd.DataFrame(rows, columns=["path", "split", "label_true", "label"]).to_csv(manifest, index=False)
    words = [str(manifest), "--budgets", "40", "--seeds", "2", "--to", str(tmp_path / "kept")]
    compare.main(words)
    printed = [line for line in capsys.readouterr().out.splitlines() if line[:1] == "|"]
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed[2:]]
    arms = ["before", "top 40", "random 40", "drop flags", "drop at random", "fully clean"]
    assert [row[0] for row in found] == [*arms, "top 40 against random 40"]
    wrong = {row[0]: int(row[1].split("/")[0]) for row in found[:-1]}
    assert wrong["before"] == 0
    assert wrong["random 40"] < wrong["top 40"] <= wrong["fully clean"] == 28
    accuracy = {row[0]: float(row[2]) for row in found[:-1]}
    assert accuracy["fully clean"] > accuracy["before"]
    expected = 100 * (accuracy["top 40"] - accuracy["random 40"])
    assert float(found[-1][3]) == pytest.approx(expected, abs=0.21)  # three digits were printed
    runs = sorted((tmp_path / "kept" / "label").glob("run-*.json"))
    assert 0 < len(runs) <= 2 * len(arms)  # arms with equal labels share their runs
    compare.main(words)
    assert [line for line in capsys.readouterr().out.splitlines() if line[:1] == "|"] == printed
    assert sorted((tmp_path / "kept" / "label").glob("run-*.json")) == runs
