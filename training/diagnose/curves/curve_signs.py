"""The signs that the curves of a training run may show of why accuracy does not improve, a rule each.

A curve shows *that* something is wrong, seldom what: so each sign names all the causes that it may mean. The
thresholds are rules of thumb, named below. No sign carries an estimated gain: only an experiment has one.

Keras averages training loss and accuracy over the epoch, with dropout and augmentation on, and measures validation
after it, with both off: so training looks worse than it is, most of all in the first epochs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from imageclinic.training.diagnose.curves import curve_trends

GAP = 0.10  # training accuracy above validation accuracy, from which it counts
RISE = 0.10  # of validation loss above its lowest, as a share of it
HARDLY = 0.05  # fall of the training loss, as a share of its start, below which nothing was learnt
FITTED = 0.90  # training accuracy from which a network fits its training images
ABOVE = 0.03  # validation accuracy above training accuracy
JUMPY = 0.20  # share of epochs in which the training loss rises by more than a twentieth of its whole fall
UNSTEADY = 0.02  # standard deviation of validation accuracy between neighbouring epochs


@dataclass(frozen=True)
class Sign:
    """One thing that the curves show. `may_mean` names causes, likeliest first; evidence and remedy are sentences."""

    sign: str
    may_mean: tuple[str, ...]
    evidence: str
    remedy: str


def not_a_number(history: pd.DataFrame, whole: npt.NDArray[np.bool_]) -> Sign:
    """Of the first epoch that is not `whole`: (epochs,), every number of it is finite. Not all are."""
    row = history.iloc[int(np.argmin(whole))]
    names = [str(n) for n, v in row.items() if not math.isfinite(v)]
    return Sign(
        "not_a_number",
        ("learning_rate", "input_pipeline"),
        f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} no finite number in epoch {row.name}.",
        "Check that no input or label is NaN and that pixels are rescaled once; then divide the learning rate by 10. "
        "A softmax output with from_logits=True, or a logarithm of 0 in a loss of your own, does it too.",
    )


def _diverging(history: pd.DataFrame, classes: int | None) -> Sign | None:
    loss = _of(history, "loss")
    lowest, end = float(loss.min()), curve_trends.end(loss)
    if end - lowest <= 0.3 * max(loss[0] - lowest, 0.1 * abs(loss[0])):
        return None
    return Sign(
        "diverging",
        ("learning_rate", "input_pipeline"),
        f"The training loss was {lowest:.3g} in epoch {_at(history, loss.argmin())} and is {end:.3g} at the end "
        f"(it began at {loss[0]:.3g}): it rises on the images that it is trained on.",
        "Divide the learning rate by 10; set clipnorm=1.0 on the optimizer; check that pixels are rescaled once.",
    )


def _not_learning(history: pd.DataFrame, classes: int | None) -> Sign | None:
    loss, accuracy = _of(history, "loss"), history.get("accuracy")
    end = curve_trends.end(loss)
    guessing = classes is not None and end >= 0.9 * math.log(classes)  # after a first loss that was far above
    if classes is not None and end < 0.5 * math.log(classes):
        return None
    good = accuracy is not None and curve_trends.end(accuracy.to_numpy()) >= 0.8
    if not guessing and (loss[0] - end >= HARDLY * abs(loss[0]) or good):
        return None
    guess = "." if classes is None else f"; guessing among {classes} classes gives {math.log(classes):.3g}."
    return Sign(
        "not_learning",
        ("learning_rate", "input_pipeline", "underfitting"),
        f"The training loss went from {loss[0]:.3g} to {end:.3g} in {len(loss)} epochs{guess}",
        "Try to memorise 50 images. If that fails: look at a batch with its labels, check that layers are trainable, "
        "that pixels are rescaled once and that loss and output agree (softmax with from_logits=False); then try "
        "learning rates from 1e-5 to 1e-1. Too low and too high look alike here.",
    )


def _overfitting(history: pd.DataFrame, val_images: int | None) -> Sign | None:
    loss, evidence = _of(history, "loss"), []
    if "val_loss" in history:
        val = _of(history, "val_loss")
        best, end = int(val.argmin()), curve_trends.end(val)
        noise = curve_trends.unsteadiness(val)
        if end - val[best] > RISE * abs(val[best]) + 2 * noise and curve_trends.end(loss) < loss[best]:
            evidence.append(
                f"The validation loss was lowest, {val[best]:.3g}, in epoch {_at(history, best)} and is {end:.3g} at "
                f"the end, while the training loss fell from {loss[best]:.3g} to {curve_trends.end(loss):.3g}."
            )
    if {"accuracy", "val_accuracy"} <= set(history):
        train, held = curve_trends.end(_of(history, "accuracy")), curve_trends.end(_of(history, "val_accuracy"))
        if train - held > GAP:
            evidence.append(
                f"At the end {train:.1%} of the training images and {held:.1%} of the validation images are right: "
                f"a gap of {100 * (train - held):.0f} points{_chance(held, val_images)}."
            )
    if not evidence:
        return None
    return Sign(
        "overfitting",
        ("overfitting", "too_little_data", "augmentation", "regularisation", "label_noise"),
        " ".join(evidence),
        "Keep the best epoch: EarlyStopping('val_loss', patience=5, restore_best_weights=True). Then, one at a time: "
        "augmentation, dropout or weight decay, more images, a smaller network. Wrong labels that are memorised look "
        "the same: imageclinic audit DATA.",
    )


def _levelled_off(history: pd.DataFrame, val_images: int | None) -> Sign | None:
    loss = _of(history, "loss")
    if "accuracy" not in history or curve_trends.falls(loss):
        return None
    train = curve_trends.end(_of(history, "accuracy"))
    if train >= FITTED or ("val_accuracy" in history and train - curve_trends.end(_of(history, "val_accuracy")) > GAP):
        return None
    rate = history.get("learning_rate")
    frozen = (
        f" The learning rate has fallen to {rate.iloc[-1]:.2g}, from {rate.max():.2g}: too low to move on?"
        if rate is not None and rate.iloc[-1] < 0.01 * rate.max()
        else ""
    )
    return Sign(
        "levelled_off",
        ("underfitting", "regularisation", "augmentation", "learning_rate", "label_noise"),
        f"The training loss no longer falls, and only {train:.1%} of the training images are right: the network does "
        f"not fit even these.{frozen}",
        "One at a time: a larger network, less dropout and weight decay, weaker augmentation, a learning rate three "
        "times higher and lower. Wrong labels set such a ceiling too: imageclinic audit DATA.",
    )


def _too_slow(history: pd.DataFrame, val_images: int | None) -> Sign | None:
    loss = _of(history, "loss")
    half = len(loss) // 2
    before, after = loss[0] - loss[half], loss[half] - loss[-1]
    # An exponential decay that does this has gone less than three quarters of its way.
    if not curve_trends.falls(loss) or before <= 0 or after < 0.5 * before:
        return None
    return Sign(
        "too_slow",
        ("learning_rate", "underfitting"),
        f"The training loss fell by {before:.3g} in the first half of the epochs and still by {after:.3g} in the "
        "second: most of its way is ahead.",
        "Raise the learning rate three times, and again while the loss stays steady; else train at least three times "
        "as many epochs.",
    )


def _still_improving(history: pd.DataFrame, val_images: int | None) -> Sign | None:
    if "val_loss" not in history or _too_slow(history, val_images) is not None:
        return None
    val = _of(history, "val_loss")
    if not curve_trends.falls(val) or val.argmin() < len(val) - max(1, len(val) // 10):
        return None
    third = val[-curve_trends.third(val)]
    return Sign(
        "still_improving",
        ("underfitting",),
        f"The validation loss fell from {third:.3g} to {val[-1]:.3g} over the last "
        f"{curve_trends.third(val)} epochs and "
        f"was lowest in epoch {_at(history, val.argmin())} of {len(val)}: training stopped while it improved.",
        "Train more epochs, with EarlyStopping(patience=5) to end it. How much that brings, a curve can't tell.",
    )


def _jumpy(history: pd.DataFrame, val_images: int | None) -> Sign | None:
    loss = _of(history, "loss")
    rises = int((np.diff(loss) > 0.05 * max(loss[0] - loss.min(), 0.2 * abs(loss[0]))).sum())
    if rises < max(2, JUMPY * (len(loss) - 1)):
        return None
    return Sign(
        "jumpy",
        ("learning_rate", "batch_size"),
        f"The training loss rose markedly in {rises} of {len(loss) - 1} epochs.",
        "Divide the learning rate by 3, or double the batch size; let it fall with ReduceLROnPlateau.",
    )


def _unsteady(history: pd.DataFrame, val_images: int | None) -> Sign | None:
    if "val_accuracy" not in history:
        return None
    val = _of(history, "val_accuracy")[len(history) // 2 :]
    noise = curve_trends.unsteadiness(val)
    if noise <= UNSTEADY:
        return None
    return Sign(
        "unsteady_validation",
        ("too_few_validation_images", "learning_rate", "batch_size"),
        f"In the second half, validation accuracy moves by about {100 * noise:.1f} points (a standard deviation) from "
        f"one epoch to the next{_chance(float(np.median(val)), val_images)}. The best epoch's {val.max():.1%} is "
        "flattered by having been chosen.",
        "Lower the learning rate or use more validation images; compare changes over several seeds, never by the best "
        "epoch of one run.",
    )


def _validation_above(history: pd.DataFrame, val_images: int | None) -> Sign | None:
    if not {"accuracy", "val_accuracy"} <= set(history):
        return None
    train, val = curve_trends.end(_of(history, "accuracy")), curve_trends.end(_of(history, "val_accuracy"))
    if val - train <= ABOVE:
        return None
    return Sign(
        "validation_above_training",
        ("regularisation", "augmentation", "label_noise", "duplicates_and_leakage"),
        f"At the end {val:.1%} of the validation images are right but {train:.1%} of the training images.",
        "Normal with dropout or augmentation, which act in training only: measure both with model.evaluate. If the gap "
        "stays, training has more wrong labels, or validation holds copies of it or is easier: imageclinic audit DATA.",
    )


#: Rules (history, classes) → a sign or None: nothing is learnt. The first one that is seen is the only one.
GRAVE = (_diverging, _not_learning)
#: Rules (history, validation images) → a sign or None, the gravest first.
GENTLE = (_overfitting, _levelled_off, _too_slow, _still_improving, _jumpy, _unsteady, _validation_above)


def _of(history: pd.DataFrame, name: str) -> curve_trends.Curve:
    return history[name].to_numpy(np.float64)


def _at(history: pd.DataFrame, position: Any) -> int:
    return int(history.index[int(position)])


def _chance(accuracy: float, val_images: int | None) -> str:
    if val_images is None:
        return ""
    spread = stats.binomtest(round(accuracy * val_images), val_images).proportion_ci(method="wilson")
    return (
        f" (with {val_images:,} images the validation accuracy itself is known to {spread.low:.1%}–{spread.high:.1%})"
    )
