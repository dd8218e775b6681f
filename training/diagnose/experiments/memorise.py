"""Can the network memorise 50 images?"""

from __future__ import annotations

from typing import Any

import numpy as np

from imageclinic.training.diagnose.experiments import corrupted
from imageclinic.training.diagnose.lab import EXPLORING, Lab
from imageclinic.training.diagnose.results import Effect, Result
from imageclinic.training.diagnose.setup import Images, Recipe

QUESTION = "Can the network memorise 50 images?"
RUNS = (2, 0)
PLACE = 20
ALWAYS = True

IMAGES, STEPS, BATCH = 50, 200, 10
MEMORISED = 0.9
RATES = (0.01, 0.1, 10.0, 100.0)


def run(lab: Lab) -> tuple[Result, Lab]:
    """Without augmentation and dropout, for 200 steps, and not on images that are flat or noise: flat ones look all
    alike. If it can't, other learning rates are tried, and then the smallest convolutional network of the ladder with
    its own settings, on the same images."""
    sound = lab.data.train.at(~corrupted.odd(lab.data.train.x))
    few = _few(sound if len(sound) >= IMAGES else lab.data.train)
    plain = lab.recipe.change(augment="none", mirror=False, dropout=0.0, weight_decay=0.0, batch_size=BATCH)
    own = _memorised(lab, plain, few)
    numbers: dict[str, Any] = {"images": len(few), "memorised": own}
    if own >= MEMORISED:
        return Result(f"Yes: after {STEPS} steps {own:.0%} of {len(few)} are right.", numbers=numbers), lab
    rates = {f: _memorised(lab, plain.change(learning_rate=f * plain.learning_rate), few) for f in RATES}
    numbers["with_learning_rate_times"] = {str(k): v for k, v in rates.items()}
    best = max(rates, key=lambda f: rates[f])
    fits = f"No: after {STEPS} steps {own:.0%} of {len(few)} are right"
    if rates[best] >= MEMORISED:
        rate = best * plain.learning_rate
        result = Result(f"{fits}; with a learning rate of {rate:.2g} {rates[best]:.0%} are.", numbers=numbers)
        return result, lab.change(too_fast=best < 1)
    reference = _memorised(lab, Recipe(augment="none", dropout=0.0, batch_size=BATCH), few)
    numbers["reference"] = reference
    if reference >= MEMORISED:
        words = f"{fits}, with no learning rate; of {Recipe.model} {reference:.0%}: the network, not the images"
        return Result(f"{words}.", numbers=numbers), lab
    evidence = (
        f"{fits}, and with no learning rate more than {rates[best]:.0%}; a network of ours, {Recipe.model}, gets "
        f"{reference:.0%} of them right. So what reaches the network does not tell the classes apart."
    )
    remedy = (
        "Draw a batch with its labels as the network gets it: are the pictures whole, in range, and labelled right?"
    )
    return Result(f"{fits}.", (Effect("input_pipeline", None, None, None, evidence, remedy, fault=True),), numbers), lab


def _memorised(lab: Lab, recipe: Recipe, few: Images) -> float:
    epochs = -(-STEPS * min(recipe.batch_size, len(few)) // len(few))
    outcome = lab.runs.run(recipe, few, few, EXPLORING, lab.classes, epochs)
    return outcome.train_accuracy


def _few(train: Images) -> Images:
    """As many of each class as there are, one after another, up to 50 in all."""
    order = np.random.default_rng(0).permutation(len(train))
    place = np.zeros(len(train), np.int64)
    for number in np.unique(train.y):
        rows = order[train.y[order] == number]
        place[rows] = np.arange(len(rows))
    return train.at(np.lexsort((order, place))[:IMAGES])
