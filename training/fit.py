"""Training one model: early stopping with the best weights, a falling learning rate, and clear failures.

`fit` trains on arrays or datasets; `train` is what ``imageclinic train`` does with an export.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
from PIL import Image

from audit import tables
from audit.errors import Failed, InputError
from training import card, data, metrics
from training import model as ladder

#: What `fit` learns from: batches of (inputs, class numbers), or the two as arrays with as many rows.
Examples: TypeAlias = tf.data.Dataset | tuple[npt.NDArray[Any], npt.NDArray[np.integer]]
Progress: TypeAlias = Callable[[int, int], None]

# A loss of ten times chance is no slow start: after that many epochs a model that learns is below it.
_DIVERGED, _SETTLED = 10.0, 3
_MEMORY = 1 << 30  # bytes of decoded images that are kept between epochs
_LOOKED_AT = 200  # images whose headers tell the size of a set


@dataclass(frozen=True)
class History:
    """What happened in training. `logs` has a list a name, one number an epoch: `loss, accuracy, val_loss,
    val_accuracy, learning_rate`. `best_epoch` counts from 1; the model has its weights."""

    epochs: int
    best_epoch: int
    stopped_early: bool
    seconds: float
    logs: Mapping[str, list[float]]


def fit(
    model: keras.Model,
    train: Examples,
    validation: Examples,
    *,
    epochs: int,
    seed: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-3,
    patience: int = 5,
    class_weight: Mapping[int, float] | None = None,
    deterministic: bool = False,
    progress: Progress | None = None,
) -> History:
    """Train `model` in place with AdamW and leave it with the weights of the epoch of least validation loss.

    The learning rate is halved when the validation loss has not fallen for half of `patience`; training stops
    when it has not fallen for `patience` epochs. Nothing is printed.

    Args:
        model: outputs probabilities, (n, classes).
        train: examples; arrays are shuffled anew each epoch, a dataset comes in its own order.
        validation: examples that choose the epoch. Never the test images.
        epochs: most epochs, at least 1.
        seed: of batches, dropout and augmentation. Sets the global seeds of Python, NumPy and TensorFlow. The
            same seed on fresh weights gives the same model on the same machine and number of threads.
        batch_size: examples a step, for arrays.
        learning_rate: of AdamW at the start.
        weight_decay: of AdamW, decoupled, on kernels only.
        patience: epochs without progress before training stops, at least 1.
        class_weight: class number → weight of its examples in the loss.
        deterministic: make TensorFlow's operations deterministic: slower, needed on a GPU for equal results;
            holds for the rest of the process.
        progress: called with (epochs done, epochs) after each epoch.

    Returns:
        The history.

    Raises:
        InputError: for empty arrays, or settings out of range.
        Failed: when the loss stops being a number, training diverges, or memory runs out; says what to try.
    """
    if epochs < 1 or patience < 1 or learning_rate <= 0 or batch_size < 1:
        raise InputError(
            f"epochs {epochs}, patience {patience}, learning rate {learning_rate}, batch size {batch_size}",
            expected="positive numbers",
        )
    for name, examples in (("train on", train), ("validate on", validation)):
        if isinstance(examples, tuple) and not len(examples[0]):
            raise InputError(f"there are no images to {name}", expected="at least one")
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    optimizer = keras.optimizers.AdamW(float(learning_rate), weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    slow = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=max(1, patience // 2))
    arrays = isinstance(train, tuple)
    started = time.monotonic()
    try:
        with data.decode_errors():
            logs = model.fit(
                *(train if isinstance(train, tuple) else (train,)),
                validation_data=validation,
                epochs=epochs,
                batch_size=batch_size if arrays else None,
                shuffle=arrays,
                callbacks=[_Watch(learning_rate, model.output_shape[-1], epochs, progress), stop, slow],
                class_weight=None if class_weight is None else dict(class_weight),
                verbose=0,
            ).history
    except tf.errors.ResourceExhaustedError as error:
        raise Failed(
            "Out of memory in training. Try a smaller batch size, a smaller image size or a smaller model."
        ) from error
    return History(
        epochs=len(logs["loss"]),
        best_epoch=int(np.argmin(logs["val_loss"])) + 1,
        stopped_early=len(logs["loss"]) < epochs,
        seconds=time.monotonic() - started,
        logs={name: [float(v) for v in values] for name, values in logs.items()},
    )


def train(
    out: Path,
    *,
    to: Path | None = None,
    model: str = "small_cnn",
    epochs: int = 30,
    seed: int = 0,
    size: int | None = None,
    batch_size: int = 64,
    augment: str = "light",
    mirror: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train on an export and write ``model.keras``, ``metrics.json`` and ``MODEL_CARD.md`` into a folder beside it.

    The epoch is chosen on the validation images; the test images are scored once, at the end.

    Args:
        out: a folder that ``imageclinic export`` wrote: images and ``manifest.csv``.
        to: where the three files go; None: the export's name with ``-model``. Never into the export, which is
            proven to hold nothing else.
        model: a rung of `training.model.LADDER`.
        epochs: most epochs.
        seed: of weights, batches, dropout and augmentation.
        size: side in pixels to which images are resized; None: see `natural_size`.
        batch_size: images a step.
        augment: strength of augmentation.
        mirror: whether images may be mirrored left and right.
        progress: called with (epochs done, epochs).

    Returns:
        The content of metrics.json: `model, parameters, multiply_adds, classes, size, images, settings,
        history, validation, test`; the last two as `training.metrics.summary` gives them, `test` None when
        the export has no test images.

    Raises:
        InputError: no export, no training or validation images, one class, a class that training lacks, a
            file that can't be decoded, unknown names.
        Failed: training broke down.
    """
    manifest = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST)
    classes = _classes(manifest, out)
    parts = {name: manifest[manifest["split"] == name] for name in tables.SPLITS}
    paths = {name: [out / tables.to_path(p) for p in part["path"]] for name, part in parts.items()}
    side = natural_size(paths["train"]) if size is None else size
    network = ladder.build(model, (side, side, 3), len(classes), augment=augment, mirror=mirror, seed=seed)
    batches: dict[str, tf.data.Dataset] = {}
    numbers = {name: i for i, name in enumerate(classes)}
    for name, part in parts.items():
        if len(part):
            batches[name] = data.dataset(
                paths[name],
                [numbers[label] for label in part["label"]],
                size=(side, side),
                batch_size=batch_size,
                shuffle=name == "train",
                seed=seed,
                cache=len(manifest) * side * side * 3 <= _MEMORY,
            )
    history = fit(network, batches["train"], batches["val"], epochs=epochs, seed=seed, progress=progress)
    scores = {}
    for name in ("val", "test"):
        if name in batches:
            truth = parts[name]["label"].map(numbers).to_numpy(np.int64)
            with data.decode_errors():
                probs = network.predict(batches[name].map(lambda x, _: x), verbose=0)
            scores[name] = metrics.summary(truth, probs, classes)
    result: dict[str, Any] = {
        "model": model,
        "parameters": network.count_params(),
        "multiply_adds": ladder.multiply_adds(network),
        "classes": classes,
        "size": side,
        "images": {name: len(part) for name, part in parts.items()},
        "settings": {
            "epochs": epochs,
            "seed": seed,
            "batch_size": batch_size,
            "augment": augment,
            "mirror": mirror,
        },
        "history": {
            "epochs": history.epochs,
            "best_epoch": history.best_epoch,
            "stopped_early": history.stopped_early,
            "seconds": round(history.seconds, 1),
            **history.logs,
        },
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        "validation": scores["val"],
        "test": scores.get("test"),
    }
    folder = to if to is not None else out.absolute().with_name(f"{out.absolute().name}-model")
    folder.mkdir(parents=True, exist_ok=True)
    _save(network, folder / "model.keras")
    tables.write_json(folder / "metrics.json", result)
    tables.write_text(folder / "MODEL_CARD.md", card.text(result))
    return result


def natural_size(paths: Sequence[Path], *, smallest: int = 16, largest: int = 96) -> int:
    """The side in pixels to train at: the median shorter side of the images, within bounds. Reads the headers
    of at most 200 images, evenly spaced.

    Args:
        paths: readable images.
        smallest: least side returned.
        largest: greatest side returned: a CPU trains at 96 pixels, hardly beyond.

    Raises:
        InputError: when an image has no readable header; names the file.
    """
    sides = []
    for path in paths[:: -(-len(paths) // _LOOKED_AT)]:
        try:
            with Image.open(path) as image:
                sides.append(min(image.size))
        except OSError as error:
            raise InputError(f"{path} can't be read: {error}", expected="a readable image") from error
    return int(np.clip(np.median(sides), smallest, largest))


def _classes(manifest: pd.DataFrame, out: Path) -> list[str]:
    labels = {name: set(manifest.loc[manifest["split"] == name, "label"]) for name in tables.SPLITS}
    for name in ("train", "val"):
        if not labels[name]:
            raise InputError(
                f"{out} has no {name} images",
                expected="training images, and validation images to choose the epoch on",
                fix="export with --split 0.8,0.1,0.1",
            )
    if len(labels["train"]) < 2:
        raise InputError(f"all training images of {out} are {min(labels['train'])!r}", expected="2 classes")
    for name in ("val", "test"):
        unknown = sorted(labels[name] - labels["train"])
        if unknown:
            raise InputError(
                f"{out}: the class {unknown[0]!r} has {name} images but no training images",
                expected="training images of every class",
                fix="export with another --split, or leave the class out",
            )
    return sorted(labels["train"])


def _save(model: keras.Model, path: Path) -> None:
    with tables.replacing(path) as temporary:
        named = temporary.with_suffix(".keras")  # Keras tells the format by the name
        try:
            model.save(named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)


class _Watch(keras.callbacks.Callback):
    """Ends training with an explanation when the loss is no number or far above chance; reports progress."""

    def __init__(self, learning_rate: float, classes: int, epochs: int, progress: Progress | None) -> None:
        super().__init__()
        self.learning_rate, self.epochs, self.progress = learning_rate, epochs, progress
        self.limit = _DIVERGED * math.log(max(classes, 2))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        for name in ("loss", "val_loss"):
            value = float((logs or {})[name])
            if not math.isfinite(value):
                raise Failed(
                    f"Training broke down: {name} is {value} after epoch {epoch + 1}. Try a learning rate "
                    f"below {self.learning_rate:g}, and look for inputs that are no numbers or out of range."
                )
        loss = float((logs or {})["loss"])
        if epoch + 1 >= _SETTLED and loss > self.limit:
            raise Failed(
                f"Training diverged: the loss is {loss:.3g} after epoch {epoch + 1}, and ten times that of "
                f"guessing is {self.limit:.3g}. Try a learning rate below {self.learning_rate:g}."
            )
        if self.progress is not None:
            self.progress(epoch + 1, self.epochs)
