"""All causes, judged and ranked: what an audit says first."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from imageclinic.audit.verdict import causes
from imageclinic.audit.verdict.line import RUN, Facts, Line, number

#: What an image with another finding weighs against one that is simply wrong.
_OTHER = 0.05


def verdict(facts: Facts) -> list[Line]:
    """The lines of all causes, the most severe first."""
    found: list[Line] = []
    for module in sorted(pkgutil.iter_modules(causes.__path__), key=lambda m: m.name):
        found += importlib.import_module(f"{causes.__name__}.{module.name}").judge(facts)
    named = {check for line in found for check in line.checks}
    found += [
        _other(str(o["check"]), facts) for o in facts.outcomes if o["outcome"] == "found" and o["check"] not in named
    ]
    return sorted(found, key=lambda line: (-line.severity, line.cause, line.sentence))


def record(facts: Facts) -> list[dict[str, Any]]:
    """The verdict as run.json has it; one line says so where nothing was found."""
    return [line.as_json() for line in verdict(facts) or [_nothing(facts)]]


def _other(check: str, facts: Facts) -> Line:
    """Of a check that no cause is about, such as a new one."""
    found = facts.found(check)
    images = found["image_id"].nunique()
    many = number(images, "image") if images else number(len(found), "finding")
    return Line(
        cause="other_findings",
        severity=_OTHER * facts.share(images),
        sentence=f"{check.replace('_', ' ').capitalize()}: {many}",
        consequence=f"imageclinic explain {check} says why it matters",
        command=f"imageclinic review {RUN}" if images else f"imageclinic explain {check}",
        checks=[check],
    )


def _nothing(facts: Facts) -> Line:
    ran = [o for o in facts.outcomes if o["outcome"] in ("found", "clean")]
    silent = len(facts.outcomes) - len(ran)
    looked = f"{number(len(ran), 'check')} found nothing in {number(len(facts.dataset), 'image')}"
    return Line(
        cause="nothing_found",
        severity=0.0,
        sentence=looked + (f"; {number(silent, 'check')} could not look" if silent else ""),
        consequence="what keeps accuracy low is not among what was looked for" if ran else "nothing is known",
        command=f"imageclinic export {RUN} OUT" if ran else "imageclinic explain",
    )
