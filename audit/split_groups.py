"""The split group of each image: what may not be divided, named by what it shows."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.copies.content_groups import by_content
from imageclinic.core.rows import lookup


def named_by_content(images: pd.DataFrame, clusters: pd.DataFrame) -> pd.Series:
    """For each image the name of its group, see `audit.copies.content_groups.by_content`; an image that is in no pair
    and no group is one of its own.

    Args:
        images: rows with image_id and sha256.
        clusters: tables.CLUSTERS.
    """
    group = lookup.values(images["image_id"], clusters, "split_group")
    alone = group.isna()
    together = by_content(images.loc[~alone, ["sha256"]].assign(split_group=group[~alone]))
    own = images["sha256"]
    own = own.fillna(images["image_id"]) if own.isna().any() else own
    return own.where(alone, together.reindex(images.index)) if len(together) else own
