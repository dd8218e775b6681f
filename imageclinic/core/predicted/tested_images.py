"""What retrained models say of each test image: which ones cleaning fixed, which it broke, which are wrong.

Several trainings vote: an image is right when more than half of them name its label. The label is the reviewed one
where a person changed it; what the reviewer dropped is judged by nobody. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from imageclinic.core.columns import Column, Table
from imageclinic.core.schema import DATASET
from imageclinic.core.tables import Predictions

BEFORE, AFTER = "before", "after"
FIXED, BROKEN = "fixed", "broken"

TEST_PREDICTIONS = Table(
    "test_predictions",
    "test_predictions.parquet",
    "test image and training",
    (
        replace(DATASET.columns[0], path=""),
        Column("side", pa.string(), "trained on the images before cleaning, or after it", choices=(BEFORE, AFTER)),
        Column("seed", pa.int64(), "of the training"),
        Column("label", pa.string(), "the test image's given label"),
        Column("reviewed_label", pa.string(), "its label as decided; null when it was dropped", nullable=True),
        Column("predicted", pa.string(), "class that the model names"),
        Column("probability", pa.float64(), "of that class; null where it was not kept", True, low=0, high=1),
    ),
    ("image_id", "side", "seed"),
    command="compare",
)


def per_image(rows: pd.DataFrame) -> pd.DataFrame:
    """What the trainings of either side say of each test image.

    Args:
        rows: of TEST_PREDICTIONS; without the side ``before`` for a single training.

    Returns:
        A row an image: ``image_id``; ``label``, as reviewed; ``before, after``, the class that most trainings name;
        ``right_before, right_after``, the share of them in [0, 1] that name the label; ``effect``, ``fixed``,
        ``broken`` or null. Without a side ``before``, its columns and ``effect`` are null.
    """
    judged = rows[rows["reviewed_label"].notna()]
    judged = judged.assign(right=judged["predicted"] == judged["reviewed_label"])
    labels = judged.drop_duplicates("image_id").set_index("image_id")["reviewed_label"].sort_index()
    found = pd.DataFrame({"label": labels})
    for side in (BEFORE, AFTER):
        of_side = judged[judged["side"] == side]
        found[side] = _most_named(of_side).reindex(found.index)
        found[f"right_{side}"] = of_side.groupby("image_id")["right"].mean().reindex(found.index)
    before, after = found["right_before"], found["right_after"]
    effect = pd.Series(None, index=found.index, dtype=object)
    effect[(before <= 0.5) & (after > 0.5)] = FIXED
    effect[(before > 0.5) & (after <= 0.5)] = BROKEN
    return found.assign(effect=effect).rename_axis("image_id").reset_index()


def changed(images: pd.DataFrame, effect: str) -> pd.DataFrame:
    """The rows of `per_image` that cleaning fixed or broke, the surest first."""
    gain = images["right_after"] - images["right_before"]
    order = images.assign(gain=gain if effect == BROKEN else -gain)
    return order[order["effect"] == effect].sort_values(["gain", "image_id"], ignore_index=True).drop(columns="gain")


def wrong(images: pd.DataFrame) -> pd.DataFrame:
    """The rows of `per_image` that most trainings after cleaning get wrong, those that all get wrong first."""
    return images[images["right_after"] <= 0.5].sort_values(["right_after", "image_id"], ignore_index=True)


def votes(rows: pd.DataFrame) -> Predictions:
    """The trainings after cleaning as predictions: a class's probability is the share of trainings that name it.

    Of a single training that kept them, it is the model's own probability of the class that it names, and 0 for others.

    Args:
        rows: of TEST_PREDICTIONS.
    """
    judged = rows[rows["side"].eq(AFTER) & rows["reviewed_label"].notna()]
    shares = pd.crosstab(judged["image_id"], judged["predicted"], normalize="index")
    labels = judged.drop_duplicates("image_id").set_index("image_id")["reviewed_label"].reindex(shares.index)
    shares = shares.reindex(columns=sorted({*shares.columns, *labels}), fill_value=0.0)
    at = shares.columns.get_indexer(pd.Index(labels))
    quality = shares.to_numpy()[np.arange(len(shares)), at] if len(shares) else np.empty(0)
    if single(judged):
        sure = judged.set_index("image_id")["probability"].reindex(shares.index).to_numpy()
        shares, quality = shares.mul(sure, axis=0), np.where(quality > 0, sure, 1 - sure)
    table = pd.DataFrame({"image_id": shares.index.astype(object), "fold": -1, "label_quality": quality})
    return Predictions(table, shares.to_numpy(np.float32), tuple(shares.columns))


def single(rows: pd.DataFrame) -> bool:
    """Whether all rows are of one training that kept its probabilities."""
    return rows["seed"].nunique() == 1 and rows["side"].nunique() == 1 and bool(rows["probability"].notna().all())


def _most_named(rows: pd.DataFrame) -> pd.Series:
    """image_id → class that most rows name; of equally frequent ones the first by name."""
    counts = rows.groupby(["image_id", "predicted"], as_index=False).size()
    ordered = counts.sort_values(["image_id", "size", "predicted"], ascending=[True, False, True])
    return ordered.drop_duplicates("image_id").set_index("image_id")["predicted"]


def sentence(row: Mapping[Any, Any], seeds: Sequence[int]) -> str:
    """What the trainings say of an image, in words: a row of `per_image`, and how many trainings a side had."""
    parts = []
    for side, n in zip((BEFORE, AFTER), seeds, strict=True):
        share = row[f"right_{side}"]
        if isinstance(share, float) and not np.isnan(share) and n:
            parts.append(f"{side} cleaning right in {round(share * n)} of {n} trainings ({row[side]})")
    return "Test image: " + ", ".join(parts) + "."


def trainings(rows: pd.DataFrame) -> tuple[int, int]:
    """How many trainings there were before and after cleaning."""
    counts = rows.groupby("side")["seed"].nunique()
    return int(counts.get(BEFORE, 0)), int(counts.get(AFTER, 0))
