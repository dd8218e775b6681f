"""Pairs of classes that whoever labelled them confused."""

from __future__ import annotations

from imageclinic.audit.verdict.line import RUN, Facts, Line, number, percent


def judge(facts: Facts) -> list[Line]:
    """Only where the features can tell wrong labels, and with more classes than the pair."""
    found = facts.found("overlapping_classes").sort_values("score", ascending=False)
    noise = facts.label_noise
    if found.empty or noise is None or not noise.get("established") or len(facts.sizes) < 3:
        return []
    worst = found.iloc[0]
    pair = [str(worst["label"]), str(worst["suggested_label"])]
    images = float(facts.sizes.reindex(pair).fillna(0).sum()) * float(worst["score"])
    more = f", and {number(len(found) - 1, 'more pair')}" if len(found) > 1 else ""
    return [
        Line(
            cause="mixed_up_classes",
            severity=0.5 * images / max(1, int(facts.sizes.sum())),
            sentence=f"{pair[0]} and {pair[1]} seem to be mixed up in {percent(float(worst['score']))} of their "
            f"images{more}",
            consequence="no model tells them apart beyond that: define them more sharply, or merge them",
            command=f"imageclinic review {RUN}",
            checks=["overlapping_classes"],
        )
    ]
