"""What a notebook shows of an audit or a check: HTML with small pictures in it, without a script, in which names and
labels stay text. Styles are on the elements: notebooks that are not trusted lose style sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.reading import saved_verdict
from imageclinic.core.run import Run
from imageclinic.report import build, sections, templates
from imageclinic.report.thumbnails import Picture, RunPictures, thumbnail

#: The worst images of each check that the table of outcomes shows, and their side in pixels.
WORST, SIDE = 3, 48


@dataclass(frozen=True)
class Html:
    """HTML that a notebook draws; ``str(…)`` is the HTML."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __str__(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<{len(self.html):,} characters of HTML: a notebook draws them>"


def summary(
    title: str,
    verdict: Sequence[dict[str, Any]],
    outcomes: pd.DataFrame,
    notes: Sequence[str],
    *,
    issues: pd.DataFrame | None = None,
    run: Run | None = None,
) -> str:
    """What matters most, and a row per check.

    Args:
        title: one line.
        verdict: lines, see `core.reading.saved_verdict.with_run`.
        outcomes: `check, outcome, n_issues, reason`, a row per check.
        notes: sentences that are shown on demand.
        issues: all findings, for the pictures of the worst; None: no pictures.
        run: where those pictures are.
    """
    rows = [{str(k): v for k, v in row.items()} for row in outcomes.to_dict("records")]
    ordered = sections.by_severity(rows, verdict)
    shown = [o for o in ordered if o["outcome"] in ("found", "failed")]
    quiet = [
        (sections.OUTCOMES[state][1], [o["check"] for o in ordered if o["outcome"] == state])
        for state in ("clean", "not_applicable", "skipped")
    ]
    worst: dict[str, list[tuple[str, Picture]]] = {}
    if issues is not None and run is not None:
        worst = {o["check"]: _worst(run, issues[issues["check"] == o["check"]]) for o in shown}
    return templates.render(
        "notebook_summary.html",
        title=title,
        lines=saved_verdict.headlines(verdict),
        shown=shown,
        quiet=[(state, names) for state, names in quiet if names],
        worst=worst,
        notes=notes,
        last_line=lambda reason: (str(reason or "").strip().splitlines() or [""])[-1],
    )


def contact_sheet(run: Run, check: str, help: str = "") -> Html:
    """The worst findings of a check as pictures, copies side by side; how many are left out is written under them.

    Args:
        run: an audited run.
        check: the check's name.
        help: its documentation; the first paragraph is shown.

    Raises:
        InputError: the audit has no such check; the message names those that found something.
    """
    outcomes = {o["check"]: o for o in run.info().get("outcomes", [])}
    if check not in outcomes:
        found = ", ".join(sorted(name for name, o in outcomes.items() if o["outcome"] == "found"))
        raise InputError(f"this audit has no check {check!r}", expected=f"one of those that found something: {found}")
    dataset = run.read(tables.DATASET)
    issues = run.read_beside(dataset, tables.ISSUES)
    splits = build.splits_of(run, dataset)
    made = build.sections_of(run, [outcomes[check]], dataset, issues, splits, {}, RunPictures(run).picture)
    return Html(
        templates.render(
            "notebook_sheet.html",
            check=check,
            outcome=outcomes[check],
            summary=sections.summary_with_values(help, outcomes[check].get("options") or {}).replace("`", ""),
            outcome_name=sections.OUTCOMES[outcomes[check]["outcome"]][1],
            section=made[0] if made else None,
        )
    )


def _worst(run: Run, issues: pd.DataFrame) -> list[tuple[str, Picture]]:
    """The first images of a check's findings, each picture once."""
    ids = issues.dropna(subset=["image_id"]).sort_values(["score", "image_id"], ascending=[False, True])["image_id"]
    chosen = ids.drop_duplicates().head(WORST)
    return [(str(image_id), thumbnail(run.image_path(image_id), SIDE)) for image_id in chosen]
