"""What the curves of one training run say about why accuracy does not improve, and what they can't say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from imageclinic.core.errors import InputError
from imageclinic.training.diagnose.curves import curve_signs

FEW = 5  # epochs below which no trend is judged
SHORT = 12  # epochs below which the last third has four points: only a steady fall differs from noise


def judge(history: pd.DataFrame, *, classes: int | None = None, val_images: int | None = None) -> dict[str, Any]:
    """Read the curves of one run.

    Args:
        history: as `training.diagnose.curves.read_history.read` gives it: ``loss``, and any of ``val_loss, accuracy,
            val_accuracy, learning_rate``; one row an epoch, the index counts from 1.
        classes: number of classes, at least 2, if known: gives the accuracy of guessing.
        val_images: number of validation images, if known: gives how far chance alone moves their accuracy.

    Returns:
        `epochs`: read; `signs`: list of `curve_signs.Sign` as dictionaries, the gravest first; `unknown`: sentences on
        what these curves can't tell, and what would. No sign does not mean healthy.

    Raises:
        InputError: fewer than 2 classes, no validation images.
    """
    if classes is not None and classes < 2:
        raise InputError(f"{classes} classes", expected="at least 2")
    if val_images is not None and val_images < 1:
        raise InputError(f"{val_images} validation images", expected="at least 1")
    whole = np.isfinite(history.to_numpy()).all(axis=1)
    signs = [] if whole.all() else [curve_signs.not_a_number(history, whole)]
    sound = history[: len(history) if whole.all() else int(np.argmin(whole))]
    if len(sound) >= FEW:
        first = [found for rule in curve_signs.GRAVE if (found := rule(sound, classes)) is not None]
        # A run that learnt nothing or fell apart has no other shape that would mean anything.
        signs += first[:1] or [found for rule in curve_signs.GENTLE if (found := rule(sound, val_images)) is not None]
    return {
        "epochs": len(history),
        "signs": [{**asdict(s), "may_mean": list(s.may_mean)} for s in signs],
        "unknown": _unknown(history, len(sound), val_images),
    }


def _unknown(history: pd.DataFrame, sound: int, val_images: int | None) -> list[str]:
    unknown = []
    if sound < FEW:
        unknown.append(f"Any trend: there are {sound} epochs before the end or a break-down, and it takes {FEW}.")
    elif sound < SHORT:
        unknown.append(
            f"Whether it would go on improving, where no sign says so: {sound} epochs are few, and only a steady fall "
            f"differs from noise. Train at least {SHORT}."
        )
    if "val_loss" not in history:
        unknown.append("Overfitting by the loss, and whether training stopped too early: there is no val_loss.")
    if "accuracy" not in history:
        unknown.append("Whether the network fits its training images: there is no accuracy.")
    if "val_accuracy" not in history:
        unknown.append("How many validation images are right, and how steadily: there is no val_accuracy.")
    elif val_images is None:
        unknown.append("How much of a gap is chance: give --val-images, the number of validation images.")
    return [
        *unknown,
        "Wrong labels, copies in both splits, shortcuts, damaged images, class imbalance: imageclinic audit DATA.",
        "Whether more images would help: train on half of them and compare.",
        "Which of a sign's causes it is, and what fixing it would bring: change one thing at a time, several seeds.",
    ]
