"""What each training of a comparison named for each test image, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core import tables
from imageclinic.core.predicted.tested_images import AFTER, BEFORE, TEST_PREDICTIONS
from imageclinic.training.compare.arms import CLEANED, baseline


def table(
    predicted: Mapping[str, npt.NDArray[np.int64]], test: pd.DataFrame, classes: Sequence[str], seeds: Sequence[int]
) -> pd.DataFrame:
    """Rows of TEST_PREDICTIONS: of the baseline and of the cleaned arm.

    Args:
        predicted: arm → class numbers, (seeds, n).
        test: `image_id, label_original, label_reviewed`, n rows.
        classes: class names.
        seeds: of the trainings.
    """
    names = np.asarray(classes, dtype=object)
    sides = {BEFORE: baseline(predicted), **({AFTER: CLEANED} if CLEANED in predicted else {})}
    parts = [
        tables.frame(
            TEST_PREDICTIONS,
            image_id=test["image_id"],
            side=side,
            seed=[seed] * len(test),
            label=test["label_original"],
            reviewed_label=test["label_reviewed"],
            predicted=names[row],
        )
        for side, arm in sides.items()
        for seed, row in zip(seeds, predicted[arm], strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
