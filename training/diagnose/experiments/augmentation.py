"""Is more or less augmentation better?"""

from __future__ import annotations

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Result
from imageclinic.training.diagnose.tries import Try, sweep

QUESTION = "Is more or less augmentation better?"
RUNS = (3, 1)
PLACE = 120

#: Strength → those to try instead.
NEXT = {
    "none": ("light", "medium"),
    "light": ("none", "medium"),
    "medium": ("light", "strong"),
    "strong": ("light", "medium"),
}


def run(lab: Lab) -> tuple[Result, Lab]:
    """The strengths of `training.models.augmentation` but the recipe's; on a user's own network, which may hold layers
    of its own for it, a shift and no more."""
    strengths = NEXT[lab.recipe.augment] if lab.recipe.own is None else ("light",)
    tries = [
        Try("augmentation", f"augmentation {name}", lab.recipe.change(augment=name), f"--augment {name}")
        for name in strengths
    ]
    return sweep(lab, tries)
