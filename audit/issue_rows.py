"""What checks return: rows of the issues table, still without the check's name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core import tables

#: More images than this, and a greater share, are not odd ones out: they are a second kind of image.
MOST_ODD, ODD_SHARE = 20, 0.05


def findings(**columns: Any) -> pd.DataFrame:
    """Rows of `tables.ISSUES`; the runner fills in the check. Give score, suggested_action, evidence and the
    columns that apply."""
    return tables.frame(tables.ISSUES, check="", **columns)


def none() -> pd.DataFrame:
    """No finding."""
    return tables.empty(tables.ISSUES)


def is_property(flagged: int, images: int) -> bool:
    """Whether so many images that are unlike the rest are a property of the dataset, not faults of single images."""
    return flagged > MOST_ODD and flagged > ODD_SHARE * images


def of_dataset(score: float, evidence: str) -> pd.DataFrame:
    """One finding about the whole dataset."""
    return findings(score=[score], suggested_action=["review"], evidence=[evidence])


def to_keras(features: pd.DataFrame, column: str) -> list[str]:
    """For each row a sentence with what `column` is in the picture that Keras's loaders see; empty where they see what
    a person does. (Later columns may all be null: of a run of an earlier version.)"""
    values = features[f"keras_{column}"].astype("float64")
    return ["" if pd.isna(v) else f" To Keras's loaders it is {abs(v):.2f} (see misread_by_keras)." for v in values]


def robust_z(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Distance from the median in robust standard deviations (1.4826 × median absolute deviation).

    Iglewicz & Hoaglin (1993). Zero where more than half of the values are equal and the value is the median.
    """
    numbers = np.asarray(values, dtype=np.float64)
    centre = np.median(numbers) if len(numbers) else 0.0
    deviation = 1.4826 * np.median(np.abs(numbers - centre)) if len(numbers) else 0.0
    return np.asarray((numbers - centre) / max(deviation, 1e-9))


def fences(values: npt.NDArray[np.floating], factor: float) -> tuple[float, float]:
    """Tukey's fences: quartiles ∓ `factor` × interquartile range."""
    if not len(values):
        return -np.inf, np.inf
    low, high = np.percentile(values, [25, 75])
    return float(low - factor * (high - low)), float(high + factor * (high - low))
