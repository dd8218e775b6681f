"""Split groups, named by what they hold: what is drawn by these names does not depend on what files are called."""

from __future__ import annotations

import pandas as pd

from imageclinic.core.rows import ordering


def by_content(images: pd.DataFrame) -> pd.Series:
    """For each image the least hash among the files of its group; where nothing is known of any, the group's name.

    So the same pictures in a folder, renamed, or in an archive come into the same folds.

    Args:
        images: rows with `split_group` (not null) and `sha256`.
    """
    least = images["sha256"].groupby(images["split_group"]).transform("min")
    return least.fillna(images["split_group"])


def in_order_of_content(images: pd.DataFrame) -> pd.DataFrame:
    """Rows by the hash of their file; equal files, and those without a hash, by name."""
    return ordering.in_order(images, {"sha256": "ascending", "image_id": "ascending"}).reset_index(drop=True)
