"""What the App is to show of a run: the images to load, and the plan of the dataset that takes them. No FiftyOne.

The plan is plain JSON: another process makes the dataset by it while this one still works on the images.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import pandas as pd

from imageclinic.cleaning.decisions import decision_log, label_ranking
from imageclinic.cleaning.decisions.survivors import choose as choose_survivors
from imageclinic.cleaning.review.dataset import kept_rows, own_rows, sample_rows, saved_views, shown_images
from imageclinic.cleaning.review.dataset.kept_rows import Rows
from imageclinic.cleaning.reviewers import own_decision, team_settings
from imageclinic.core import tables
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.run import Run


class Facts(TypedDict):
    """What the plugin asks the dataset about the run."""

    run: str
    checks: list[str]
    ranked: str | None
    log_rows: int
    images: int


class Plan(TypedDict):
    """A dataset without its images."""

    name: str
    description: str
    checks: list[str]
    classes: list[str]
    side_by_side: list[str]
    tested: list[str]
    reviewer: str | None
    facts: Facts


@dataclass(frozen=True)
class Contents:
    """What the App is to show."""

    items: pd.DataFrame
    """One row per image to load, see `sample_rows.collect`."""
    plan: Plan

    @property
    def flagged(self) -> int:
        """How many of the images have findings."""
        return int(self.items["queue"].notna().sum())


def of_run(run: Run, *, reviewer: str | None = None, progress: Callable[[int, int], None] | None = None) -> Contents:
    """Read a run and its decisions.

    Above `kept_rows.MOST_IMAGES` images the worst of each check and class are loaded, see `shown_images`.

    Args:
        run: an audited run.
        reviewer: whose queue it is, see `own_rows.arranged`; None: everybody's.
        progress: called with (done, total) while pictures are converted.
    """
    rows, log = kept_rows.of_run(run), decision_log.read(run.decisions)
    known = kept_rows.judged(run, rows, log)
    everybodys = decision_log.current(log, known)
    current = everybodys
    if reviewer is not None:
        current = own_decision.current(run, log, known, everybodys, reviewer)
    settings, tested = team_settings.read(run), sample_rows.tested_of(run)
    wanted = {
        *shown_images.decided_by_persons(current),
        *tested.loc[tested["cleaning_effect"].notna(), "image_id"],
        *settings.two_reviewers,
        *settings.gold,
    }
    if not rows.whole:
        rows = kept_rows.of_run(run, sorted(wanted))
    survivors = _survivors(run, rows, everybodys)
    items, checks = sample_rows.collect(run, rows.shown(wanted), current, survivors, progress, tested)
    if reviewer is not None:
        items = own_rows.arranged(run, items, settings, reviewer)
    latest = label_ranking.newest(run)
    facts = Facts(
        run=str(run.path),
        checks=checks,
        ranked=latest.name if latest else None,
        log_rows=len(log),  # what comes later, the plugin brings in
        images=rows.images,
    )
    plan = Plan(
        name=dataset_name(run),
        description=f"imageclinic review of {run.path}",
        checks=checks,
        classes=rows.classes,
        side_by_side=saved_views.side_by_side(items, checks),
        tested=saved_views.tested(items),
        reviewer=reviewer,
        facts=facts,
    )
    return Contents(items, plan)


def _survivors(run: Run, rows: Rows, current: pd.DataFrame) -> pd.DataFrame | None:
    """Which copies stay by the decisions in force, of whole clusters; None without the tables that say it."""
    if not (run.has(tables.CLUSTERS) and run.has(tables.SPLIT_TABLE) and run.has(tables.FEATURES)):
        return None
    return choose_survivors(rows.dataset, rows.about, rows.about, rows.about, current)


def dataset_name(run: Run) -> str:
    """The dataset's name in FiftyOne: the same for every opening of the run folder at this path."""
    digest = text_digest(str(run.path), 8)
    word = re.sub(r"[^A-Za-z0-9]+", "-", run.path.name).strip("-").lower() or "run"
    return f"imageclinic-{word}-{digest}"
