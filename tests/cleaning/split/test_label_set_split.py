"""Splits of images that may have several classes (`cleaning.split.label_set_split`)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.cleaning.split import stratified_split
from imageclinic.cleaning.split.label_set_split import allocate_sets
from imageclinic.core.naming import label_sets


def images(n: int = 600) -> pd.DataFrame:
    """Label sets of one to three of six classes, the last one rare, in groups of one to three images."""
    rng = np.random.default_rng(0)
    chance = np.array([3, 3, 2, 2, 2, 0.5]) / 12.5
    sets = ["|".join(sorted(rng.choice(list("abcdef"), 1 + i % 3, replace=False, p=chance))) for i in range(n)]
    group = np.repeat([f"g{i}" for i in range(n)], rng.integers(1, 4, n))[:n]
    return pd.DataFrame({"image_id": [f"{i}.png" for i in range(n)], "label": sets, "split_group": group})


def test_every_class_and_the_images_have_their_shares_and_groups_stay_whole() -> None:
    table, shares = images(), np.array([0.7, 0.1, 0.2])
    part = allocate_sets(table["label"], table["split_group"], list(shares), "|", seed=3)
    assert pd.Series(part).groupby(table["split_group"]).nunique().max() == 1
    assert np.abs(np.bincount(part) / len(part) - shares).max() < 0.01
    each = label_sets.by_class(table.assign(part=part), "|")
    inside = pd.crosstab(each["label"], each["part"], normalize="index")
    assert list(inside.index) == list("abcdef") and np.abs(inside - shares).to_numpy().max() < 0.03


def test_frozen_test_images_stay_and_names_and_seed_decide() -> None:
    table = images()
    fixed = pd.DataFrame({"image_id": table["image_id"][:60], "split": "test"})
    splits, _ = stratified_split.assign(table, (0.8, 0.2, 0.0), seed=1, fixed=fixed, label_separator="|")
    of = splits.set_index("image_id")["split"]
    held = table["split_group"].isin(table["split_group"][:60])
    assert (of[table["image_id"][:60]] == "test").all() and of.eq("test").sum() == held.sum()
    mixed = table.sample(frac=1, random_state=0)
    again, _ = stratified_split.assign(mixed, (0.8, 0.2, 0.0), seed=1, fixed=fixed, label_separator="|")
    assert again.set_index("image_id")["split"].reindex(of.index).equals(of)
