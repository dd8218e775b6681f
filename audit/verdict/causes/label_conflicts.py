"""Copies of one picture under different labels: errors that no model is needed for."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.verdict.line import RUN, Facts, Line, number
from imageclinic.core.rows import lookup


def judge(facts: Facts) -> list[Line]:
    """At least all but the most frequent label of each group of copies are wrong."""
    found = facts.found("conflicting_label")
    images = found["image_id"].nunique()
    if not images:
        return []
    wrong = least_wrong(facts)
    tested = int(lookup.among(found["image_id"], facts.test).sum())
    in_test = f", {tested:,} of them in test" if tested else ""
    severity = max(facts.share(wrong), 0.5 * tested / max(1, len(facts.test)))
    return [
        Line(
            cause="label_conflicts",
            severity=severity,
            sentence=f"{number(images, 'image')} have a copy with another label{in_test}: at least "
            f"{number(wrong, 'label is', 'labels are')} wrong",
            consequence="a network is trained on both answers" + (", and tested on both" if tested else ""),
            command=f"imageclinic review {RUN}",
            checks=["conflicting_label"],
        )
    ]


def least_wrong(facts: Facts) -> int:
    """How many labels are wrong at least: in each cluster, all but the most frequent one; of pairs beyond clusters,
    half."""
    flagged = facts.found("conflicting_label")["image_id"].dropna().unique()
    of_flagged = lookup.values(pd.Series(flagged, dtype="str"), facts.clusters, "cluster").dropna()
    known = facts.clusters[lookup.among(facts.clusters["cluster"], of_flagged)]
    known = known.assign(label=lookup.values(known["image_id"], facts.dataset, "label")).dropna(subset=["label"])
    sizes = known.groupby(["cluster", "label"]).size().groupby("cluster").agg(["sum", "max"])
    wrong = int((sizes["sum"] - sizes["max"]).sum()) if len(sizes) else 0
    alone = pd.Index(flagged).difference(known["image_id"])
    return max(wrong + (len(alone) + 1) // 2, 1 if len(flagged) else 0)
