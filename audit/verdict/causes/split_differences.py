"""A test or validation set of another kind than train."""

from __future__ import annotations

from imageclinic.audit.checks import split_properties
from imageclinic.audit.verdict.line import Facts, Line

#: What a property that tells splits apart can cost, by guess: half of the accuracy where a network sees it (a grey or
#: dark test set), little where it is one of the file.
_SEEN, _OF_FILE = 0.5, 0.1


def judge(facts: Facts) -> list[Line]:
    """What a model loses on the way from train to the split, and which property tells the two apart."""
    return [*_lost(facts), *_told_apart(facts)]


def _lost(facts: Facts) -> list[Line]:
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


def _told_apart(facts: Facts) -> list[Line]:
    found = facts.found("split_properties")
    weighed = [
        (float(score) * (_SEEN if split_properties.is_seen(evidence) else _OF_FILE), str(evidence))
        for score, evidence in zip(found["score"], found["evidence"], strict=True)
    ]
    if not weighed:
        return []
    severity, evidence = max(weighed)
    return [
        Line(
            cause="split_differences",
            severity=severity,
            sentence=split_properties.headline(evidence),
            consequence="they were made in another way, so accuracy on them says how well a model bears that",
            command="imageclinic explain split_properties",
            checks=["split_properties"],
        )
    ]
