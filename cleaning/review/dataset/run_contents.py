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
from imageclinic.cleaning.review.dataset import own_rows, sample_rows, saved_views
from imageclinic.cleaning.reviewers import own_decision, team_settings
from imageclinic.core import tables
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.run import Run

#: What decides which copy stays, and which decisions hold.
_OF_SURVIVORS = ("image_id", "label", "split", "bytes", "sha256", "width", "height", "read_error")


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

    Above `sample_rows.MOST_IMAGES` images the worst of each check and class are loaded, see `shown_images`.

    Args:
        run: an audited run.
        reviewer: whose queue it is, see `own_rows.arranged`; None: everybody's.
        progress: called with (done, total) while pictures are converted.
    """
    current, survivors, log_rows = _decided(run, reviewer)
    settings = team_settings.read(run)
    items, checks = sample_rows.collect(run, current, survivors, progress, (*settings.two_reviewers, *settings.gold))
    if reviewer is not None:
        items = own_rows.arranged(run, items, settings, reviewer)
    labels = run.read(tables.DATASET, ["label"])["label"]
    latest = label_ranking.newest(run)
    facts = Facts(
        run=str(run.path),
        checks=checks,
        ranked=latest.name if latest else None,
        log_rows=log_rows,  # what comes later, the plugin brings in
        images=len(labels),
    )
    plan = Plan(
        name=dataset_name(run),
        description=f"imageclinic review of {run.path}",
        checks=checks,
        classes=sorted(labels.dropna().unique()),
        side_by_side=saved_views.side_by_side(items, checks),
        tested=saved_views.tested(items),
        facts=facts,
    )
    return Contents(items, plan)


def _decided(run: Run, reviewer: str | None) -> tuple[pd.DataFrame, pd.DataFrame | None, int]:
    """The decisions in force, for one reviewer where one is named; which copies stay; how many rows the log has."""
    dataset = run.read(tables.DATASET, _OF_SURVIVORS)
    log = decision_log.read(run.decisions)
    current = decision_log.current(log, dataset)
    survivors = None
    if run.has(tables.CLUSTERS) and run.has(tables.SPLIT_TABLE) and run.has(tables.FEATURES):
        survivors = choose_survivors(
            dataset,
            run.read(tables.FEATURES, ["image_id", "sharpness"]),
            run.read(tables.CLUSTERS),
            run.read(tables.SPLIT_TABLE),
            current,
        )
    if reviewer is not None:
        current = own_decision.current(run, log, dataset, current, reviewer)
    return current, survivors, len(log)


def dataset_name(run: Run) -> str:
    """The dataset's name in FiftyOne: the same for every opening of the run folder at this path."""
    digest = text_digest(str(run.path), 8)
    word = re.sub(r"[^A-Za-z0-9]+", "-", run.path.name).strip("-").lower() or "run"
    return f"imageclinic-{word}-{digest}"
