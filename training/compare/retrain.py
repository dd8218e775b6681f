"""What did cleaning change? Retrain on the original and the cleaned images, test both on the same images.

Same seeds, same budget of epochs; epoch or regularisation are chosen on each arm's own validation images, never
on test images. Nothing that is learnt ever sees a test image: models, embedder and scaling are fitted on training and
validation images alone.

What a seed varies: the draw of training and validation images within the arm's own (by split group,
stratified by class, in one order for all arms, so that arms with the same images draw the same) and, where they
exist, initial weights, batches, dropout and augmentation. So the variance between seeds says what another run
would have given, also for the linear head, which is solved to its only optimum.

Three kinds of model:

- ``features`` (fast): embeddings, then a linear head per arm and seed, its L2 strength chosen on validation. One
  embedder serves all arms: an unsupervised one is fitted on the original arm's training and validation images,
  a pretrained one is taken as it is. It never sees a label, so it can't favour the arm whose labels are better.
- a rung of `training.models.rungs.LADDER`, trained from scratch per arm and seed, or a pretrained network
  (`training.models.pretrained`), whose classifier and unfrozen stages are trained likewise.
- a ``.keras`` file: its architecture, trained likewise (`training.models.user_network`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core import tables
from imageclinic.core.predicted.tested_images import TEST_PREDICTIONS
from imageclinic.core.processes import signals
from imageclinic.core.reading import caches
from imageclinic.training.compare import arms as arms_of
from imageclinic.training.compare import comparison_recipe as recipes
from imageclinic.training.compare import leak_effect, predicted_tests, validation_gap, verdict
from imageclinic.training.compare.arm_inputs import Inputs
from imageclinic.training.compare.arms import random_removal, random_review
from imageclinic.training.compare.compare_options import FEATURES, CompareOptions
from imageclinic.training.compare.comparison_recipe import Recipe
from imageclinic.training.compare.known_embeddings import Embedded
from imageclinic.training.compare.separate_arms import Step
from imageclinic.training.fit import fit_model
from imageclinic.training.fit.settings import Settings
from imageclinic.training.predict import linear_probe

__all__ = ["EPOCHS", "FEATURES", "Interrupted", "compare", "random_removal", "random_review"]

ORIGINAL = arms_of.ORIGINAL
EPOCHS = 15  # for a rung, where the caller names none
_FORMAT = 2  # of a finished run: raise it when what it holds changes

Progress = Callable[[int, int], None]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came. `result` is the comparison of the seeds that all arms had done; None where there is no such seed."""

    def __init__(self, result: dict[str, Any] | None) -> None:
        super().__init__()
        self.result = result


def compare(
    arms: Mapping[str, pd.DataFrame],
    test: pd.DataFrame,
    options: CompareOptions | None = None,
    *,
    known: Embedded | None = None,
    steps: Sequence[Step] = (),
    progress: Progress | None = None,
    cache: Path | None = None,
    predictions: Path | None = None,
) -> dict[str, Any]:
    """Train every arm with every seed and compare what they get right.

    Args:
        arms: name → images to learn from, with ``original``, ``cleaned`` where cleaning changed something, and others:
            those of `training.compare.separate_arms.separate` and controls (``random_removal``): columns `image_id`,
            `path` (of the file), `label`, `split` (train or val), `split_group` (null: the image is its own).
        test: the same test images for all: `image_id`, `path`, `label_original`, `label_reviewed` (null: the
            reviewer dropped the image), `split_group`. Images that share a group with an arm's images are left out,
            and counted; where there is an arm ``without_twins``, the original arm's don't count, and it is judged on
            all test images apart, see `training.compare.leak_effect.leak`.
        options: how; None: the defaults.
        known: embeddings that are there already, for the model ``features``; others are made where an image is missing.
        steps: what makes each arm of the one before it.
        progress: called with (runs done, runs).
        cache: folder for finished runs and embeddings: a killed comparison goes on where it stopped, and one
            with other images, labels or settings does not use them.
        predictions: the file for what the trainings named for each test image, see
            `core.predicted.tested_images.TEST_PREDICTIONS`; None: it is not written.

    Returns:
        The content of comparison.json: `model, embedder, epochs, size, seeds, classes, n_test, n_test_reviewed,
        left_out`; `arms`: name → `n_train, n_val`, what validation chose (`l2_strengths` or `best_epochs`),
        `validation_accuracy`, one a seed, and under ``original`` and ``reviewed`` (labels of the test images)
        `accuracy` and `macro_f1`, one a seed; `leak`, see `training.compare.leak_effect.leak`; `validation_gap`, see
        `training.compare.validation_gap.gap`; `baseline, delta, steps, per_class, mcnemar, power_hint, verdict` and
        `notes`, see `training.compare.verdict.conclusions`.

    Raises:
        InputError: arms or columns are missing, no test images (left), no validation images, one class, a
            class that an arm can't learn, fewer than one seed, an unknown model or one that does not fit, weights
            that are not there, an unreadable image.
        Failed: training broke down.
        Interrupted: Ctrl-C came; holds what the seeds that are done say.
    """
    use = options or CompareOptions()
    frames, images = arms_of.checked(arms, test)
    classes = sorted(set().union(*(frame["label"] for frame in frames.values())))
    recipe = recipes.choose(use, len(classes))
    inputs = Inputs(frames, images, recipe.side, recipe.channels, use.seed, cache, known)
    comparison = _Comparison(frames, images, steps, classes, recipe, inputs, use)
    settings = {
        "format": _FORMAT,
        "model": recipe.version,
        "epochs": comparison.epochs,
        "classes": classes,
        "inputs": inputs.key,
    }
    done: dict[str, list[dict[str, Any]]] = {name: [] for name in frames}
    try:
        with signals.heeded() as check:
            for number in range(use.seeds):
                for place, (name, frame) in enumerate(frames.items()):
                    check()
                    seed = use.seed + number
                    file = None
                    if cache is not None:
                        key = arms_of.digest({**settings, "seed": seed}, frame, images[["image_id", "path"]])
                        file = cache / f"run-{key}.json"
                    run = _read(file)
                    if run is None:
                        run = comparison.run(frame, seed)
                        if file is not None:
                            caches.write_facts(file, run)
                    done[name].append(run)
                    if progress is not None:
                        progress(number * len(frames) + place + 1, use.seeds * len(frames))
    except KeyboardInterrupt as stop:
        raise Interrupted(comparison.result(done) if all(done.values()) else None) from stop
    if predictions is not None:
        tables.write(predictions, comparison.test_predictions(done), TEST_PREDICTIONS)
    return comparison.result(done)


@dataclass(frozen=True)
class _Comparison:
    """What all runs share: the arms, the test images, what makes an arm of another, class names, what is trained and on
    which inputs."""

    frames: Mapping[str, pd.DataFrame]
    test: pd.DataFrame
    steps: Sequence[Step]
    classes: Sequence[str]
    recipe: Recipe
    inputs: Inputs
    options: CompareOptions

    @property
    def epochs(self) -> int | None:
        """Most epochs of a run; None for a linear head."""
        if self.recipe.build is None:
            return None
        return EPOCHS if self.options.epochs is None else self.options.epochs

    def run(self, frame: pd.DataFrame, seed: int) -> dict[str, Any]:
        """Train one arm with one seed; predict the test images."""
        drawn = arms_of.redraw(frame, seed)
        validation = (drawn["split"] == "val").to_numpy()
        numbers = {name: i for i, name in enumerate(self.classes)}
        truth = drawn["label"].map(numbers).to_numpy(np.int64)
        rows, test_rows = self.inputs.rows(drawn["path"]), self.inputs.rows(self.test["path"])
        if self.recipe.build is None or self.epochs is None:
            head = linear_probe.fit(rows, truth, validation, len(self.classes))
            predicted, chosen = head.logits(test_rows).argmax(axis=1), head.strength
            guessed = head.logits(rows[validation]).argmax(axis=1)
        else:
            keras.utils.clear_session()
            network = self.recipe.build(seed)
            train, held_out = [(rows[part], truth[part]) for part in (~validation, validation)]
            how = Settings(epochs=self.epochs, seed=seed, learning_rate=self.recipe.learning_rate)
            chosen = fit_model.fit(network, train, held_out, how).best_epoch
            predicted, guessed = _predict(network, test_rows), _predict(network, rows[validation])
        return {
            "predicted": predicted.tolist(),
            "chosen": chosen,
            "validation_accuracy": float((guessed == truth[validation]).mean()),
            "embedder": self.inputs.embedder,
        }

    def test_predictions(self, done: Mapping[str, list[dict[str, Any]]]) -> pd.DataFrame:
        """Rows of TEST_PREDICTIONS, of the test images that all arms are compared on."""
        fair = self.test["fair"].to_numpy()
        named = {name: np.array([run["predicted"] for run in runs], np.int64)[:, fair] for name, runs in done.items()}
        seeds = [self.options.seed + i for i in range(self.options.seeds)]
        return predicted_tests.table(named, self.test[fair], self.classes, seeds)

    def result(self, done: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
        """The content of comparison.json, of the seeds that all arms have done."""
        seeds = min(map(len, done.values()))
        done = {name: runs[:seeds] for name, runs in done.items()}
        everywhere = {name: np.array([run["predicted"] for run in found], np.int64) for name, found in done.items()}
        fair = self.test["fair"].to_numpy()
        test, predicted = self.test[fair], {name: values[:, fair] for name, values in everywhere.items()}
        chosen = "l2_strengths" if self.options.model == FEATURES else "best_epochs"
        arms = {
            name: {
                "n_train": int((frame["split"] == "train").sum()),
                "n_val": int((frame["split"] == "val").sum()),
                chosen: [run["chosen"] for run in done[name]],
                "validation_accuracy": [run["validation_accuracy"] for run in done[name]],
                **verdict.scores(predicted[name], test, self.classes),
            }
            for name, frame in self.frames.items()
        }
        base = arms[arms_of.baseline(arms)]
        sizes = {name: len(frame) for name, frame in self.frames.items()}
        leak = leak_effect.leak(everywhere, self.test, self.classes, sizes)
        return {
            "model": self.options.model,
            "embedder": done[ORIGINAL][0]["embedder"],
            "epochs": self.epochs,
            "size": None if self.recipe.side is None else self.recipe.side[0],
            "seeds": [self.options.seed + i for i in range(seeds)],
            "classes": self.classes,
            "n_test": len(test),
            "n_test_reviewed": int(test["label_reviewed"].notna().sum()),
            "left_out": len(self.test) - len(test),
            "arms": arms,
            "leak": leak,
            "validation_gap": validation_gap.gap(base, base["n_val"], test["split_group"].nunique()),
            # The leak's sentences say how many were left out.
            **verdict.conclusions(predicted, test, self.classes, 0 if leak else len(self.test) - len(test), self.steps),
        }


def _predict(network: keras.Model, rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    # Called, not `predict`ed: that would trace a graph for one use, and TensorFlow warns of it run after run.
    batches = [network(rows[i : i + 256], training=False) for i in range(0, len(rows), 256)]
    return np.concatenate([np.asarray(batch).argmax(axis=1) for batch in batches])


def _read(file: Path | None) -> dict[str, Any] | None:
    """A finished run; None when there is none, or none that can be read: it is then done again."""
    return None if file is None else caches.read_facts(file)
