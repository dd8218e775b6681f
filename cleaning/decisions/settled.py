"""Images about which nothing is left to decide, though nobody decided: the copies that stay. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd


def settled(issues: pd.DataFrame, clusters: pd.DataFrame, decisions: Mapping[str, str | None]) -> set[str]:
    """Undecided images whose copies are all dropped, and about which nothing but copies was found.

    "Copy of …" asks which one stays; when the others have left, the question is answered.

    Args:
        issues: the table ``issues``; a finding that names a cluster is about copies.
        clusters: columns ``image_id, cluster`` (nullable): whole clusters.
        decisions: what holds for an image now; images that are missing are undecided.
    """
    members = clusters.dropna(subset=["cluster"])[["image_id", "cluster"]]
    found = issues[issues["image_id"].isin(members["image_id"])]
    about_more = set(found.loc[found["cluster"].isna(), "image_id"])
    decision = members["image_id"].map(dict(decisions))
    left = members[decision.ne("drop")]
    alone = left[~left["cluster"].duplicated(keep=False)]
    several = members["cluster"].duplicated(keep=False).reindex(alone.index)
    undecided = decision.reindex(alone.index).isna()
    names = set(alone.loc[several & undecided, "image_id"])
    return (names & set(found["image_id"])) - about_more
