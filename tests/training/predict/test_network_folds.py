"""Out-of-fold predictions by a network per fold (`training.predict.network_folds`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits

import imageclinic
from imageclinic.core.errors import Failed, InputError
from imageclinic.training.fit import fit_model
from imageclinic.training.predict import network_folds

pytestmark = pytest.mark.slow

Ints = npt.NDArray[np.int64]
Digits = tuple[list[Path], Ints, Ints]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """240 zeros, ones and sixes of 16×16 pixels, their labels, and four parts: two folds."""
    pixels, labels = load_digits(return_X_y=True)
    rows = np.flatnonzero(np.isin(labels, (0, 1, 6)))[:240]
    folder = tmp_path_factory.mktemp("digits")
    paths = [folder / f"{i}.png" for i in rows]
    for path, i in zip(paths, rows, strict=True):
        image = (255 - 15 * pixels[i].reshape(8, 8)).astype(np.uint8)
        Image.fromarray(np.kron(image, np.ones((2, 2), np.uint8))).save(path)
    return paths, np.searchsorted((0, 1, 6), labels[rows]), np.random.default_rng(0).permutation(240) % 4


def run(digits: Digits, keep: Path, **options: Any) -> network_folds.Networks:
    settings: dict[str, Any] = {"model": "small_cnn", "epochs": 4, "batch_size": 16}
    return network_folds.out_of_fold(*digits, keep, **settings | options)


def test_images_are_recognised_without_having_been_seen(digits: Digits, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = run(digits, tmp_path, epochs=8, progress=lambda done, of: seen.append((done, of)))
    assert found.pred_probs.shape == (240, 3)
    np.testing.assert_allclose(found.pred_probs.sum(1), 1, atol=1e-5)
    assert found.accuracy > 0.8
    assert found.size == 16
    np.testing.assert_array_equal(found.fold, digits[2] // 2)
    assert seen == sorted(seen)
    assert seen[-1] == (16, 16)


def test_same_seed_same_result_and_the_labels_held_out_do_not_matter(digits: Digits, tmp_path: Path) -> None:
    paths, labels, parts = digits
    run(digits, tmp_path / "first", seed=3)
    changed = np.where(parts < 2, (labels + 1) % 3, labels)
    run((paths, changed, parts), tmp_path / "changed", seed=3)
    before, after = ([np.load(tmp_path / name / f"{f}.npy") for f in (0, 1)] for name in ("first", "changed"))
    np.testing.assert_array_equal(after[0], before[0], "what predicts the first fold does not see its labels")
    assert not np.allclose(after[1], before[1], atol=0.01)


def test_finished_folds_are_not_trained_again(digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(digits, tmp_path / "whole")
    real, calls = fit_model.fit, []

    def killed(*arguments: Any, **options: Any) -> fit_model.History:
        calls.append(arguments[3].seed)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(fit_model, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        run(digits, tmp_path / "kept")
    resumed = run(digits, tmp_path / "kept")
    assert calls == [0, 1, 1], "the first fold was kept"
    np.testing.assert_array_equal(resumed.pred_probs, whole.pred_probs)


def test_out_of_memory_halves_the_batch_and_goes_on(
    digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exhausted: Exception
) -> None:
    real, sizes = keras.Model.fit, []

    def hungry(model: keras.Model, batches: tf.data.Dataset, **options: Any) -> Any:
        sizes.append(len(next(iter(batches))[0]))
        if sizes[-1] > most:
            raise exhausted
        return real(model, batches, **options)

    monkeypatch.setattr(keras.Model, "fit", hungry)
    most = 8
    run(digits, tmp_path / "halved", epochs=1, batch_size=32)
    assert sizes == [32, 16, 8, 32, 16, 8]
    most = 0
    with pytest.raises(Failed, match="Out of memory"):
        run(digits, tmp_path / "never", epochs=1, batch_size=2)


def test_refuses(digits: Digits, tmp_path: Path) -> None:
    paths, labels, parts = digits
    for arguments, message in (
        (([], labels, parts), "0 images"),
        ((paths, np.zeros_like(labels), parts), r"1 class\(es\) and 2 fold"),
        ((paths, labels, parts % 2), r"3 class\(es\) and 1 fold"),
        ((paths, labels, parts[1:]), "parts"),
    ):
        with pytest.raises(InputError, match=message):
            run(arguments, tmp_path)


def test_an_audit_with_a_network_per_fold(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {**network_folds.out_of_fold.__kwdefaults__, "model": "small_cnn", "epochs": 1}
    monkeypatch.setattr(network_folds.out_of_fold, "__kwdefaults__", quick)
    result = imageclinic.audit(folder, tmp_path / "run", checks=["mislabeled"], train="full", workers=1)
    judged = result.outcomes.set_index("check").loc["mislabeled"]
    assert judged["outcome"] == "not_applicable"  # nothing in these pictures tells their classes apart
    assert "as chance may do" in judged["reason"]
    made = result.run.info()["predictions"]
    assert (made["made"], made["folds"], made["size"]) == ("full", 5, 40)
    assert not result.run.embeddings.exists()
    assert not result.run.folds.exists(), "what it would have resumed from is gone"
    written = result.run.predictions.stat().st_mtime_ns
    imageclinic.audit(folder, tmp_path / "run", checks=["mislabeled"], train="full", workers=1)
    assert result.run.predictions.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "options",
    [
        {"train": "half"},
        {"train": "full", "pred_probs": "p.csv"},
        {"model": "patches", "embeddings": "e.npz"},
        {"layer": "x"},
    ],
)
def test_choices_that_exclude_each_other(folder: Path, tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"--train half|exclude each other|--layer x"):
        imageclinic.audit(folder, tmp_path / "run", **options)
