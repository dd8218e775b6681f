"""A check of new images as a JUnit XML file and as a Markdown summary, for continuous integration. Text only."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import pandas as pd

from imageclinic.cli.safe_text import safe

#: So many findings of a check are listed.
LISTED = 20
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|&])")


def junit(outcomes: pd.DataFrame, issues: pd.DataFrame, tripped: Collection[str]) -> str:
    """JUnit XML: a test case per check. What ``--fail-on`` named and found is a failure, what could not look is
    skipped, what broke is an error; findings that fail nothing are in the case's output."""
    counts = outcomes["outcome"].value_counts()
    suite = ElementTree.Element(
        "testsuite",
        name="imageclinic check",
        tests=str(len(outcomes)),
        failures=str(len(tripped)),
        errors=str(counts.get("failed", 0)),
        skipped=str(counts.get("not_applicable", 0) + counts.get("skipped", 0)),
        time=f"{outcomes['seconds'].sum():.3f}",
    )
    for row in outcomes.itertuples():
        case = ElementTree.SubElement(
            suite, "testcase", classname="imageclinic.check", name=str(row.check), time=f"{row.seconds:.3f}"
        )
        found = _findings(issues, str(row.check))
        if row.outcome == "failed":
            error = ElementTree.SubElement(case, "error", message="the check failed")
            error.text = safe(str(row.reason), lines=True)
        elif row.check in tripped:
            failure = ElementTree.SubElement(case, "failure", message=f"{row.n_issues} found")
            failure.text = "\n".join(found)
        elif row.outcome in ("not_applicable", "skipped"):
            ElementTree.SubElement(case, "skipped", message=safe(str(row.reason)))
        elif found:
            ElementTree.SubElement(case, "system-out").text = "\n".join(found)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def markdown(
    new: str,
    run: str,
    verdict: Sequence[Mapping[str, Any]],
    outcomes: pd.DataFrame,
    issues: pd.DataFrame,
    tripped: Collection[str],
) -> str:
    """A summary that a pull request or a build page shows: what matters, worst first, then every check."""
    parts = ["## imageclinic check", f"New images `{_code(new)}` against the run `{_code(run)}`."]
    parts.append("\n".join(f"{n}. **{_plain(v['sentence'])}**: {_plain(v['consequence'])}."
                           for n, v in enumerate(verdict, start=1)))  # fmt: skip
    rows = [
        f"| {_plain(str(o.check))} | {_plain(str(o.outcome))}{' (fails the build)' if o.check in tripped else ''} "
        f"| {o.n_issues} | {_plain(str(o.reason).strip().splitlines()[-1] if str(o.reason).strip() else '')} |"
        for o in outcomes.itertuples()
    ]
    parts.append("\n".join(["| check | outcome | findings | reason |", "|---|---|---|---|", *rows]))
    for check in outcomes.loc[outcomes["outcome"] == "found", "check"]:
        lines = "\n".join(f"- {_plain(line)}" for line in _findings(issues, str(check)))
        parts.append(f"<details><summary>{_plain(str(check))}</summary>\n\n{lines}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _findings(issues: pd.DataFrame, check: str) -> list[str]:
    own = issues[issues["check"] == check]
    lines = [
        safe(f"{i}: {evidence}" if isinstance(i, str) else str(evidence))
        for i, evidence in own[["image_id", "evidence"]].head(LISTED).itertuples(index=False)
    ]
    return [*lines, f"and {len(own) - LISTED:,} more"] if len(own) > LISTED else lines


def _plain(text: str) -> str:
    """Names and labels are foreign text: no mark of Markdown or HTML in them is read."""
    return _MARKS.sub(r"\\\1", safe(text))


def _code(text: str) -> str:
    return safe(text).replace("`", "'")
