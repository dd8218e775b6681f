"""Training one model: early stopping with the best weights, a falling learning rate, and clear failures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from imageclinic.core.errors import Failed, InputError
from imageclinic.core.processes.signals import heeded
from imageclinic.core.reading.regular_files import open_regular
from imageclinic.training.data import image_pipelines
from imageclinic.training.data.input_wait import Waiting
from imageclinic.training.fit.checkpoint import Checkpoint
from imageclinic.training.fit.settings import Settings
from imageclinic.training.fit.training_logs import BoardLog, CsvLog
from imageclinic.training.models import optimizers

#: What `fit` learns from: batches of (inputs, class numbers), or the two as arrays with as many rows.
Examples: TypeAlias = tf.data.Dataset | tuple[npt.NDArray[Any], npt.NDArray[np.integer]]
Progress: TypeAlias = Callable[[int, int], None]
#: Called after each epoch with its number, from 1, and its numbers (`loss, accuracy, val_loss, val_accuracy`).
Watch: TypeAlias = Callable[[int, Mapping[str, float]], None]

# A loss of ten times chance is no slow start: after that many epochs a model that learns is below it.
_DIVERGED, _SETTLED = 10.0, 3
_LOOKED_AT = 200  # images whose headers tell the size of a set


#: How the learning rate falls.
SCHEDULES = ("plateau", "cosine")


@dataclass(frozen=True)
class History:
    """What happened in training. `logs` has a list a name, one number an epoch: `loss, accuracy, val_loss,
    val_accuracy, learning_rate`. `best_epoch` counts from 1; the model has its weights. `waited`: the share of the time
    in which training waited for images, in [0, 1]; None for arrays, or when nothing was left to do."""

    epochs: int
    best_epoch: int
    stopped_early: bool
    seconds: float
    waited: float | None
    logs: Mapping[str, list[float]]


def fit(
    model: keras.Model,
    train: Examples,
    validation: Examples,
    settings: Settings,
    *,
    class_weight: Mapping[int, float] | None = None,
    logs_to: Path | None = None,
    checkpoint: tuple[Path, str] | None = None,
    deterministic: bool = False,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> History:
    """Train `model` in place and leave it with the weights of the epoch of least validation loss.

    Training stops when the validation loss has not fallen for `settings.patience` epochs. Nothing is printed.

    Args:
        model: outputs probabilities, (n, classes).
        train: examples; arrays are shuffled again each epoch, a dataset comes in its own order.
        validation: examples that choose the epoch. Never the test images.
        settings: of these `epochs`, `seed`, `batch_size` (for arrays), `learning_rate` (at its highest),
            `weight_decay`, `optimizer`, `patience`, `schedule` and `warm_up` count. The seed is that of batches,
            dropout and augmentation; it sets the global seeds of Python, NumPy and TensorFlow. The same seed on fresh
            weights gives the same model on the same machine and number of threads. The schedule is a name in
            `SCHEDULES`: ``plateau`` halves the learning rate when the validation loss has not fallen for half of
            `patience`; ``cosine`` lets it fall along half a cosine over all `epochs`; over `warm_up` epochs it rises
            first.
        class_weight: class number → weight of its examples in the loss.
        logs_to: folder for ``training.csv``, a line an epoch, and for ``tensorboard``.
        checkpoint: a file (``.npz``) in which the state is kept after each epoch, and a name for these settings and
            data: a training that was killed goes on from the last whole epoch, one under another name from scratch.
        deterministic: make TensorFlow's operations deterministic: slower, needed on a GPU for equal results;
            holds for the rest of the process.
        progress: called with (epochs done, epochs) after each epoch.
        watch: called after each epoch; what it raises ends the training and goes on to the caller.

    Returns:
        The history.

    Raises:
        InputError: for empty arrays, or settings out of range.
        Failed: when the loss stops being a number, training diverges, or memory runs out; says what to try.
    """
    epochs, patience, batch_size = settings.epochs, settings.patience, settings.batch_size
    learning_rate, schedule, warm_up = settings.rate, settings.schedule, settings.warm_up
    if epochs < 1 or patience < 1 or learning_rate <= 0 or batch_size < 1:
        raise InputError(
            f"epochs {epochs}, patience {patience}, learning rate {learning_rate}, batch size {batch_size}",
            expected="positive numbers",
        )
    if schedule not in SCHEDULES or not 0 <= warm_up < epochs:
        raise InputError(
            f"schedule {schedule!r} with {warm_up} epochs of warm-up and {epochs} epochs",
            expected=f"{' or '.join(SCHEDULES)}, and a warm-up shorter than the training",
        )
    for name, examples in (("train on", train), ("validate on", validation)):
        if isinstance(examples, tuple) and not len(examples[0]):
            raise InputError(f"there are no images to {name}", expected="at least one")
    keras.utils.set_random_seed(settings.seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    descent = optimizers.make(settings.optimizer, learning_rate, settings.weight_decay)
    model.compile(descent, "sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    remembering = [stop]
    callbacks = [_Watch(learning_rate, model.output_shape[-1], epochs, progress, watch), stop]
    if schedule == "plateau":
        remembering.append(keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=max(1, patience // 2)))
        callbacks.append(remembering[-1])
    if schedule == "cosine" or warm_up:
        callbacks.append(
            keras.callbacks.LearningRateScheduler(partial(_rate, schedule, learning_rate, warm_up, epochs))
        )
    state = Checkpoint(*checkpoint, remembering) if checkpoint is not None else None
    done = 0 if state is None else state.epochs_done
    if logs_to is not None:
        logs_to.mkdir(parents=True, exist_ok=True)
        callbacks.append(CsvLog(logs_to / "training.csv", {} if state is None else state.logs))
        callbacks.append(BoardLog(logs_to / "tensorboard", goes_on=done > 0))
    if state is not None:
        callbacks.append(state)
    arrays = isinstance(train, tuple)
    waiting = Waiting()
    callbacks.append(waiting)
    started = time.monotonic()
    try:
        with image_pipelines.decode_errors(), heeded() as check:
            callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: check()))
            logs = model.fit(
                *(train if isinstance(train, tuple) else (waiting.watch(train),)),
                validation_data=validation if isinstance(validation, tuple) else waiting.watch(validation),
                epochs=epochs,
                initial_epoch=done,
                batch_size=batch_size if arrays else None,
                shuffle=arrays,
                callbacks=callbacks,
                class_weight=None if class_weight is None else dict(class_weight),
                verbose=0,
            ).history
    except tf.errors.ResourceExhaustedError as error:
        raise Failed(
            "Out of memory in training. Try a smaller batch size, a smaller image size or a smaller model."
        ) from error
    if state is not None:
        logs = state.logs
    return History(
        epochs=len(logs["loss"]),
        best_epoch=int(np.argmin(logs["val_loss"])) + 1,
        stopped_early=len(logs["loss"]) < epochs,
        seconds=time.monotonic() - started,
        waited=None if arrays else waiting.share,
        logs={name: [float(v) for v in values] for name, values in logs.items()},
    )


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
            with open_regular(path) as file, Image.open(file) as image:
                sides.append(min(image.size))
        except OSError as error:
            raise InputError(f"{path} can't be read: {error}", expected="a readable image") from error
    return int(np.clip(np.median(sides), smallest, largest))


def _rate(schedule: str, full: float, warm_up: int, epochs: int, epoch: int, now: float) -> float:
    """The learning rate of an epoch, counted from 0; `now` is the last one's, which ``plateau`` may have lowered."""
    if epoch < warm_up:
        return full * (epoch + 1) / warm_up
    if schedule == "cosine":
        return full * 0.5 * (1 + math.cos(math.pi * (epoch - warm_up) / (epochs - warm_up)))
    return now if epoch > warm_up else full


class _Watch(keras.callbacks.Callback):
    """Ends training with an explanation when the loss is no number or far above chance; reports progress."""

    def __init__(
        self, learning_rate: float, classes: int, epochs: int, progress: Progress | None, watch: Watch | None
    ) -> None:
        super().__init__()
        self.learning_rate, self.epochs, self.progress, self.watch = learning_rate, epochs, progress, watch
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
        if self.watch is not None:
            self.watch(epoch + 1, {name: float(value) for name, value in (logs or {}).items()})
