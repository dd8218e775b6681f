"""Training one model, and `imageclinic train`."""

from __future__ import annotations

import json
import math
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits

from imageclinic.core import tables
from imageclinic.core.errors import Failed, InputError
from imageclinic.training.data import input_wait
from imageclinic.training.data.image_pipelines import load_images, oversampled
from imageclinic.training.fit import fit_model, train_export
from imageclinic.training.fit.export_images import class_weights
from imageclinic.training.fit.settings import Settings, check
from imageclinic.training.models import backbones, capacity_ladder, optimizers

# Keras 3.15 reads TensorFlow's variables in a way that NumPy 2 deprecates.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]

Arrays = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
SETTINGS = {each.name for each in fields(Settings)}


def fit(network: keras.Model, train: Any, validation: Any, **options: Any) -> fit_model.History:
    """`fit_model.fit`, with settings and the rest of its arguments side by side."""
    settings = Settings(**{name: value for name, value in options.items() if name in SETTINGS})
    rest = {name: value for name, value in options.items() if name not in SETTINGS}
    return fit_model.fit(network, train, validation, settings, **rest)


@pytest.fixture(scope="module")
def digits() -> tuple[Arrays, Arrays]:
    """300 digits to learn from and 100 to choose the epoch on, as vectors in [0, 1]."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    return (x[:300], y[:300]), (x[300:400], y[300:400])


def test_it_learns_and_keeps_the_weights_of_the_best_epoch(digits: tuple[Arrays, Arrays]) -> None:
    train, validation = digits
    network = capacity_ladder.build("linear", (64,), 10)
    seen: list[tuple[int, int]] = []
    # A learning rate that overshoots: the last epoch is not the best.
    history = fit(
        network,
        train,
        validation,
        epochs=12,
        seed=0,
        learning_rate=0.3,
        patience=3,
        progress=lambda *at: seen.append(at),
    )
    losses = history.logs["val_loss"]
    assert history.best_epoch == int(np.argmin(losses)) + 1 < history.epochs == len(losses)
    loss, accuracy = network.evaluate(*validation, verbose=0)
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert accuracy > 0.8
    assert seen == [(i + 1, 12) for i in range(history.epochs)]
    assert history.stopped_early == (history.epochs < 12)
    assert history.logs["learning_rate"][-1] < 0.3


def test_the_seed_makes_it_reproducible(digits: tuple[Arrays, Arrays]) -> None:
    def weights(seed: int) -> list[npt.NDArray[np.float32]]:
        network = capacity_ladder.build("small_cnn", (8, 8, 1), 10, augment="light", seed=seed)
        images = [(x.reshape(-1, 8, 8, 1) * 255, y) for x, y in digits]
        fit(network, *images, epochs=2, seed=seed)
        found: list[npt.NDArray[np.float32]] = network.get_weights()
        return found

    first, again, other = weights(3), weights(3), weights(4)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert any(not np.allclose(a, b, atol=1e-3) for a, b in zip(first, other, strict=True))


def test_class_weights_count(digits: tuple[Arrays, Arrays]) -> None:
    train, validation = digits
    network = capacity_ladder.build("linear", (64,), 10)
    weight = {number: float(number == 3) for number in range(10)}
    fit(network, train, validation, epochs=5, seed=0, learning_rate=0.1, class_weight=weight)
    assert (np.asarray(network(validation[0])).argmax(axis=1) == 3).all()


def test_inputs_that_are_no_numbers_are_explained(digits: tuple[Arrays, Arrays]) -> None:
    (x, y), validation = digits
    broken = x.copy()
    broken[5] = np.nan
    with pytest.raises(Failed, match=r"loss is nan after epoch 1\..*learning rate below 0\.001"):
        fit(capacity_ladder.build("linear", (64,), 10), (broken, y), validation, epochs=3, seed=0)


def test_divergence_is_explained(digits: tuple[Arrays, Arrays]) -> None:
    (x, y), _ = digits
    with pytest.raises(Failed, match=r"diverged.*learning rate below 100"):
        fit(
            capacity_ladder.build("linear", (64,), 10, dropout=0.5),
            (x, y),
            (x, y),
            epochs=10,
            seed=0,
            learning_rate=100,
            patience=10,
        )


@pytest.mark.parametrize("options", [{"epochs": 0}, {"learning_rate": 0.0}, {"patience": 0}, {"batch_size": 0}])
def test_settings_out_of_range(digits: tuple[Arrays, Arrays], options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"Expected a (whole )?number"):
        fit(capacity_ladder.build("linear", (64,), 10), *digits, **({"epochs": 1, "seed": 0} | options))  # type: ignore[arg-type]


def test_nothing_to_validate_on(digits: tuple[Arrays, Arrays]) -> None:
    train, (x, y) = digits
    with pytest.raises(InputError, match="no images to validate on"):
        fit(capacity_ladder.build("linear", (64,), 10), train, (x[:0], y[:0]), epochs=1, seed=0)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export of 240 zeros, ones and hostilely named twos."""
    images, labels = load_digits(return_X_y=True)
    names = {0: "zero", 1: "one", 2: "two|<b>`x`"}
    rows = []
    for number in np.flatnonzero(labels < 3)[:240]:
        split = ("train", "train", "train", "val", "test")[number % 5]
        path = tmp_path / split / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((images[number].reshape(8, 8) * 15).astype(np.uint8)).resize((16, 16)).save(path)
        label = names[int(labels[number])]
        rows.append((path.name, f"{split}/{path.name}", label, label, split, path.name, "00", "keep", None))
    # As earlier versions wrote it, without the classes' numbers.
    manifest = pd.DataFrame(rows, columns=[name for name in tables.MANIFEST.names if name != "class_index"])
    tables.write_csv(tmp_path / "manifest.csv", manifest, tables.MANIFEST)
    return tmp_path


def model_of(export: Path) -> Path:
    return export.with_name(f"{export.name}-model")


def test_train_writes_a_model_its_metrics_and_a_card(export: Path) -> None:
    result = train_export.train(export, settings=Settings(epochs=12, seed=1, batch_size=16, augment="none"))
    assert result["size"] == 16
    assert result["test"]["accuracy"] > 0.8
    assert result["test"]["n"] == result["images"]["test"]
    assert json.loads((model_of(export) / "metrics.json").read_text("utf-8")) == result
    assert not list(export.glob(".*"))  # no temporary file is left

    manifest = tables.read_csv(export / "manifest.csv", tables.MANIFEST)
    test = manifest[manifest["split"] == "test"]
    pixels = load_images([export / p for p in test["path"]], (16, 16))
    probs = np.asarray(keras.models.load_model(model_of(export) / "model.keras")(pixels))
    predicted = np.array(result["classes"])[probs.argmax(axis=1)]
    assert np.mean(predicted == test["label"].to_numpy(object)) == pytest.approx(result["test"]["accuracy"])

    card = (model_of(export) / "MODEL_CARD.md").read_text("utf-8")
    assert f"{100 * result['test']['accuracy']:.1f} %" in card
    assert r"two\|&lt;b&gt;\`x\`" in card


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m[m["split"] != "val"], "no val images"),
        (lambda m: m[m["label"] == "one"], "ll training images"),
        (lambda m: m[(m["label"] != "one") | (m["split"] == "test")], "'one' has test images but no training images"),
    ],
    ids=["no validation", "one class", "class without training images"],
)
def test_exports_that_cannot_be_trained_on(export: Path, change: object, problem: str) -> None:
    manifest = tables.read_csv(export / "manifest.csv", tables.MANIFEST)
    tables.write_csv(export / "manifest.csv", change(manifest), tables.MANIFEST)  # type: ignore[operator]
    with pytest.raises(InputError, match=problem):
        train_export.train(export, settings=Settings(epochs=1))
    assert not model_of(export).exists()


def test_a_missing_export(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.csv is missing"):
        train_export.train(tmp_path)


def test_a_file_that_cannot_be_decoded_is_named(export: Path) -> None:
    broken = next((export / "train").iterdir())
    broken.write_bytes(b"no image")
    with pytest.raises(InputError, match=broken.name):
        train_export.train(export, settings=Settings(epochs=1, size=16))


def test_a_killed_training_goes_on(digits: tuple[Arrays, Arrays], tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 8, "seed": 0, "learning_rate": 0.01, "checkpoint": (tmp_path / "a.npz", "x")}

    def kill(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    network = capacity_ladder.build("linear", (64,), 10)
    with pytest.raises(KeyboardInterrupt):
        fit(network, *digits, progress=kill, logs_to=tmp_path / "logs", **options)
    fresh = capacity_ladder.build("linear", (64,), 10, seed=9)
    seen: list[int] = []
    history = fit(fresh, *digits, progress=lambda done, _: seen.append(done), logs_to=tmp_path / "logs", **options)
    assert seen == [4, 5, 6, 7, 8]  # three whole epochs were kept
    assert history.epochs == len(history.logs["val_loss"]) == 8
    losses = history.logs["val_loss"]
    assert losses[3] < losses[2] < losses[0]  # it went on from where it was, not from fresh weights
    assert fresh.evaluate(*digits[1], verbose=0)[0] == pytest.approx(min(losses), rel=1e-4)
    assert int(fresh.optimizer.iterations) == 8 * 5
    lines = (tmp_path / "logs" / "training.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("epoch,")
    assert [int(line.split(",")[0]) for line in lines[1:]] == [1, 2, 3, 4, 5, 6, 7, 8]

    again = fit(fresh, *digits, **options)  # killed after its last epoch: nothing is trained
    assert again.logs == history.logs
    seen.clear()
    other = options | {"checkpoint": (tmp_path / "a.npz", "y")}
    fit(capacity_ladder.build("linear", (64,), 10), *digits, progress=lambda done, _: seen.append(done), **other)
    assert seen[0] == 1  # other settings: from the start
    (tmp_path / "a.npz").write_bytes(b"PK damaged")
    seen.clear()
    fit(capacity_ladder.build("linear", (64,), 10), *digits, progress=lambda done, _: seen.append(done), **options)
    assert seen[0] == 1


def test_the_learning_rate_warms_up_and_falls_along_a_cosine(digits: tuple[Arrays, Arrays]) -> None:
    history = fit(
        capacity_ladder.build("linear", (64,), 10), *digits, epochs=6, seed=0, schedule="cosine", warm_up=2, patience=9
    )
    rates = 1e-3 * np.array([0.5, 1, 1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2])
    assert history.logs["learning_rate"] == pytest.approx(rates, rel=1e-5)
    with pytest.raises(InputError, match="plateau or cosine"):
        fit(capacity_ladder.build("linear", (64,), 10), *digits, epochs=2, seed=0, schedule="step")
    with pytest.raises(InputError, match="warm-up shorter than the training"):
        fit(capacity_ladder.build("linear", (64,), 10), *digits, epochs=2, seed=0, warm_up=2)


def test_optimizers_learn_and_epochs_are_watched(digits: tuple[Arrays, Arrays]) -> None:
    seen: list[tuple[int, float]] = []
    rates = {"adamw": 0.01, "sgd": 0.05, "rmsprop": 0.01}
    assert set(rates) == set(optimizers.OFFERED)
    for name, rate in rates.items():
        seen.clear()
        history = fit(
            capacity_ladder.build("linear", (64,), 10),
            *digits,
            epochs=6,
            seed=0,
            learning_rate=rate,
            optimizer=name,
            watch=lambda epoch, logs: seen.append((epoch, logs["val_accuracy"])),
        )
        assert seen == list(enumerate(history.logs["val_accuracy"], 1))
        assert seen[-1][1] > 0.7
    with pytest.raises(InputError, match=r"unknown optimizer 'adagrad'.*adamw, adam, sgd, rmsprop"):
        fit(capacity_ladder.build("linear", (64,), 10), *digits, epochs=2, seed=0, optimizer="adagrad")


def test_classes_are_balanced_by_weight_or_by_sampling() -> None:
    labels = np.array([0] * 12 + [1] * 3 + [2] * 5)
    weights = class_weights(labels)
    assert [weights[n] * count for n, count in ((0, 12), (1, 3), (2, 5))] == pytest.approx([20 / 3] * 3)
    order = oversampled(labels, 0)
    assert np.bincount(labels[order]).tolist() == [12, 12, 12]
    seen = np.bincount(order, minlength=20)
    assert seen.min() >= 1
    assert (seen[12:15] == 4).all()
    assert seen[15:].max() - seen[15:].min() == 1
    assert not np.array_equal(order, oversampled(labels, 1))


def test_train_takes_its_settings_and_reports_them(export: Path) -> None:
    chosen = Settings(
        model="linear", epochs=2, size=8, balance="sampling", mirror="no", schedule="cosine", l2=1e-4, dropout=0.0
    )
    result = train_export.train(export, settings=chosen)
    assert result["settings"]["mirror"] is False
    assert result["settings"]["balance"] == "sampling"
    assert sorted(p.name for p in model_of(export).iterdir()) == [
        "MODEL_CARD.md",
        "logs",
        "metrics.json",
        "model.keras",
        "test_predictions.parquet",
    ]
    with pytest.raises(InputError, match="lies in the export"):
        train_export.train(export, to=export / "train" / "model")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"balance": "even"}, "balance 'even'.*Expected one of auto, "),
        ({"mirror": "maybe"}, "Expected one of auto, yes, no"),
        ({"learning_rate": 0.0}, "learning rate 0.0.*above 0"),
        ({"learning_rate": math.nan}, "learning rate nan"),
        ({"batch_size": 0}, "batch size 0.*a whole number from 1"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 99999999999}, "to 2,147,483,647"),
        ({"l1": math.nan}, "l1 nan"),
        ({"l2": math.inf}, "l2 inf"),
        ({"weight_decay": -1.0}, "weight decay -1.0.*a number from 0"),
        ({"dropout": 1.0}, "dropout 1.0.*below 1"),
        ({"unfreeze": -1}, "unfreeze -1"),
    ],
)
def test_settings_that_can_not_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(Settings(**wrong))


def test_the_curves_lie_ready_for_tensorboard(digits: tuple[Arrays, Arrays], tmp_path: Path) -> None:
    def curves() -> dict[str, dict[int, float]]:
        """run/tag → step → value, read back from the event files."""
        found: dict[str, dict[int, float]] = {}
        for file in sorted((tmp_path / "tensorboard").rglob("*tfevents*")):
            for record in tf.data.TFRecordDataset(str(file)):
                event = tf.compat.v1.Event.FromString(record.numpy())
                for value in event.summary.value:
                    assert value.metadata.plugin_data.plugin_name == "scalars"
                    number = float(tf.make_ndarray(value.tensor))
                    found.setdefault(f"{file.parent.name}/{value.tag}", {})[event.step] = number
        return found

    for epochs in (3, 2):  # what an earlier training left is not mixed in
        history = fit(
            capacity_ladder.build("linear", (64,), 10),
            *digits,
            epochs=epochs,
            seed=0,
            schedule="cosine",
            logs_to=tmp_path,
        )
        for ours, theirs in (
            ("loss", "train/epoch_loss"),
            ("learning_rate", "train/epoch_learning_rate"),
            ("val_accuracy", "validation/epoch_accuracy"),
        ):
            expected = dict(enumerate(history.logs[ours], start=1))
            assert curves()[theirs] == pytest.approx(expected)


def test_waiting_for_slow_images_is_measured(digits: tuple[Arrays, Arrays]) -> None:
    def shares(seconds: float) -> float:
        def slow(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            time.sleep(seconds)
            return x

        def batches(examples: Arrays) -> tf.data.Dataset:
            made = tf.data.Dataset.from_tensor_slices(examples).batch(50)
            return made.map(lambda x, y: (tf.ensure_shape(tf.numpy_function(slow, [x], x.dtype), x.shape), y))

        network = capacity_ladder.build("linear", (64,), 10)
        share = fit(network, batches(digits[0]), batches(digits[1]), epochs=3, seed=0).waited
        assert share is not None
        return share

    fast, slow = shares(0.0), shares(0.5)  # slow enough that on a busy machine, too, the network is the quicker one
    assert 0 <= fast < slow <= 1
    assert slow > 0.5
    assert fit(capacity_ladder.build("linear", (64,), 10), *digits, epochs=1, seed=0).waited is None


def test_much_waiting_gets_advice() -> None:
    assert input_wait.advice(None, in_memory=True, side=96, images=10) is None
    assert input_wait.advice(0.1, in_memory=False, side=96, images=10) is None
    advice = input_wait.advice(0.6, in_memory=False, side=96, images=100_000)
    assert advice is not None
    assert "60%" in advice
    assert "2.6 GiB" in advice
    assert "--batch-size" in (input_wait.advice(0.6, in_memory=True, side=96, images=10) or "")


def test_starved_classes_and_mixed_precision(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tables.read_csv(export / "manifest.csv", tables.MANIFEST)
    rare = manifest[(manifest["label"] == "one") & (manifest["split"] == "train")].index[5:]
    unseen = manifest[(manifest["label"] == "zero") & (manifest["split"] == "val")].index
    tables.write_csv(export / "manifest.csv", manifest.drop(index=[*rare, *unseen]), tables.MANIFEST)
    monkeypatch.setattr(backbones, "has_gpu", lambda: True)
    chosen = Settings(epochs=2, batch_size=16, mirror="no", augment="none", augment_starved="strong")
    result = train_export.train(export, settings=chosen)
    assert result["starved"] == ["one"]
    assert result["not_validated"] == ["zero"]
    assert result["precision"] == "mixed_float16"
    assert 0 <= result["input_bound"] <= 1
    network = keras.models.load_model(model_of(export) / "model.keras")
    convolution = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    assert (convolution.compute_dtype, convolution.kernel.dtype) == ("float16", "float32")
    assert network.output.dtype == "float32"
    with pytest.raises(InputError, match="Expected one of none, light, medium, strong"):
        train_export.train(export, settings=Settings(augment_starved="more"))
