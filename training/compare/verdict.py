"""From predictions to what may be concluded: scores, differences with intervals, and one honest sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.training.compare import intervals
from imageclinic.training.compare.arms import CLEANED, ORIGINAL, RANDOM_REMOVAL, RANDOM_REVIEW
from imageclinic.training.fit import metrics

LABEL_SETS = ("original", "reviewed", "reviewed_at_random")  # the last where there is one
Predicted = npt.NDArray[np.int64]


def scores(predicted: Predicted, test: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Accuracy and macro-F1 of each seed under each set of test labels.

    Args:
        predicted: class numbers, (seeds, n).
        test: `label_original, label_reviewed`, n rows; null reviewed labels don't count.
        classes: class names.

    Returns:
        ``original``, ``reviewed`` and, for images that were reviewed at random, ``reviewed_at_random`` →
        `accuracy`, `macro_f1`: lists, one number a seed.
    """
    found = {}
    for labels, truth, used in _label_sets(test, classes):
        found[labels] = {
            "accuracy": [float(np.mean(row[used] == truth)) for row in predicted],
            "macro_f1": [metrics.macro_f1(truth, row[used], len(classes)) for row in predicted],
        }
    return found


def conclusions(
    predicted: Mapping[str, Predicted], test: pd.DataFrame, classes: Sequence[str], left_out: int
) -> dict[str, Any]:
    """What the arms' predictions allow to say about cleaning.

    Args:
        predicted: arm → class numbers, (seeds, n).
        test: `label_original, label_reviewed, split_group`, n rows.
        classes: class names.
        left_out: test images that were left out as copies of training images.

    Returns:
        `delta`: arm → label set → accuracy minus the original arm's: `estimate, low, high, half_width`
        (None without an interval: one seed, or one cluster), `verdict`, and `macro_f1` (its difference, no
        interval). `per_class`: label set → class → `n`, recalls, `delta, low, high` of the cleaned arm;
        intervals are for one class each, not for all at once. `mcnemar`: label set → a row a seed: `both,
        only_original, only_cleaned, neither`. `power_hint`, `verdict`: a sentence each. `notes`: what to
        keep in mind.
    """
    groups = test["split_group"].to_numpy(object)
    delta: dict[str, Any] = {name: {} for name in predicted if name != ORIGINAL}
    classwise: dict[str, Any] = {}
    mcnemar: dict[str, Any] = {}
    for labels, truth, used in _label_sets(test, classes):
        right = {name: values[:, used] == truth for name, values in predicted.items()}
        f1 = {
            name: np.mean([metrics.macro_f1(truth, row, len(classes)) for row in values[:, used]])
            for name, values in predicted.items()
        }
        for name in delta:
            delta[name][labels] = {
                **_difference(right[ORIGINAL], right[name], groups[used]),
                "macro_f1": float(f1[name] - f1[ORIGINAL]),
            }
        classwise[labels] = {
            classes[number]: _class(
                right[ORIGINAL][:, truth == number],
                right[CLEANED][:, truth == number],
                groups[used][truth == number],
            )
            for number in np.unique(truth)
        }
        names = ("both", "only_original", "only_cleaned", "neither")
        mcnemar[labels] = [
            dict(zip(names, map(int, row), strict=True))
            for row in intervals.mcnemar_tables(right[ORIGINAL], right[CLEANED])
        ]
    seeds = len(predicted[ORIGINAL])
    return {
        "delta": delta,
        "per_class": classwise,
        "mcnemar": mcnemar,
        "power_hint": _power_hint(delta[CLEANED]["original"], seeds, len(test)),
        "verdict": _verdict(delta[CLEANED]["original"], seeds, len(test)),
        "notes": _notes(delta, test, left_out),
    }


def _label_sets(
    test: pd.DataFrame, classes: Sequence[str]
) -> Iterator[tuple[str, npt.NDArray[np.integer], npt.NDArray[np.bool_]]]:
    """Name, class numbers of the images that count, which count (n,); a set without any is left out."""
    numbers = {name: i for i, name in enumerate(classes)}
    for labels in LABEL_SETS:
        if f"label_{labels}" not in test:
            continue
        given = test[f"label_{labels}"]
        used = given.notna().to_numpy()
        if used.any():
            yield labels, given[used].map(numbers).to_numpy(np.int64), used


def _difference(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], groups: npt.NDArray[np.object_]) -> dict[str, Any]:
    if len(a) < 2 or len(np.unique(groups)) < 2:
        estimate = float(b.mean() - a.mean())
        return {"estimate": estimate, "low": None, "high": None, "half_width": None, "verdict": "no interval"}
    found = intervals.delta_interval(a, b, groups)
    return {
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "half_width": found.half_width,
        "verdict": found.verdict,
    }


def _class(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], groups: npt.NDArray[np.object_]) -> dict[str, Any]:
    difference = _difference(a, b, groups)
    return {
        "n": a.shape[1],
        ORIGINAL: float(a.mean()),
        CLEANED: float(b.mean()),
        "delta": difference["estimate"],
        "low": difference["low"],
        "high": difference["high"],
    }


def _verdict(delta: Mapping[str, Any], seeds: int, images: int) -> str:
    change = f"Accuracy after cleaning: {_points(delta['estimate'])} points"
    runs = "1 seed" if seeds == 1 else f"{seeds} paired seeds"
    where = f"{runs}, {images} test images with their original labels"
    if delta["low"] is None:
        return f"{change} ({where}): no interval, so nothing can be claimed."
    word = {"gain": "a gain", "worse": "worse"}.get(delta["verdict"], delta["verdict"])
    interval = f"95 % interval {_points(delta['low'])} to {_points(delta['high'])}"
    return f"{change} ({interval}; {where}): {word}."


def _power_hint(delta: Mapping[str, Any], seeds: int, images: int) -> str:
    if delta["half_width"] is None:
        return "An interval needs at least 2 seeds (better 5) and 2 test images that are no copies."
    if delta["half_width"] == 0:
        return (
            f"Nothing varied over {seeds} seeds and {images} test images: do the training images differ at all? The "
            "smallest difference that shows here is unknown."
        )
    return (
        f"With {seeds} seeds and {images} test images, a difference of about {100 * delta['half_width']:.1f} "
        "points or more could have been detected."
    )


def _notes(delta: Mapping[str, Any], test: pd.DataFrame, left_out: int) -> list[str]:
    notes = []
    if left_out:
        notes.append(
            f"{left_out} of {left_out + len(test)} test images share a group with training or validation "
            "images (copies, or the same person or camera) and were left out."
        )
    changed = int((test["label_reviewed"] != test["label_original"]).sum())
    if changed:
        notes.append(
            f"Reviewed labels differ from the original ones on {changed} test images (dropped ones "
            "included). Correcting only flagged test images favours the model that flagged them, so the "
            "verdict rests on the original labels; wrong ones among those make differences look smaller than "
            "they are."
        )
    if "reviewed_at_random" in delta[CLEANED]:
        one = delta[CLEANED]["reviewed_at_random"]
        size = int(test["label_reviewed_at_random"].notna().sum())
        span = "" if one["low"] is None else f" (95 % interval {_points(one['low'])} to {_points(one['high'])})"
        notes.append(
            f"On the {size} test images that were reviewed at random, which favours no model: "
            f"{_points(one['estimate'])} points{span}. They stand for the images that they were drawn from."
        )
    if delta.get(RANDOM_REVIEW, {}).get("original", {}).get("verdict") == "gain":
        notes.append(
            f"Reviewing as many images at random gained {_points(delta[RANDOM_REVIEW]['original']['estimate'])} "
            f"points; the flags gained {_points(delta[CLEANED]['original']['estimate'])}."
        )
    control = delta.get(RANDOM_REMOVAL, {}).get("original", {}).get("verdict")
    if control == "gain" and delta[CLEANED]["original"]["verdict"] == "gain":
        notes.append(
            "Dropping as many images at random gained as well: the gain is not owed to which images were dropped."
        )
    return notes


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")
