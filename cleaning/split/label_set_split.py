"""Stratified allocation of images that may have several classes, groups whole. Pure.

Iterative stratification (Sechidis, Tsoumakas & Vlahavas, 2011) gives every part its share of each class by itself, and
not of each combination. Its implementations don't keep groups together. `allocation.allocate` places groups by the
rows that they have of each class; given a row for each class of an image, it keeps the same aim with groups whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.cleaning.split import group_codes
from imageclinic.cleaning.split.allocation import allocate
from imageclinic.cleaning.split.group_codes import Groups
from imageclinic.core.naming import label_sets

Ints = npt.NDArray[np.int64]


def allocate_sets(
    labels: pd.Series,
    groups: pd.Series | Groups,
    shares: Sequence[float],
    separator: str,
    *,
    seed: int,
    fixed: Ints | None = None,
) -> Ints:
    """The part of each image, int64, (n,): see `allocation.allocate`; `labels` are label sets, none of them null."""
    known = groups if isinstance(groups, Groups) else group_codes.named(groups)
    images = pd.DataFrame({"at": np.arange(len(labels)), "label": labels.to_numpy()})
    rows = label_sets.by_class(images, separator)
    # One more row for each image, by how many classes it has: parts then have their shares of images, too.
    many = rows["at"].value_counts().sort_index().astype("str")
    rows = pd.concat([rows, images.assign(label="\0" + many.to_numpy())], ignore_index=True)
    at = rows["at"].to_numpy()
    placed = None if fixed is None else np.asarray(fixed)[at]
    part = allocate(rows["label"], known.repeated(at), shares, seed=seed, fixed=placed)
    return part[-len(images) :] if len(images) else part


def folds_of_sets(labels: pd.Series, groups: pd.Series, separator: str, folds: int, seeds: Sequence[int]) -> Ints:
    """Fold numbers, (seeds, n), groups whole."""
    return np.stack([allocate_sets(labels, groups, [1.0] * folds, separator, seed=seed) for seed in seeds])
