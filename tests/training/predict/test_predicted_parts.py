"""Predictions in parts (`training.predict.by_sample`): the same whatever is killed, and however many workers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import softmax

from imageclinic.core.engines.local_engine import LOCAL
from imageclinic.core.errors import Failed
from imageclinic.core.large import large_arrays
from imageclinic.core.reading import parquet_files
from imageclinic.training.predict.by_sample import fold_model, predicted_parts

ROOT = Path(__file__).resolve().parents[3]
N, WIDTH, CLASSES, IN_PART = 3000, 16, 3, 10
#: Predicts what `prepared` has made, in parts of so many rows.
COMMAND = """
import sys
from pathlib import Path
from tests.training.predict import test_predicted_parts as test
test.predicted(Path(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_arrays, "PIECE", IN_PART * WIDTH * 4)


def prepared(folder: Path) -> Path:
    """Embeddings of `N` rows and a model, drawn."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(N, WIDTH)).astype(np.float32)
    parquet_files.write_vectors(folder / "embeddings.parquet", {"image_id": np.arange(N)}, "embedding", vectors)
    shapes = {
        "mean": (WIDTH,),
        "turn": (WIDTH, 8),
        "kernels": (2, 2, 4, 8, CLASSES),
        "biases": (2, 2, 4, CLASSES),
        "shift": (CLASSES,),
    }
    drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    shares, temperatures = np.array([0.5, 0.5], np.float32), np.array([0.7, 2.0], np.float32)
    model = fold_model.FoldModel(**drawn, temperatures=temperatures, shares=shares)
    fold_model.write(folder / "model.npz", model)
    return folder


def rows_and_folds() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Every row but each seventh, and their folds."""
    rows = np.flatnonzero(np.arange(N) % 7)
    return rows, np.random.default_rng(1).integers(0, 4, (2, len(rows)))


def predicted(folder: Path) -> npt.NDArray[np.float32]:
    large_arrays.PIECE = IN_PART * WIDTH * 4  # in the process that is killed, too
    embeddings, model, parts = folder / "embeddings.parquet", folder / "model.npz", folder / "parts"
    return predicted_parts.predict(LOCAL, model, embeddings, *rows_and_folds(), parts)


def test_each_row_is_predicted_by_the_model_of_its_folds(tmp_path: Path) -> None:
    found = predicted(prepared(tmp_path))
    model = fold_model.read(tmp_path / "model.npz")
    assert model is not None
    vectors = parquet_files.read_vectors(tmp_path / "embeddings.parquet", "embedding")[1]
    rows, folds = rows_and_folds()
    for at in (0, 11, len(rows) - 1):
        x = (vectors[rows[at]].astype(np.float64) - model.mean) @ model.turn
        logs = np.zeros(CLASSES)
        for witness, temperature in enumerate(model.temperatures):
            both = [
                softmax(
                    (x @ model.kernels[witness, r, folds[r, at]] + model.biases[witness, r, folds[r, at]]) / temperature
                )
                for r in (0, 1)
            ]
            logs += np.log(np.mean(both, axis=0)) / 2
        np.testing.assert_allclose(found[at], softmax(logs + model.shift), atol=1e-5)


def test_a_killed_process_goes_on_with_the_parts_that_are_missing(tmp_path: Path) -> None:
    expected = predicted(prepared(tmp_path))
    (tmp_path / "again").mkdir()
    again = prepared(tmp_path / "again")
    with subprocess.Popen([sys.executable, "-c", COMMAND, str(again)], cwd=ROOT) as process:
        while not list(again.glob("parts/part-*.npy")):
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    done = {file: file.stat().st_mtime_ns for file in again.glob("parts/part-*.npy")}
    assert 0 < len(done) < N // IN_PART
    torn = min(done)
    torn.write_bytes(torn.read_bytes()[:-1])
    assert predicted(again).tobytes() == expected.tobytes()
    assert {file for file in done if file.stat().st_mtime_ns != done[file]} == {torn}


def test_a_model_that_is_gone(tmp_path: Path) -> None:
    prepared(tmp_path)
    (tmp_path / "model.npz").write_bytes(b"torn")
    with pytest.raises(Failed, match=r"model\.npz is gone, or not as it was written"):
        predicted(tmp_path)
