"""Do class numbers mean the same in training and validation?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from imageclinic.training.compare.intervals import delta_interval
from imageclinic.training.diagnose.lab import Lab, effect
from imageclinic.training.diagnose.results import Result
from imageclinic.training.fit import metrics

QUESTION = "Do class numbers mean the same in training and validation?"
RUNS = (0, 0)
PLACE = 70

LEAST = 0.05  # accuracy that renaming must gain


def run(lab: Lab) -> tuple[Result, Lab]:
    """Look for a renaming of the classes with which validation is right: found on one half of the validation images
    by the Hungarian method, judged on the other, and the other way round."""
    base, val = lab.base(), lab.data.val
    half = np.random.default_rng(0).random(len(val)) < 0.5
    renamed = np.empty_like(base.predicted)
    for rows in (half, ~half):
        renamed[:, ~rows] = _renaming(base.predicted[:, rows], val.y[rows], lab.classes)[base.predicted[:, ~rows]]
    gained = delta_interval(base.correct, renamed == val.y, val.group)
    numbers = {"as_given": base.accuracy, "renamed": float((renamed == val.y).mean())}
    if gained.low <= LEAST:
        return Result("Yes, as far as predictions tell.", numbers=numbers), lab
    whole = _renaming(base.predicted, val.y, lab.classes)
    names = lab.data.classes
    moved = [f"{names[a]} → {names[b]}" for a, b in enumerate(whole[: lab.classes]) if a != b]
    evidence = (
        f"If what the network calls one class is read as another ({', '.join(moved[:6])}"
        f"{', …' if len(moved) > 6 else ''}), validation accuracy is {numbers['renamed']:.1%} instead of "
        f"{base.accuracy:.1%}: training and validation number the classes differently."
    )
    remedy = "Give both the same list: image_dataset_from_directory(..., class_names=[…]); never two LabelEncoders."
    back = np.argsort(whole[: lab.classes])
    data = replace(lab.data, val=replace(val, y=back[val.y]))
    found = effect("label_order", gained, evidence, remedy, fault=True)
    return Result("No.", (found,), numbers), lab.change(data=data)


def _renaming(predicted: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """Class number by predicted number, so that as many as possible are right; −1 (no number) stays at the end."""
    table = sum(metrics.confusion(y[row >= 0], row[row >= 0], classes) for row in predicted)
    truth, named = linear_sum_assignment(-np.asarray(table))
    found = np.full(classes + 1, -1)
    found[named] = truth
    return found
