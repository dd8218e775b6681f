"""A test or validation set of another kind than train."""

from __future__ import annotations

from imageclinic.audit.verdict.line import Facts, Line


def judge(facts: Facts) -> list[Line]:
    """What a model loses on the way from train to the split."""
    found = facts.found("split_shift").sort_values("score", ascending=False)
    if found.empty:
        return []
    worst = found.iloc[0]
    return [
        Line(
            cause="split_differences",
            severity=float(worst["score"]),
            sentence=str(worst["evidence"]).rstrip("."),
            consequence="no setting on the training side brings them back; images of that kind in train do",
            command="imageclinic explain split_shift",
            checks=["split_shift"],
        )
    ]
