"""Run folder → one self-contained HTML file: nothing is fetched, no script but the map's runs, names stay text."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from imageclinic.core import tables
from imageclinic.core.errors import CanNotWrite, InputError, remedied
from imageclinic.core.predicted.tested_images import TEST_PREDICTIONS
from imageclinic.core.reading.json_files import check_shape, read_json
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run
from imageclinic.report import (
    charts,
    diagnosis_section,
    map_section,
    review_section,
    search_section,
    sections,
    shapes,
    templates,
)
from imageclinic.report.app_links import AppLinks
from imageclinic.report.planted_truth import score
from imageclinic.report.predicted import confusion_section, tested_images_section
from imageclinic.report.thumbnails import Picture, RunPictures

#: The columns of the dataset that it shows.
_SHOWN = ("image_id", "label", "split", "bytes", "format", "read_error")
_CODE = re.compile(r"`([^`\n]+)`")


def write(
    run: Run,
    to: Path | None = None,
    *,
    truth: pd.DataFrame | None = None,
    status: Sequence[Mapping[str, Any]] | None = None,
    help: Mapping[str, str] | None = None,
    embedding_map: pd.DataFrame | str | None = None,
    decisions: Mapping[str, str] | None = None,
    team: Mapping[str, Any] | None = None,
    app: str = "",
) -> Path:
    """Write the report and return its path.

    Args:
        run: an audited run; decisions and a comparison are shown where they exist.
        to: the file; None: `run.report`.
        truth: what was planted (`check, image_id, label`), for precision and recall.
        status: the review's progress: rows of `cleaning.trust.estimates.by_check`.
        help: check → docstring: its first paragraph is shown, the rest on demand.
        embedding_map: ``image_id, x, y``; or why there is no map; None to leave it out.
        decisions: image_id → what is decided, for the map.
        team: ``agreement, two_reviewers, gold`` of `workflows.status.status`.
        app: path of the App's page on the server that serves the report, too; empty: it is a file without links there.

    Raises:
        InputError: when the run was not audited, or the file can't be written.
    """
    target = run.report if to is None else to
    shown: dict[str, Any] = {
        "truth": truth,
        "status": status,
        "help": help,
        "embedding_map": embedding_map,
        "decisions": decisions,
    }
    return written(target, render(run, **shown, team=team, app=app))


def written(target: Path, text: str) -> Path:
    """Write a page and return its path. Raises InputError when it can't be written."""
    try:
        tables.write_text(target, text)
    except CanNotWrite as error:
        raise InputError(
            error.problem,
            expected="a folder that can be written to",
            fix="name another file: imageclinic report RUN --to FILE",
        ) from error
    return target


def render(
    run: Run,
    *,
    truth: pd.DataFrame | None = None,
    status: Sequence[Mapping[str, Any]] | None = None,
    help: Mapping[str, str] | None = None,
    embedding_map: pd.DataFrame | str | None = None,
    decisions: Mapping[str, str] | None = None,
    team: Mapping[str, Any] | None = None,
    app: str = "",
) -> str:
    """The report as HTML; see `write`."""
    info = run.info()
    if "outcomes" not in info:
        raise InputError(f"{run.path} holds no finished audit", fix="run imageclinic audit first")
    dataset = run.read(tables.DATASET, _SHOWN)
    issues = run.read_beside(dataset, tables.ISSUES)
    splits = splits_of(run, dataset)
    decided, decisions_note = _decisions(run)
    compared, comparison, comparison_note = _comparison(run)
    diagnosed, diagnosis_note = _diagnosis(run)
    searched, search_note = search_section.read(run.tuning)
    outcomes = sections.by_severity(info["outcomes"], run.verdict)
    pictures = RunPictures(run)
    of_checks = sections_of(run, outcomes, dataset, issues, splits, help or {}, pictures.picture)
    confused = None
    with contextlib.suppress(InputError):  # what the checks made of them is there all the same
        if run.predictions.is_file():
            labels = dataset.set_index("image_id")["label"]
            confused = confusion_section.table(run.read_predictions(), labels, pictures.small)
    tested, tested_note = _tested(run, pictures)
    drawn: dict[str, Any] | None = None
    if isinstance(embedding_map, pd.DataFrame) and len(embedding_map):
        order = [o["check"] for o in outcomes]
        points = map_section.points(
            embedding_map, dataset, issues, splits, decisions or {}, order, seed=info.get("seed", 0)
        )
        drawn = map_section.content(points, frozenset(pictures.shown), pictures.small)
        drawn["left_out"] = len(embedding_map) - len(points)
    return templates.render(
        "template.html",
        {"title_of": sections.title, "prose": _prose},
        name=Path(info["root"]).name or info["root"],
        run=str(run.path),
        info=info,
        headlines=run.headlines,
        matters_less=run.verdict[len(run.headlines) :],
        headline=headline(dataset, issues, info["outcomes"]),
        facts=_facts(dataset, splits),
        audited=_audited(info),
        outcomes=outcomes,
        summaries={
            o["check"]: sections.summary_with_values((help or {}).get(o["check"], ""), o.get("options") or {})
            for o in outcomes
        },
        outcome_names=sections.OUTCOMES,
        scores=None if truth is None else _records(score(issues, truth)),
        distribution=charts.distribution(dataset, splits),
        confusions=confused,
        annotators=info.get("annotators", []),
        map=drawn,
        map_note=embedding_map if isinstance(embedding_map, str) else "",
        sections=of_checks,
        decided=decided,
        decisions_note=decisions_note,
        progress=review_section.progress(status or [], [o["check"] for o in outcomes]),
        team={"agreement": (), "two_reviewers": None, "gold": (), **(team or {})},
        app=AppLinks(app),
        comparison=comparison,
        comparisons=compared,
        comparison_note=comparison_note,
        tested=tested,
        tested_note=tested_note,
        diagnosis_note=diagnosis_note,
        **diagnosed,
        searched=searched,
        search_note=search_note,
    )


def headline(dataset: pd.DataFrame, issues: pd.DataFrame, outcomes: Sequence[Mapping[str, Any]]) -> str:
    """What was found, in one sentence."""
    found = sorted((o for o in outcomes if o["outcome"] == "found"), key=lambda o: -o["n_issues"])
    failed = sum(o["outcome"] == "failed" for o in outcomes)
    warning = f" {failed} {'check' if failed == 1 else 'checks'} failed." if failed else ""
    if not found:
        return f"The checks that ran found nothing in {len(dataset):,} images.{warning}"
    flagged = issues["image_id"].dropna().nunique()
    share = f" ({100 * flagged / len(dataset):.0f} %)" if len(dataset) else ""
    of_images = [o for o in found if issues.loc[issues["check"] == o["check"], "image_id"].notna().any()]
    names = [f"{sections.title(o['check']).lower()} ({o['n_issues']:,})" for o in of_images[:3]]
    most = (
        f", most by {', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else f", by {names[0]}" if names else ""
    )
    return f"{flagged:,} of {len(dataset):,} images{share} have at least one finding{most}.{warning}"


def _facts(dataset: pd.DataFrame, splits: pd.DataFrame) -> list[tuple[str, str]]:
    counts = splits["split"].value_counts()
    formats = dataset["format"].dropna().value_counts()
    size = dataset["bytes"].sum()
    facts = [
        ("images", f"{len(dataset):,}"),
        ("classes", f"{dataset['label'].nunique():,}"),
        *((name, f"{n:,}") for name, n in counts.items()),
        ("unreadable", f"{dataset['read_error'].notna().sum():,}"),
        ("on disk", f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"),
        ("formats", ", ".join(f"{name} {n:,}" for name, n in formats.items()) or "none"),
    ]
    return [(str(name), value) for name, value in facts]


def _audited(info: Mapping[str, Any]) -> list[str]:
    """Which classes and splits were understood, what was left out, and warnings; [] for runs of earlier versions."""
    return [
        *info.get("listing", {}).get("in_words", []),
        *(note for note in info.get("notes", []) if note.startswith("WARNING")),
    ]


def splits_of(run: Run, dataset: pd.DataFrame) -> pd.DataFrame:
    """image_id and split: the dataset's own, else the one that the audit drew."""
    own = dataset.loc[dataset["split"].notna(), ["image_id", "split"]]
    if own.empty and run.has(tables.SPLIT_TABLE):
        own = run.read(tables.SPLIT_TABLE)
    return own


def sections_of(
    run: Run,
    outcomes: Sequence[Mapping[str, Any]],
    dataset: pd.DataFrame,
    issues: pd.DataFrame,
    splits: pd.DataFrame,
    help: Mapping[str, str],
    picture: Callable[[str], Picture],
) -> list[sections.Section]:
    """What is shown of those checks in `outcomes` that found something or failed; see `sections.section`."""
    ids = issues["image_id"]
    clusters = run.read(tables.CLUSTERS) if run.has(tables.CLUSTERS) else tables.empty(tables.CLUSTERS)
    issues = issues.assign(
        given=lookup.values(ids, dataset, "label"),
        split=lookup.values(ids, splits, "split"),
        same=lookup.values(ids, clusters, "cluster").fillna(ids),
    )
    return [
        sections.section(o, issues[issues["check"] == o["check"]], help.get(o["check"], ""), picture)
        for o in outcomes
        if o["outcome"] in ("found", "failed")
    ]


def _decisions(run: Run) -> tuple[list[dict[str, Any]], str]:
    """Events in the decision log by reviewer, as they stand there (the log's owner replays it); or why not."""
    if not run.decisions.is_file():
        return [], ""
    try:
        log = tables.read_csv(run.decisions, tables.DECISION_LOG)
    except InputError as error:
        return [], str(error)
    counts = pd.crosstab(log["reviewer"], log["decision"]).reindex(columns=list(tables.DECISIONS), fill_value=0)
    return _records(counts.reset_index()), ""


def _comparison(run: Run) -> tuple[list[charts.Comparison], dict[str, Any], str]:
    """Charts, the content of comparison.json, and why it can't be shown."""
    if not run.comparison.is_file():
        return [], {}, ""
    try:
        content = read_json(run.comparison, shapes.Comparison, fix="compare again")
        return charts.comparisons(content), content, ""
    except InputError as error:
        return [], {}, f"{run.comparison.name} can't be shown: {error}"


def _tested(run: Run, pictures: RunPictures) -> tuple[tested_images_section.Results | None, str]:
    """Test images one by one, and why they can't be shown."""
    if not run.has(TEST_PREDICTIONS):
        return None, ""
    try:
        return tested_images_section.results(run.read(TEST_PREDICTIONS), pictures.small), ""
    except InputError as error:
        return None, f"{TEST_PREDICTIONS.file} can't be shown: {error}"


def _diagnosis(run: Run) -> tuple[dict[str, Any], str]:
    """What the template draws of diagnosis.json, and why it can't be shown."""
    nothing: dict[str, Any] = {"diagnosis": {}, "diagnosis_bars": []}
    if not run.diagnosis.is_file():
        return nothing, ""
    try:
        content = diagnosis_section.current_format(read_json(run.diagnosis, dict[str, Any], fix="diagnose again"))
        with remedied("diagnose again"):
            check_shape(content, shapes.Diagnosis, where=str(run.diagnosis))
        names = ("verdict", "experiments", "not_tested", "images", "seeds")
        shown = {**{name: content[name] for name in names}, "notes": content.get("notes", [])}
        return {"diagnosis": shown, "diagnosis_bars": diagnosis_section.bars(content)}, ""
    except InputError as error:
        return nothing, f"{run.diagnosis.name} can't be shown: {error}"


def _prose(text: str) -> Markup:
    """Escaped text, with what is between backticks set as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): None if pd.isna(v) else v for k, v in row.items()} for row in frame.to_dict("records")]
