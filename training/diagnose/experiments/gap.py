"""How far do training and validation lie apart, and what chance alone gives?"""

from __future__ import annotations

import numpy as np

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Result

QUESTION = "How accurate is it, on training and on validation images?"
RUNS = (0, 1)
PLACE = 30
ALWAYS = True


def run(lab: Lab) -> tuple[Result, Lab]:
    """Train the recipe with all seeds: what every other experiment is compared with."""
    base = lab.base()
    chance = float(np.bincount(lab.data.val.y).max() / len(lab.data.val))
    gap = base.train_accuracy - base.accuracy
    answer = (
        f"{base.train_accuracy:.1%} of {len(lab.data.train):,} training images and {base.accuracy:.1%} of "
        f"{len(lab.data.val):,} validation images are right (mean of {len(lab.seeds)} seeds); always naming the "
        f"largest class gives {chance:.1%}."
    )
    seeds = base.correct.mean(axis=1).tolist()
    numbers = {"train": base.train_accuracy, "validation": base.accuracy, "seeds": seeds, "gap": gap, "chance": chance}
    return Result(answer, numbers={**numbers, "losses": [list(each) for each in base.losses]}), lab
