"""The split group of each image: what may not be divided, named by what it shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.copies.content_groups import by_content
from imageclinic.core.rows import lookup


def named_by_content(
    images: pd.DataFrame, clusters: pd.DataFrame, wanted: npt.NDArray[np.intp] | None = None
) -> pd.Series:
    """For each image the name of its group, see `audit.copies.content_groups.by_content`; an image that is in no pair
    and no group is one of its own.

    Args:
        images: rows with image_id and sha256.
        clusters: tables.CLUSTERS.
        wanted: positions of the images whose names are asked for; None: all.
    """
    group = lookup.values(images["image_id"], clusters, "split_group")
    shared = together(images["sha256"], group)
    if wanted is not None:
        images, group = images.iloc[wanted], group.iloc[wanted]
    own = images["sha256"]
    own = own.fillna(images["image_id"]) if own.isna().any() else own
    return own.where(group.isna(), shared.reindex(images.index)) if len(shared) else own


def together(content: pd.Series, group: pd.Series) -> pd.Series:
    """The names of the groups of those images that are in one, with their index.

    Args:
        content: sha256 of each image.
        group: its split group, null where it is a group of its own; with the same index.
    """
    grouped = group.notna()
    return by_content(pd.DataFrame({"sha256": content[grouped], "split_group": group[grouped]}))
