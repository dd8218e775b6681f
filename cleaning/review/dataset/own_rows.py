"""The rows of the App's dataset in the order of one reviewer's queue, with what only this reviewer gets."""

from __future__ import annotations

import pandas as pd

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.decisions.log_reading import kept_log
from imageclinic.cleaning.review import own_queue
from imageclinic.cleaning.reviewers import gold_images, gold_log
from imageclinic.cleaning.reviewers.team_settings import TeamSettings
from imageclinic.cleaning.trust import random_sample
from imageclinic.core import tables
from imageclinic.core.run import Run


def arranged(run: Run, rows: pd.DataFrame, settings: TeamSettings, reviewer: str) -> pd.DataFrame:
    """Rows with images for two persons in front, and images with a known answer among them; the latter are remembered
    for `gold_log.placed`."""
    if settings.two_reviewers:
        rows = own_queue.with_two_reviewers(rows, settings.two_reviewers, str(run.info().get("seed")))
    placed: list[str] = []
    if settings.gold_rate:
        judged = gold_log.judged(run, reviewer)["image_id"]
        gold = _candidates(run, rows, settings, reviewer, judged)
        rows, placed = own_queue.with_gold(rows, gold, settings.gold_rate, f"{reviewer} {len(judged)}", reviewer)
    gold_log.place(run, reviewer, placed)
    return rows


def _candidates(run: Run, rows: pd.DataFrame, settings: TeamSettings, reviewer: str, judged: pd.Series) -> list[str]:
    dataset, issues = run.read(tables.DATASET), run.read(tables.ISSUES)
    log = kept_log.read(run.decisions)
    found = gold_images.candidates(
        gold_images.answers(settings.gold, log, dataset),
        reviewer,
        log,
        decision_log.current(log, dataset),
        judged=judged.tolist(),
        copies=[*rows.loc[rows["cluster"].notna(), "image_id"], *issues.loc[issues["cluster"].notna(), "image_id"]],
        sample=random_sample.draw(issues, dataset)["image_id"].tolist(),
        two_reviewers=settings.two_reviewers,
    )
    loaded = set(rows["image_id"])
    return [name for name in found if name in loaded]
