"""What the report shows of each check: its findings worst first, copies side by side, confusions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from imageclinic.core.rows import lookup, ordering
from imageclinic.report.charts import Confusion, confusion
from imageclinic.report.thumbnails import Picture

MOST_TILES = 24
MOST_CLUSTERS = 12
MOST_MEMBERS = 6
MOST_CLASSES = 24

OUTCOMES = {
    "found": ("●", "found"),
    "clean": ("✓", "clean"),
    "not_applicable": ("–", "not applicable"),
    "skipped": ("○", "skipped"),
    "failed": ("✕", "failed"),
}


@dataclass(frozen=True)
class Tile:
    """One finding about an image."""

    image_id: str
    picture: Picture
    given: str | None
    suggested: str | None
    split: str | None
    score: float
    evidence: str


@dataclass(frozen=True)
class Cluster:
    """Copies of one picture that a check flagged; `left_out` of them are not shown."""

    tiles: list[Tile]
    left_out: int


@dataclass(frozen=True)
class Section:
    """One check that found something, or failed."""

    check: str
    outcome: str
    n_issues: int
    reason: str
    options: Mapping[str, Any]
    summary: str
    help: str
    tiles: list[Tile] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    classes: list[tuple[str, float, str]] = field(default_factory=list)
    confusion: Confusion | None = None
    left_out: str = ""

    @property
    def title(self) -> str:
        """The check's name, readable."""
        return title(self.check)


def title(check: str) -> str:
    """A check's name as a heading."""
    return check.replace("_", " ").capitalize()


def summary(docstring: str) -> str:
    """The first paragraph of a check's docstring, on one line."""
    return " ".join(docstring.strip().partition("\n\n")[0].split())


def by_severity(outcomes: Sequence[Mapping[str, Any]], verdict: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What failed, then what was found in the order of the audit's verdict, then the rest; by name where that is equal.

    Args:
        outcomes: of run.json.
        verdict: its lines, worst first, each with the ``checks`` that it is about.
    """
    ranked = [check for line in verdict for check in line.get("checks", [])]
    states = ["failed", "found", "clean", "not_applicable", "skipped"]

    def place(outcome: Mapping[str, Any]) -> tuple[int, int, str]:
        check, state = outcome["check"], outcome["outcome"]
        rank = ranked.index(check) if state == "found" and check in ranked else len(ranked)
        return states.index(state) if state in states else len(states), rank, check

    return sorted(outcomes, key=place)


def section(
    outcome: Mapping[str, Any],
    issues: pd.DataFrame,
    docstring: str,
    picture: Callable[[str], Picture],
) -> Section:
    """Everything to show of one check.

    Args:
        outcome: its entry in run.json.
        issues: its findings (`tables.ISSUES`), with `given` (label) and `split` of the image, and `same`, which copies
            of one picture share.
        docstring: its documentation.
        picture: thumbnail of an image_id.
    """
    options = outcome.get("options") or {}
    issues = ordering.in_order(issues, {"score": "descending", "image_id": "ascending", "label": "ascending"})
    of_images = issues[issues["image_id"].notna()]
    alone = _one_of_each(of_images[of_images["cluster"].isna()])
    together = of_images[of_images["cluster"].notna()]
    of_classes = issues[issues["image_id"].isna()]
    names = list(together["cluster"].drop_duplicates())
    parts = [
        (len(alone) - MOST_TILES, "images"),
        (len(names) - MOST_CLUSTERS, "groups of copies"),
        (len(of_classes) - MOST_CLASSES, "classes"),
    ]
    return Section(
        check=outcome["check"],
        outcome=outcome["outcome"],
        n_issues=outcome.get("n_issues") or 0,
        reason=outcome.get("reason") or "",
        options={_words(name): value for name, value in options.items()},
        summary=summary(docstring),
        help=_without_code(docstring.strip().partition("\n\n")[2].strip(), options),
        tiles=[_tile(row, picture) for row in _rows(alone.head(MOST_TILES))],
        clusters=[_cluster(together[together["cluster"] == name], picture) for name in names[:MOST_CLUSTERS]],
        classes=[
            (row["label"] or "the whole dataset", row["score"], row["evidence"])
            for row in _rows(of_classes.head(MOST_CLASSES))
        ],
        confusion=confusion(alone),
        left_out=" and ".join(f"{n:,} more {what}" for n, what in parts if n > 0),
    )


def _words(name: str) -> str:
    """An option's name as a person says it."""
    return name.replace("_", " ")


def _without_code(text: str, options: Mapping[str, Any]) -> str:
    """A text with the names of options as words."""
    for name in options:
        text = text.replace(f"`{name}`", _words(name))
    return text


def _one_of_each(findings: pd.DataFrame) -> pd.DataFrame:
    """The worst of the copies of each picture under each label, which says how many more there are."""
    keys = [findings["same"], findings["given"].fillna(""), findings["suggested_label"].fillna("")]
    if findings.empty:
        return findings
    kind, first = lookup.kinds(*keys)
    others = np.bincount(kind) - 1
    worst = findings.iloc[first]
    copied = np.flatnonzero(others)
    more = [f" So {'is 1 copy' if n == 1 else f'are {n:,} copies'} of it." for n in others[copied]]
    evidence = worst["evidence"].iloc[copied] + pd.Series(more, dtype="str", index=worst.index[copied])
    return worst.assign(evidence=worst["evidence"].mask(others > 0, evidence.reindex(worst.index)))


def _cluster(members: pd.DataFrame, picture: Callable[[str], Picture]) -> Cluster:
    tiles = [_tile(row, picture) for row in _rows(members.head(MOST_MEMBERS))]
    return Cluster(tiles, max(0, len(members) - MOST_MEMBERS))


def _tile(row: Mapping[str, Any], picture: Callable[[str], Picture]) -> Tile:
    return Tile(
        image_id=row["image_id"],
        picture=picture(row["image_id"]),
        given=row["given"],
        suggested=row["suggested_label"],
        split=row["split"],
        score=row["score"],
        evidence=row["evidence"],
    )


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts, with None where a value is missing."""
    return [
        {str(key): None if pd.isna(value) else value for key, value in row.items()} for row in frame.to_dict("records")
    ]


def summary_with_values(docstring: str, options: Mapping[str, Any]) -> str:
    """A check's first paragraph, with the values of its options where it names them."""
    text = summary(docstring)
    for name, value in options.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = text.replace(f"`{name}`", f"{value:,.10g}")
    return text
