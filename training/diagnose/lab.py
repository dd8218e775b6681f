"""Where experiments are made: data, recipe, seeds and the runs that are done, which a later process finds again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imageclinic.core.reading import caches
from imageclinic.training.compare.intervals import Interval, delta_interval
from imageclinic.training.diagnose.results import Effect
from imageclinic.training.diagnose.setup import Data, Images, Recipe
from imageclinic.training.diagnose.trainer import Outcome, Trainer

#: Fits a noise model: labels (n,), out-of-fold probabilities (n, classes) → probability that each label is wrong.
Noise = Callable[[npt.NDArray[np.int64], npt.NDArray[np.float32]], npt.NDArray[np.float64]]
EXPLORING = 1000  # the seed that chooses; those that confirm are others
_MOST_EPOCHS = 12  # times as many epochs for a part of the images, so that it gets as many steps as all


@dataclass(frozen=True)
class Trial:
    """Runs of one recipe with several seeds. `outputs` (seeds, images, classes), `y` (images,)."""

    outputs: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    train_accuracies: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]

    @cached_property
    def predicted(self) -> npt.NDArray[np.int64]:
        """(seeds, images); −1 where the outputs are no numbers."""
        finite = np.isfinite(self.outputs).all(axis=2)
        return np.where(finite, np.nan_to_num(self.outputs).argmax(axis=2), -1).astype(np.int64)

    @cached_property
    def correct(self) -> npt.NDArray[np.bool_]:
        """(seeds, images)."""
        return np.asarray(self.predicted == self.y)

    @property
    def accuracy(self) -> float:
        """Mean over seeds, on the images that are judged on."""
        return float(self.correct.mean())

    @property
    def train_accuracy(self) -> float:
        """Mean over seeds, on the images that were learnt from."""
        return float(np.mean(self.train_accuracies))


@dataclass(frozen=True)
class Lab:
    """What experiments get. `floor`: error that wrong labels are known to cause; `starved`: classes that are known to
    fare worse for want of images; `mended`: the change of training that gained most for sure, in words and as a
    recipe; `too_fast`: 50 images are memorised with a lower learning rate alone; `runs`: shared by its changes."""

    data: Data
    recipe: Recipe
    seeds: tuple[int, ...]
    noise: Noise
    runs: Runs
    floor: float = 0.0
    starved: tuple[int, ...] = ()
    mended: tuple[str, Recipe] | None = None
    too_fast: bool = False

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.data.classes)

    def change(self, **values: Any) -> Lab:
        """The lab with other values."""
        return replace(self, **values)

    def trial(
        self,
        recipe: Recipe | None = None,
        *,
        train: Images | Sequence[Images] | None = None,
        val: Images | None = None,
        seeds: Sequence[int] | None = None,
    ) -> Trial:
        """Train a recipe (None: the lab's) with every seed; the same runs are not made twice.

        Args:
            recipe: how to train.
            train: other images to learn from, the same for all seeds or one set a seed. Fewer images get more epochs,
                so that there are as many steps.
            val: other images to judge on.
            seeds: other seeds.
        """
        use = recipe or self.recipe
        numbers = self.seeds if seeds is None else tuple(seeds)
        given = self.data.train if train is None else train
        sets = [given] * len(numbers) if isinstance(given, Images) else list(given)
        judged = self.data.val if val is None else val
        full = len(self.data.train)
        found = [
            self.runs.run(use, part, judged, number, self.classes, _epochs(use.epochs, full, len(part)))
            for part, number in zip(sets, numbers, strict=True)
        ]
        return Trial(
            np.stack([f.outputs for f in found]),
            judged.y,
            tuple(f.train_accuracy for f in found),
            tuple(f.losses for f in found),
        )

    def base(self) -> Trial:
        """The lab's own recipe on its own images."""
        return self.trial()

    def gain(self, changed: Trial, base: Trial | None = None) -> Interval:
        """How much more accurate `changed` is than `base` (None: the lab's), over seeds and images."""
        return delta_interval((base or self.base()).correct, changed.correct, self.data.val.group)

    def explored(self, recipe: Recipe) -> float:
        """Accuracy with the one seed that only chooses."""
        return self.trial(recipe, seeds=[EXPLORING]).accuracy


def effect(cause: str, interval: Interval, evidence: str, remedy: str, *, fault: bool = False) -> Effect:
    """An effect from a measured interval."""
    return Effect(cause, interval.estimate, interval.low, interval.high, evidence, remedy, fault)


class Runs:
    """Runs that are done, on disk, one file each; and trainers, kept for the next run of their architecture.

    Args:
        folder: where finished runs are kept; None: nowhere.
        tick: called before and after each run; may raise to end the ladder.
    """

    def __init__(self, folder: Path | None = None, tick: Callable[[], None] | None = None) -> None:
        self.folder, self.tick = folder, tick
        self.trainers: dict[tuple[Any, ...], Trainer] = {}
        self.digests: dict[int, tuple[Images, str]] = {}
        self.done: dict[str, Outcome] = {}
        self.seconds: list[float] = []  # that runs took, also those that an earlier process made

    def run(self, recipe: Recipe, train: Images, val: Images, seed: int, classes: int, epochs: int) -> Outcome:
        """One run, or what it gave when it was made before."""
        name = f"{recipe.digest()}-{self._digest(train)}-{self._digest(val)}-{seed}-{epochs}"
        name = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
        if name not in self.done:
            self.done[name] = self._read(name) or self._make(name, recipe, train, val, seed, classes, epochs)
        return self.done[name]

    def trainer(self, recipe: Recipe, shape: tuple[int, ...], classes: int) -> Trainer:
        """The trainer of a recipe, whatever its learning rate, batch size and epochs."""
        key = (recipe.digest("learning_rate", "batch_size", "epochs"), shape, classes)
        if key not in self.trainers:
            self.trainers[key] = Trainer(recipe, shape, classes)
        return self.trainers[key]

    def _make(self, name: str, recipe: Recipe, train: Images, val: Images, *rest: int) -> Outcome:
        seed, classes, epochs = rest
        if self.tick is not None:
            self.tick()
        start = time.monotonic()
        outcome = self.trainer(recipe, train.x.shape[1:], classes).run(recipe, train, val, seed, epochs)
        self.seconds.append(time.monotonic() - start)
        if self.folder is not None:
            kept = {
                "outputs": outcome.outputs,
                "train_accuracy": np.array(outcome.train_accuracy),
                "losses": np.array(outcome.losses),
                "seconds": np.array(self.seconds[-1]),
            }
            caches.write_arrays(self.folder / f"{name}.npz", kept, sync=False)
        return outcome

    def _read(self, name: str) -> Outcome | None:
        saved = None if self.folder is None else caches.read_arrays(self.folder / f"{name}.npz")
        if saved is None:
            return None  # none, or damaged: it is made again
        if "seconds" in saved:
            self.seconds.append(float(saved["seconds"]))
        return Outcome(saved["outputs"], float(saved["train_accuracy"]), tuple(float(v) for v in saved["losses"]))

    def _digest(self, images: Images) -> str:
        # The images are kept with their digest, or another set could get the same id.
        if id(images) not in self.digests:
            self.digests[id(images)] = (images, images.digest)
        return self.digests[id(images)][1]


def _epochs(epochs: int, full: int, part: int) -> int:
    return max(1, min(round(epochs * max(1.0, full / max(part, 1))), _MOST_EPOCHS * epochs))
