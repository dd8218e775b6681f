"""Properties of the files that give the label away."""

from __future__ import annotations

from imageclinic.audit.checks import shortcut
from imageclinic.audit.verdict.line import Facts, Line, number

#: What a picture shows has brightness and detail of its own, so such a property is often harmless.
_OF_CONTENT = 0.3


def judge(facts: Facts) -> list[Line]:
    """The strongest property; others are counted. Severity: how far beyond chance it predicts the label, for
    as many images as it concerns (a class and as many others)."""
    found = facts.found("shortcut")
    if found.empty:
        return []
    sizes = facts.sizes / max(1, int(facts.sizes.sum()))

    def severity(label: str | None, score: float, evidence: str) -> float:
        share = (
            float(sizes.get(label, 0.5)) if isinstance(label, str) else shortcut.share_of_classes(evidence, len(sizes))
        )
        return score * min(1.0, 2 * share) * (1.0 if shortcut.is_technical(evidence) else _OF_CONTENT)

    ranked = sorted(
        ((severity(*row), str(row[2])) for row in zip(found["label"], found["score"], found["evidence"], strict=True)),
        key=lambda each: (-each[0], each[1]),
    )
    worst, evidence = ranked[0]
    more = f"; {number(len(ranked) - 1, 'more group')} of classes by other properties" if len(ranked) > 1 else ""
    learns = "how the images were made" if shortcut.is_technical(evidence) else "that and not what they show"
    return [
        Line(
            cause="shortcuts",
            severity=0.8 * worst,
            sentence=shortcut.headline(evidence) + more,
            consequence=f"a model may learn {learns}, and a test set made in the same way does not show it",
            command="imageclinic explain shortcut",
            checks=["shortcut"],
        )
    ]
