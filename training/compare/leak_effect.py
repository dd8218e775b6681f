"""What copies of test images in training do to a measured accuracy, and what leaving them out costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.training.compare.arms import ORIGINAL, WITHOUT_TWINS, baseline
from imageclinic.training.compare.differences import difference, points, span

Predicted = npt.NDArray[np.int64]


def leak(
    predicted: Mapping[str, Predicted], test: pd.DataFrame, classes: Sequence[str], sizes: Mapping[str, int]
) -> dict[str, Any] | None:
    """The accuracy with the leak, the honest one without it, and what the difference is made of.

    Args:
        predicted: arm → class numbers of all test images, (seeds, n).
        test: n rows as `training.compare.arms.checked` gives them.
        classes: class names.
        sizes: arm → training and validation images.

    Returns:
        None where no test image has a copy among the original arm's images. Else `test_images, with_copies,
        copies_removed` (from training); accuracies on the original labels: `accuracy_with_leak` (all test images),
        `accuracy_on_copies, accuracy_on_others` (of the same models; None: no such images), `accuracy_without_leak`;
        `inflated_by` and `cost_of_removal` (on the test images without copies), each `estimate, low, high,
        half_width, verdict` or None; `sentences`.
    """
    twin, fair = test["twin"].to_numpy(), test["fair"].to_numpy()
    if not twin.any():
        return None
    numbers = {name: i for i, name in enumerate(classes)}
    truth = test["label_original"].map(numbers).to_numpy(np.int64)
    groups = test["split_group"].to_numpy(object)
    right = {name: values == truth for name, values in predicted.items()}
    base = baseline(predicted)
    before, after = right[ORIGINAL], right[base]
    found: dict[str, Any] = {
        "test_images": len(test),
        "with_copies": int(twin.sum()),
        "copies_removed": sizes[ORIGINAL] - sizes[base],
        "accuracy_with_leak": float(before.mean()),
        "accuracy_on_copies": float(before[:, twin].mean()),
        "accuracy_on_others": float(before[:, ~twin].mean()) if (~twin).any() else None,
        "accuracy_without_leak": float(after[:, fair].mean()),
        "inflated_by": difference(after, before, groups) if fair.all() else None,
        "cost_of_removal": (
            difference(before[:, ~twin], after[:, ~twin], groups[~twin])
            if base == WITHOUT_TWINS and (~twin).any()
            else None
        ),
    }
    return {**found, "sentences": _sentences(found, int(fair.sum()))}


def _sentences(found: Mapping[str, Any], fair: int) -> list[str]:
    n, copies = found["test_images"], found["with_copies"]
    with_leak, without = (f"{100 * found[f'accuracy_{key}']:.1f} %" for key in ("with_leak", "without_leak"))
    head = f"{copies:,} of {n:,} test images have a copy in training (or a picture of the same group)."
    inflated = found["inflated_by"]
    if inflated is None:
        return [
            f"{head} Accuracy on all of them, with the leak: {with_leak}; on the {fair:,} without a copy, which all "
            f"else here is judged on: {without}. The second is the honest one."
        ]
    gain = "" if inflated["verdict"] == "gain" else ", which is within chance"
    sentences = [
        f"{head} Accuracy with the leak: {with_leak}; trained without these {found['copies_removed']:,} images: "
        f"{without}, the honest one. The leak adds {points(inflated['estimate'])} points{span(inflated)}{gain}."
    ]
    cost = found["cost_of_removal"]
    if cost is not None:
        shown = {"gain": "", "worse": ", fewer images to learn from"}.get(cost["verdict"], ", which is within chance")
        sentences.append(
            f"Leaving them out of training changes accuracy by {points(cost['estimate'])} points{span(cost)} on the "
            f"{n - copies:,} test images without a copy{shown}."
        )
    return sentences
