"""Validation accuracy that promises more than the test keeps, and why that can be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: A smaller gap is ordinary.
_GAP = 0.1


def gap(arm: Mapping[str, Any], val_images: int, test_groups: int) -> dict[str, Any] | None:
    """Where validation is far above the test, as `validation, test, low, high` (95 % interval of the difference).

    Args:
        arm: an arm of comparison.json.
        val_images: its validation images in each run.
        test_groups: groups of test images that it is judged on.

    Returns:
        None where the gap is below 10 points, or within chance. Binomial variances of one run's images on
        either side; that runs draw other validation images is not counted, which errs on the safe side.
    """
    accuracies = arm["validation_accuracy"], arm["original"]["accuracy"]
    validation, test = (sum(values) / len(values) for values in accuracies)
    error = math.sqrt(validation * (1 - validation) / val_images + test * (1 - test) / test_groups)
    low, high = validation - test - 1.96 * error, validation - test + 1.96 * error
    if low <= 0 or validation - test < _GAP:
        return None
    return {"validation": validation, "test": test, "low": low, "high": high}


def sentence(found: Mapping[str, Any], shift: str | None) -> str:
    """A gap in words.

    Args:
        found: of `gap`.
        shift: what the audit's check split_shift found about the test images; "" where it looked and found nothing;
            None where nobody looked.
    """
    head = (
        f"Validation says {100 * found['validation']:.0f} %, the test without copies {100 * found['test']:.0f} %: "
        f"{100 * found['low']:.0f} to {100 * found['high']:.0f} points less."
    )
    alike = (
        "training images are more alike than their groups say (one patient, one film, one place), so that validation "
        "is too easy: name them in a group column"
    )
    if shift:
        return f"{head} The audit says why: {shift}"
    if shift is None:
        return (
            f"{head} Either the test images are of another kind (imageclinic explain split_shift), or {alike}. Do not "
            "trust the validation."
        )
    return f"{head} The audit found no shift between train and test; it can be that {alike}."
