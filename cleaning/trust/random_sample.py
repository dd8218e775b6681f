"""The images that tell how far the flags can be trusted: drawn by chance, flagged and unflagged. Pure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.core.rows import lookup, ordering

FLAGGED, UNFLAGGED = "flagged", "unflagged"
COLUMNS = ("image_id", "stratum", "inclusion_prob")


def draw(
    issues: pd.DataFrame, dataset: pd.DataFrame, *, flagged: int = 300, unflagged: int = 100, seed: int = 0
) -> pd.DataFrame:
    """Draw flagged images, and unflagged ones, without replacement and each with the same chance in its stratum.

    The two are mixed in an order by chance, so that whoever stops early has reviewed a random sample too. The same
    arguments give the same sample, whatever the order of the rows.

    Args:
        issues: tables.ISSUES.
        dataset: tables.DATASET.
        flagged: how many of the images with a finding, at most.
        unflagged: how many of the others, at most.
        seed: of the draw.

    Returns:
        One row per drawn image in the order of review: image_id, stratum (``flagged`` or ``unflagged``),
        inclusion_prob in (0, 1].
    """
    rng = np.random.default_rng(seed)
    has = lookup.among(dataset["image_id"], issues["image_id"])
    parts = []
    for stratum, mask, wanted in ((FLAGGED, has, flagged), (UNFLAGGED, ~has, unflagged)):
        images = ordering.in_order(dataset.loc[mask, ["image_id"]], {"image_id": "ascending"})["image_id"]
        n = min(wanted, len(images))
        chosen = images.iloc[rng.choice(len(images), n, replace=False)].to_numpy(object)
        parts.append(pd.DataFrame({"image_id": chosen, "stratum": stratum, "inclusion_prob": n / max(len(images), 1)}))
    sample = pd.concat(parts, ignore_index=True)
    mixed = sample.iloc[rng.permutation(len(sample))].reset_index(drop=True)
    return mixed[list(COLUMNS)].astype({"image_id": "str", "stratum": "str"})
