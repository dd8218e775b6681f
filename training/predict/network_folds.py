"""Out-of-fold class probabilities from a network per fold, trained from scratch on the images.

Far dearer than linear heads on embeddings (`training.predict.out_of_fold`), and not always better: for those who can
afford it and whose embedder is weak. Each fold's network is `training.models.capacity_ladder`'s, trained with early
stopping on a tenth of the images that is neither predicted nor trained on; then one temperature calibrates all
probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from imageclinic.core.errors import Failed, InputError
from imageclinic.core.reading import caches
from imageclinic.training.data import image_pipelines
from imageclinic.training.fit import fit_model
from imageclinic.training.fit.settings import Settings
from imageclinic.training.models import capacity_ladder as ladder
from imageclinic.training.predict.calibration import calibrate, log_loss

EPOCHS = 30
BATCH = 64

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Networks:
    """Out-of-fold predictions of a network per fold."""

    pred_probs: npt.NDArray[np.float32]
    """(n, classes), rows sum to 1: the probability that the given label is each class."""
    fold: npt.NDArray[np.int32]
    """(n,) the fold in which an image was held out."""
    temperature: float
    """What the logits were divided by; above 1 where the networks were too sure."""
    log_loss: float
    """Mean −log probability of the given label, in nats."""
    accuracy: float
    """Share of images whose given label is the likeliest one."""
    size: int
    """Side in pixels to which images were resized."""


def out_of_fold(
    paths: Sequence[Path],
    labels: npt.NDArray[np.integer],
    parts: npt.NDArray[np.integer],
    keep: Path,
    *,
    model: str = "large_cnn",
    epochs: int = EPOCHS,
    batch_size: int = BATCH,
    size: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Networks:
    """Predict every image's label by a network that was trained without its fold.

    Args:
        paths: readable images.
        labels: (n,) class numbers from 0.
        parts: (n,) from 0, two a fold, drawn elsewhere with copies in one part. Parts 2f and 2f + 1 are held out
            together; the first part after them stops the training early.
        keep: folder for the probabilities of finished folds. Those that are there are not made again, so it must
            be another one when anything else changes.
        model: a rung of `training.models.rungs.LADDER`.
        epochs: most epochs of a network.
        batch_size: images a step; halved when memory runs out.
        size: side in pixels to which images are resized; None: see `training.fit.fit_model.natural_size`.
        seed: of weights, batches, dropout and augmentation. The same seed gives the same result on the same machine
            and number of threads; on a GPU up to the order of its sums.
        progress: called with (epochs done, epochs in all); early stopping skips some.

    Raises:
        InputError: no images, shapes that differ, one class, or fewer than two folds.
        Failed: training broke down.
    """
    given, part = np.asarray(labels, np.int32), np.asarray(parts, np.int32)
    if not len(paths) or given.shape != (len(paths),) or part.shape != given.shape:
        raise InputError(
            f"{len(paths)} images, labels {given.shape}, parts {part.shape}", expected="one of each an image"
        )
    folds = int(part.max()) // 2 + 1
    if len(np.unique(given)) < 2 or folds < 2:
        raise InputError(f"{len(np.unique(given))} class(es) and {folds} fold(s)", expected="at least two of each")
    side = fit_model.natural_size(paths) if size is None else size
    task = _Task(list(paths), given, part, folds, side, model, epochs)
    probs = np.empty((len(paths), task.classes), np.float32)
    keep.mkdir(parents=True, exist_ok=True)
    for fold in range(folds):
        done = keep / f"{fold}.npy"
        held = caches.read_array(done)
        if held is None or held.shape != probs[task.held(fold)].shape:

            def report(epoch: int, _: int, before: int = fold * epochs) -> None:
                if progress is not None:
                    progress(before + epoch, folds * epochs)

            held = task.predict(fold, batch_size, seed + fold, report)
            caches.write_array(done, held)
        probs[task.held(fold)] = held
        if progress is not None:
            progress((fold + 1) * epochs, folds * epochs)
    logits = np.log(np.maximum(probs, np.finfo(np.float32).tiny))
    probs, temperature = calibrate(logits[None], given)
    return Networks(
        pred_probs=probs,
        fold=part // 2,
        temperature=temperature,
        log_loss=log_loss(probs, given),
        accuracy=float((probs.argmax(1) == given).mean()),
        size=side,
    )


@dataclass(frozen=True)
class _Task:
    paths: list[Path]
    labels: npt.NDArray[np.int32]
    parts: npt.NDArray[np.int32]
    folds: int
    side: int
    model: str
    epochs: int

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1

    def held(self, fold: int) -> npt.NDArray[np.bool_]:
        """(n,) the images that the fold's network predicts."""
        return np.asarray(self.parts // 2 == fold)

    def predict(self, fold: int, batch_size: int, seed: int, progress: Progress) -> npt.NDArray[np.float32]:
        """Probabilities of the held-out images, float32 (held out, classes), by a network trained on the others."""
        held, stop = self.held(fold), self.parts == (2 * fold + 2) % (2 * self.folds)
        shape = (self.side, self.side, 3)
        network = ladder.build(self.model, shape, self.classes, augment="light", seed=seed)
        train, watch = self._batches(~(held | stop), batch_size, seed), self._batches(stop, batch_size)
        try:
            fit_model.fit(network, train, watch, Settings(epochs=self.epochs, seed=seed), progress=progress)
            with image_pipelines.decode_errors():
                images = self._batches(held, batch_size).map(lambda x, _: x)
                found: npt.NDArray[np.float32] = network.predict(images, verbose=0)
        except (Failed, tf.errors.ResourceExhaustedError) as error:
            exhausted = isinstance(error.__cause__ or error, tf.errors.ResourceExhaustedError)
            if not exhausted or batch_size == 1:
                raise
            return self.predict(fold, batch_size // 2, seed, progress)
        return found

    def _batches(self, rows: npt.NDArray[np.bool_], batch_size: int, shuffled_by: int | None = None) -> tf.data.Dataset:
        return image_pipelines.dataset(
            [path for path, used in zip(self.paths, rows, strict=True) if used],
            self.labels[rows].tolist(),
            size=(self.side, self.side),
            batch_size=batch_size,
            shuffle=shuffled_by is not None,
            seed=shuffled_by or 0,
            cache=len(self.paths) * self.side * self.side * 3 <= image_pipelines.KEPT_BYTES,
        )
