"""Which copy of each cluster stays. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from imageclinic.core.rows import lookup
from imageclinic.core.schema import POLICY

COLUMNS = ("image_id", "cluster", "survivor", "reason")
#: What `keep_best` plans for a copy: the best stays, the rest is dropped, images of the given test split are spared.
BEST, REST, SPARED, UNRESOLVED = "best", "rest", "spared", "unresolved"
#: What makes a copy better, in this order; each higher is better. Names break ties.
_CRITERIA = {
    "in_test": "it is in the test split",
    "reviewed": "its label was reviewed",
    "labelled": "it has a label",
    "pixels": "it has the highest resolution",
    "sharpness": "it is the sharpest",
    "bytes": "its file is the largest",
}


def choose(
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    clusters: pd.DataFrame,
    splits: pd.DataFrame,
    current: pd.DataFrame,
) -> pd.DataFrame:
    """Choose the best copy of each cluster: in the test split (then dropping the others removes a leak and
    keeps the test images), a label that a person reviewed, any label, resolution, sharpness, file size, name.

    Dropped and unreadable images can't survive. Where the copies left carry different labels, only copies under one
    of them can survive: the label that the reviewed copies agree on, or, where none was reviewed, the label that more
    copies have than any other. Where reviewed copies disagree or two labels are equally frequent, and where the choice
    would cost the cluster its test image, nobody survives and the cluster stays unresolved, for a person.

    Args:
        dataset: tables.DATASET.
        features: tables.FEATURES.
        clusters: tables.CLUSTERS; rows without a cluster are ignored.
        splits: tables.SPLIT_TABLE, the frozen splits; the dataset's own ``split`` column counts as well.
        current: see `cleaning.decisions.decision_log.current`.

    Returns:
        image_id, cluster, survivor (bool), reason (why it stays, whose copy it is, or why nothing was
        chosen), one row per image in a cluster, sorted by cluster, survivor first.
    """
    members = _members(dataset, features, clusters, splits, current)
    left = members[members["candidate"]]
    known = left[left["label"].notna()]
    conflict = known.groupby("cluster")["label"].nunique().gt(1)
    answers = known[known["reviewed"]].groupby("cluster")["label"].agg(["first", "nunique"])
    majority = _majority(known[~known["cluster"].isin(answers.index)])
    answer = pd.concat([answers.loc[answers["nunique"].eq(1), "first"], majority])
    clash = left["cluster"].map(conflict).eq(True)
    testing = left.groupby("cluster")["in_test"].any()
    left = left[~clash | left["label"].eq(left["cluster"].map(answer))]
    kept = left.groupby("cluster")["in_test"].any()
    left = left[~left["cluster"].isin(testing.index[testing & ~kept.reindex(testing.index, fill_value=False)])]

    order = ["cluster", *_CRITERIA, "image_id"]
    left = left.sort_values(order, ascending=[True, *[False] * len(_CRITERIA), True])
    best = left.drop_duplicates("cluster").set_index("cluster")
    second = left[left["cluster"].duplicated()].drop_duplicates("cluster").set_index("cluster")

    winner = members["cluster"].map(best["image_id"])
    survivor = members["image_id"].eq(winner)
    why = _why(best, second)
    open_ones = known[~known["cluster"].isin(best.index)]  # a frame for each cluster takes time, and few are open
    labels = open_ones.groupby("cluster")["label"].agg(lambda names: ", ".join(sorted(set(names)))).astype("str")
    unresolved = "copies are labelled " + members["cluster"].map(labels).astype("str") + ": decide one of them"
    reason = ("copy of " + winner.astype("str")).where(winner.notna(), unresolved)
    reason = reason.where(~survivor, members["cluster"].map(why))
    reason = reason.where(members["candidate"], "dropped").where(members["readable"], "unreadable")
    result = members.assign(survivor=survivor, reason=reason.astype("str"))
    result = result.sort_values(["cluster", "survivor", "image_id"], ascending=[True, False, True])
    return result[list(COLUMNS)].reset_index(drop=True)


def keep_best(
    image_ids: Sequence[str],
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    clusters: pd.DataFrame,
    splits: pd.DataFrame,
    current: pd.DataFrame,
) -> pd.DataFrame:
    """What "keep the best, drop the rest" means for the clusters of these images.

    An image of the dataset's own test split is never among the rest: who drops it changes what is measured, and
    shall do so by name. A cluster for which `choose` names nobody is unresolved as a whole.

    Args:
        image_ids: images of the run; those without copies are ignored.
        dataset, features, clusters, splits, current: as for `choose`.

    Returns:
        image_id, cluster, plan (`BEST`, `REST`, `SPARED` or `UNRESOLVED`), sorted by cluster and image_id; without
        the images that are dropped already.
    """
    wanted = clusters.loc[lookup.among(clusters["image_id"], image_ids), "cluster"].dropna()
    chosen = choose(dataset, features, clusters[lookup.among(clusters["cluster"], wanted)], splits, current)
    dropped = current.loc[current["decision"].eq("drop"), "image_id"]
    chosen = chosen[~lookup.among(chosen["image_id"], dropped)]
    given = lookup.values(chosen["image_id"], dataset, "split")
    plan = pd.Series(REST, index=chosen.index, dtype="str").mask(given.eq("test"), SPARED)
    plan = plan.mask(chosen["survivor"], BEST)
    plan = plan.where(chosen.groupby("cluster")["survivor"].transform("any"), UNRESOLVED)
    result = chosen.assign(plan=plan)[["image_id", "cluster", "plan"]]
    return result.sort_values(["cluster", "image_id"], ignore_index=True)


def _members(
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    clusters: pd.DataFrame,
    splits: pd.DataFrame,
    current: pd.DataFrame,
) -> pd.DataFrame:
    """One row per image in a cluster with the values that decide."""
    members = clusters.loc[clusters["cluster"].notna(), ["image_id", "cluster"]]
    columns = ("label", "split", "bytes", "width", "height", "read_error")
    members = lookup.joined(members, dataset, columns).reset_index(drop=True)
    at = members["image_id"]
    decision = lookup.values(at, current, "decision")
    by_policy = current.loc[current["reviewer"].astype("str").str.startswith(POLICY), "image_id"]
    relabelled = decision.eq("relabel")
    frozen = lookup.values(at, splits, "split")
    readable = members["read_error"].isna()
    return members.assign(
        label=members["label"].where(~relabelled, lookup.values(at, current, "label")),
        readable=readable,
        candidate=readable & decision.ne("drop"),
        in_test=frozen.eq("test") | members["split"].eq("test"),
        reviewed=(relabelled | decision.eq("keep")) & ~lookup.among(at, by_policy),
        labelled=members["label"].notna() | relabelled,
        pixels=(members["width"] * members["height"]).astype("float64").fillna(0.0),
        sharpness=lookup.values(at, features, "sharpness").fillna(-1.0),
    ).reset_index(drop=True)


def _majority(known: pd.DataFrame) -> pd.Series:
    """The most frequent label of each cluster, by cluster; clusters where two are equally frequent are left out."""
    counts = known.groupby(["cluster", "label"]).size().rename("copies").reset_index()
    counts = counts.sort_values(["cluster", "copies"], ascending=[True, False], kind="stable")
    most = counts.drop_duplicates("cluster").set_index("cluster")
    second = counts[counts["cluster"].duplicated()].drop_duplicates("cluster").set_index("cluster")["copies"]
    return most.loc[most["copies"].gt(second.reindex(most.index, fill_value=0)), "label"]


def _why(best: pd.DataFrame, second: pd.DataFrame) -> pd.Series:
    """Why the best copy of each cluster stays, by cluster: the first criterion in which the second best is worse."""
    reasons = pd.Series("of equal copies, the first by name", index=best.index, dtype="str")
    others = second.reindex(best.index)
    for name, why in reversed(_CRITERIA.items()):
        reasons = reasons.mask(best[name].ne(others[name]), f"of the copies, {why}")
    return reasons.mask(others["image_id"].isna(), "the only copy left")
