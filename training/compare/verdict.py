"""From predictions to what may be concluded: scores, differences with intervals, and one honest sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.training.compare import intervals
from imageclinic.training.compare.arms import CLEANED, ORIGINAL, RANDOM_REMOVAL, RANDOM_REVIEW, WITHOUT_TWINS, baseline
from imageclinic.training.compare.differences import difference, points, span
from imageclinic.training.compare.separate_arms import Step
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
    predicted: Mapping[str, Predicted],
    test: pd.DataFrame,
    classes: Sequence[str],
    left_out: int,
    steps: Sequence[Step] = (),
) -> dict[str, Any]:
    """What the arms' predictions allow to say about cleaning.

    Args:
        predicted: arm → class numbers, (seeds, n).
        test: `label_original, label_reviewed, split_group`, n rows.
        classes: class names.
        left_out: test images that were left out as copies of training images.
        steps: what makes each arm of the one before it.

    Returns:
        `baseline`: the arm that all are compared with, ``original`` or ``without_twins``. `delta`: arm → label set →
        accuracy minus the baseline's: `estimate, low, high, half_width` (None without an interval: one seed, or one
        cluster), `verdict`, and `macro_f1` (its difference, no interval). `steps`: for each of the steps, where there
        are several, its `kind, arm, against, images`, the difference on the original labels and a `sentence`.
        `per_class`: label set → class → `n`, recalls of the baseline (`original`) and of the cleaned arm, `delta, low,
        high`; intervals are for one class each, not for all at once. `mcnemar`: label set → a row a seed: `both,
        only_original, only_cleaned, neither`. `power_hint`, `verdict`: a sentence each. `notes`: what to keep in mind.
        Without a cleaned arm, `per_class` and `mcnemar` are empty.
    """
    groups = test["split_group"].to_numpy(object)
    base = baseline(predicted)
    delta: dict[str, Any] = {name: {} for name in predicted if name not in (ORIGINAL, base)}
    classwise: dict[str, Any] = {}
    mcnemar: dict[str, Any] = {}
    parts: list[dict[str, Any]] = []
    for labels, truth, used in _label_sets(test, classes):
        right = {name: values[:, used] == truth for name, values in predicted.items()}
        f1 = {
            name: np.mean([metrics.macro_f1(truth, row, len(classes)) for row in values[:, used]])
            for name, values in predicted.items()
        }
        for name in delta:
            delta[name][labels] = {
                **difference(right[base], right[name], groups[used]),
                "macro_f1": float(f1[name] - f1[base]),
            }
        if labels == LABEL_SETS[0] and len(steps) > 1:
            parts = [_part(step, difference(right[step.against], right[step.arm], groups)) for step in steps]
        if CLEANED not in predicted:
            continue
        classwise[labels] = {
            classes[number]: _class(
                right[base][:, truth == number],
                right[CLEANED][:, truth == number],
                groups[used][truth == number],
            )
            for number in np.unique(truth)
        }
        names = ("both", "only_original", "only_cleaned", "neither")
        mcnemar[labels] = [
            dict(zip(names, map(int, row), strict=True))
            for row in intervals.mcnemar_tables(right[base], right[CLEANED])
        ]
    seeds = len(predicted[base])
    change = delta.get(CLEANED, {}).get("original")
    return {
        "baseline": base,
        "delta": delta,
        "steps": parts,
        "per_class": classwise,
        "mcnemar": mcnemar,
        "power_hint": "" if change is None else _power_hint(change, seeds, len(test)),
        "verdict": _unchanged(base) if change is None else _verdict(change, seeds, len(test), base),
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


def _class(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], groups: npt.NDArray[np.object_]) -> dict[str, Any]:
    delta = difference(a, b, groups)
    return {
        "n": a.shape[1],
        ORIGINAL: float(a.mean()),
        CLEANED: float(b.mean()),
        "delta": delta["estimate"],
        "low": delta["low"],
        "high": delta["high"],
    }


def _part(step: Step, delta: Mapping[str, Any]) -> dict[str, Any]:
    images = f"{step.images:,} image{'' if step.images == 1 else 's'}"
    what = {
        "copies": f"Dropping {images} of which a copy stays",
        "labels": f"Correcting the labels of {images}",
        "drops": f"Dropping {images} that {'is no copy' if step.images == 1 else 'are no copies'}",
        "additions": f"Adding {images}",
    }[step.kind]
    word = {"gain": ": a gain", "worse": ": worse"}.get(delta["verdict"], f": {delta['verdict']}")
    return {**asdict(step), **delta, "sentence": f"{what}: {points(delta['estimate'])} points{span(delta)}{word}."}


def _unchanged(base: str) -> str:
    apart = ", apart from copies of test images" if base == WITHOUT_TWINS else ""
    return f"Cleaning changes no training image{apart}: there is no second arm."


def _verdict(delta: Mapping[str, Any], seeds: int, images: int, base: str) -> str:
    change = f"Accuracy after cleaning: {points(delta['estimate'])} points"
    runs = "1 seed" if seeds == 1 else f"{seeds} paired seeds"
    where = f"{runs}, {images} test images with their original labels"
    if base == WITHOUT_TWINS:
        where += ", neither side trained on copies of them"
    if delta["low"] is None:
        return f"{change} ({where}): no interval, so nothing can be claimed."
    word = {"gain": "a gain", "worse": "worse"}.get(delta["verdict"], delta["verdict"])
    interval = f"95 % interval {points(delta['low'])} to {points(delta['high'])}"
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
    cleaned = delta.get(CLEANED, {})
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
    if "reviewed_at_random" in cleaned:
        one = cleaned["reviewed_at_random"]
        size = int(test["label_reviewed_at_random"].notna().sum())
        notes.append(
            f"On the {size} test images that were reviewed at random, which favours no model: "
            f"{points(one['estimate'])} points{span(one)}. They stand for the images that they were drawn from."
        )
    if cleaned and delta.get(RANDOM_REVIEW, {}).get("original", {}).get("verdict") == "gain":
        notes.append(
            f"Reviewing as many images at random gained {points(delta[RANDOM_REVIEW]['original']['estimate'])} "
            f"points; the flags gained {points(cleaned['original']['estimate'])}."
        )
    control = delta.get(RANDOM_REMOVAL, {}).get("original", {}).get("verdict")
    if control == "gain" and cleaned["original"]["verdict"] == "gain":
        notes.append(
            "Dropping as many images at random gained as well: the gain is not owed to which images were dropped."
        )
    return notes
