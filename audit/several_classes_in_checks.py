"""What checks do where images may have several classes: most judge images and work as they are."""

from __future__ import annotations

import pandas as pd

from imageclinic.core.naming import label_sets

#: Judge classes by their images: they see an image once for each of its classes.
BY_CLASS = frozenset({"class_imbalance", "too_few_images"})
#: Compare classes with each other, and so need images that have one each.
ONE_CLASS = frozenset(
    {
        "annotator_disagreement",
        "look_alike_classes",
        "overlapping_classes",
        "shortcut",
        "split_properties",
        "split_shift",
    }
)
REASON = "images may have several classes here (multi-label), and this check compares images of one class each"


def dataset_for(check: str, dataset: pd.DataFrame, separator: str | None) -> pd.DataFrame:
    """The dataset table as the check should see it."""
    return label_sets.by_class(dataset, separator) if check in BY_CLASS else dataset
