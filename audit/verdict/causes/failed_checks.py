"""Checks that failed: what they look for may be there."""

from __future__ import annotations

from imageclinic.audit.verdict.line import Facts, Line, number


def judge(facts: Facts) -> list[Line]:
    """Nothing is known of what was not looked at."""
    failed = [str(o["check"]) for o in facts.outcomes if o["outcome"] == "failed"]
    if not failed:
        return []
    return [
        Line(
            cause="failed_checks",
            severity=0.3,
            sentence=f"{number(len(failed), 'check')} failed: {', '.join(failed)}",
            consequence="what they look for may be there; the reason is in run.json",
            command="imageclinic doctor",
            checks=failed,
        )
    ]
