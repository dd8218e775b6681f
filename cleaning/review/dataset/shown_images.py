"""Which images of a large dataset the App shows: the worst of each check and class, and what a person must see."""

from __future__ import annotations

import pandas as pd

from imageclinic.core.rows import lookup, ordering
from imageclinic.core.schema import POLICY


def shown(
    issues: pd.DataFrame,
    dataset: pd.DataFrame,
    clusters: pd.DataFrame | None,
    current: pd.DataFrame,
    sample: pd.DataFrame,
    most: int,
) -> pd.Index:
    """Ids of the images to show.

    Of each check and class the worst, then the second worst, and so on, until there are `most`; the copies of these;
    what persons have decided; and the random sample, which the estimates are made from.

    Args:
        issues, dataset, clusters: the tables; there may be no clusters.
        current: what is decided, see `cleaning.decisions.decision_log.current`.
        sample: see `cleaning.trust.random_sample.draw`.
        most: how many images with findings are chosen; their copies come on top.
    """
    found = issues.loc[issues["image_id"].notna(), ["image_id", "check", "score"]]
    found = ordering.in_order(found, {"score": "descending", "image_id": "ascending"})
    label = lookup.values(found["image_id"], dataset, "label").fillna("")
    rank = found.groupby(["check", label], sort=False).cumcount()
    worst = found["image_id"].iloc[rank.argsort(kind="stable")].drop_duplicates().head(most)
    parts = [worst, sample["image_id"]]
    if clusters is not None:
        of = clusters.loc[lookup.among(clusters["image_id"], worst), "cluster"].dropna()
        parts.append(clusters.loc[lookup.among(clusters["cluster"], of), "image_id"])
    persons = current["decision"].notna() & ~current["reviewer"].fillna("").str.startswith(POLICY)
    parts.append(current.loc[persons, "image_id"])
    return pd.Index(pd.concat(parts, ignore_index=True).unique())
