"""How large and how many images, so that the experiments fit the budget: measured once, then kept, so that a killed
diagnosis goes on with the same images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from imageclinic.core.reading import caches
from imageclinic.training.diagnose.setup import Images, Recipe
from imageclinic.training.diagnose.trainer import Trainer

SHARE = 0.7  # of the budget: what all runs of the ladder may take
#: Steps of a run that fewer images never bring it below, where the recipe has as many: a run that is cut short makes
#: high learning rates and simple networks look better than they are.
STEPS = 300
LEAST, MOST_VALIDATION = 500, 1_000
_TRIED = 128


@dataclass(frozen=True)
class Plan:
    """Height, width and channels of the images, most images to learn from and to judge on, and epochs."""

    shape: tuple[int, int, int]
    train: int
    val: int
    epochs: int


def make(
    recipe: Recipe,
    shapes: Sequence[tuple[int, int, int]],
    classes: int,
    images: int,
    budget: float,
    runs: int,
    kept: Path | None = None,
) -> Plan:
    """Time an epoch on noise, and plan: smaller images first, then fewer, then fewer epochs.

    Args:
        recipe: how each run is trained.
        shapes: of images, the wanted one first: the first that the budget is good for is taken, else the last.
        classes: number of classes.
        images: how many there are to learn from.
        budget: seconds for all experiments.
        runs: how many all experiments make.
        kept: file where an earlier plan may lie, and where this one is written.

    Returns:
        The plan. Where even the smallest is too much for the budget, the ladder will not get to its end.
    """
    if kept is not None and (found := caches.read_facts(kept)) is not None:
        return Plan(**{**found, "shape": tuple(found["shape"])})
    whole = recipe.epochs * images
    least = min(whole, STEPS * recipe.batch_size)
    affordable = 0.0
    for shape in shapes:
        chosen, affordable = shape, SHARE * budget / runs / _seconds(recipe, shape, classes)
        if affordable >= least:
            break
    passes = min(whole, max(affordable, least))
    train = int(np.clip(passes / recipe.epochs, min(LEAST, images), images))
    epochs = int(np.clip(round(passes / train), 1, recipe.epochs))
    plan = Plan(chosen, train, int(np.clip(train, 300, MOST_VALIDATION)), epochs)
    if kept is not None:
        caches.write_facts(kept, asdict(plan))
    return plan


def _seconds(recipe: Recipe, shape: tuple[int, ...], classes: int) -> float:
    """To train on one image once."""
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (_TRIED, *shape)).astype(np.float32)
    some = Images(x, np.arange(_TRIED, dtype=np.int64) % classes, np.arange(_TRIED))
    trainer = Trainer(recipe, shape, classes)
    trainer.run(recipe, some, some, 0, 1)  # builds the graph
    start = time.monotonic()
    trainer.run(recipe, some, some, 0, 3)
    return (time.monotonic() - start) / 3 / _TRIED
