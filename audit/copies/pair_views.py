"""Views on the neighbors table that several checks need."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from imageclinic.core.rows import lookup
from imageclinic.core.tables import ALIGNED, TILE


def both_ways(neighbors: pd.DataFrame) -> pd.DataFrame:
    """Every pair twice: once from each of its images."""
    turned = neighbors.rename(columns={"image_id": "other_id", "other_id": "image_id"})
    return pd.concat([neighbors, turned[neighbors.columns]], ignore_index=True)


def in_words(transform: str) -> str:
    """What turns one picture of a pair into the other, for evidence: ``flip_rot90`` → mirrored and turned by 90°."""
    if transform == ALIGNED:
        return "cropped, framed, scaled or turned a little"
    if transform == TILE:
        return "of which one is a tile of the other"
    turned = next((f"turned by {angle}°" for angle in (90, 180, 270) if transform.endswith(f"rot{angle}")), "")
    mirrored = "mirrored" if transform.startswith("flip") else ""
    return " and ".join(part for part in (mirrored, turned) if part) or "upright"


def partners(neighbors: pd.DataFrame, clusters: pd.DataFrame, kinds: Collection[str]) -> pd.DataFrame:
    """For every image with a copy of one of `kinds`: its nearest such copy (the pair's columns), the number `n` of
    such copies, and its `cluster`; ordered by image_id."""
    pairs = both_ways(neighbors[neighbors["kind"].isin(kinds)])
    pairs = pairs.sort_values(
        ["image_id", "kind", "similarity", "other_id"], ascending=[True, True, False, True], ignore_index=True
    )
    pairs = pairs.assign(
        n=pairs.groupby("image_id")["image_id"].transform("size"),
        cluster=lookup.values(pairs["image_id"], clusters, "cluster"),
    )
    return pairs.drop_duplicates("image_id", ignore_index=True)
