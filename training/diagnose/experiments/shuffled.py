"""Does anything but the picture tell the label?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from imageclinic.training.diagnose.lab import EXPLORING, Lab
from imageclinic.training.diagnose.results import Effect, Result

QUESTION = "With shuffled labels, is accuracy that of guessing?"
RUNS = (1, 0)
PLACE = 180


def run(lab: Lab) -> tuple[Result, Lab]:
    """Train on labels that were shuffled: what is then still right, above guessing, came from somewhere else."""
    random = np.random.default_rng(0)
    train, val = (replace(part, y=random.permutation(part.y)) for part in (lab.data.train, lab.data.val))
    right = int(lab.trial(train=train, val=val, seeds=[EXPLORING]).correct.sum())
    chance = float((np.bincount(val.y) / len(val)).max())
    test = stats.binomtest(right, len(val), chance, alternative="greater")
    numbers = {"accuracy": right / len(val), "guessing": chance, "p": float(test.pvalue)}
    answer = f"{right / len(val):.1%} of shuffled labels, where guessing gives at most {chance:.1%}"
    if test.pvalue >= 0.001:
        return Result(f"Yes: {answer}.", numbers=numbers), lab
    remedy = "Look for what gives the label away: file order, names, sizes, or copies across the split"
    found = Effect("duplicates_and_leakage", None, None, None, f"{answer}.", remedy, fault=True)
    return Result(f"No: {answer}.", (found,), numbers), lab
