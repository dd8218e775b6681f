"""Which images of a large dataset the App shows: the worst of each check and class, and what a person must see."""

from __future__ import annotations

import pandas as pd

from imageclinic.core.rows import lookup, ordering
from imageclinic.core.schema import POLICY


def shown(
    issues: pd.DataFrame,
    dataset: pd.DataFrame,
    clusters: pd.DataFrame,
    sample: pd.DataFrame,
    most: int,
) -> pd.Index:
    """Ids of the images to show, whatever is decided.

    Of each check and class the worst, then the second worst, and so on, until there are `most`; the copies of these;
    and the random sample, which the estimates are made from.

    Args:
        issues, dataset, clusters: the tables, or these columns: check, image_id, score; image_id, label; image_id,
            cluster.
        sample: see `cleaning.trust.random_sample.draw`.
        most: how many images with findings are chosen; their copies come on top.
    """
    found = issues.loc[issues["image_id"].notna(), ["image_id", "check", "score"]]
    found = ordering.in_order(found, {"score": "descending", "image_id": "ascending"})
    label = lookup.values(found["image_id"], dataset, "label").fillna("")
    rank = found.groupby(["check", label], sort=False).cumcount()
    worst = found["image_id"].iloc[rank.argsort(kind="stable")].drop_duplicates().head(most)
    return with_copies(pd.Index(worst), clusters).union(pd.Index(sample["image_id"]))


def with_copies(ids: pd.Index, clusters: pd.DataFrame) -> pd.Index:
    """These ids, and those of their copies."""
    of = clusters.loc[lookup.among(clusters["image_id"], ids), "cluster"].dropna()
    return ids.union(pd.Index(clusters.loc[lookup.among(clusters["cluster"], of), "image_id"]))


def decided_by_persons(current: pd.DataFrame) -> pd.Series:
    """Ids of the images about which a person has decided; a policy's decisions do not count.

    Args:
        current: see `cleaning.decisions.decision_log.current`.
    """
    persons = current["decision"].notna() & ~current["reviewer"].fillna("").str.startswith(POLICY)
    return current.loc[persons, "image_id"]
