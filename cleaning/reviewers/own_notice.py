"""What the App says to a reviewer whose answers about images with a known answer have become worse."""

from __future__ import annotations

import functools
from pathlib import Path

from imageclinic.cleaning.decisions import known_images
from imageclinic.cleaning.decisions.log_reading import kept_log
from imageclinic.cleaning.reviewers import gold_images, gold_log, gold_results, team_settings
from imageclinic.core.run import Run, open_run


def of(run: Run, reviewer: str) -> str:
    """The notice; empty where there is nothing to say. Nothing but a fall is said: right and wrong are for the team."""
    log = gold_log.log_path(run)
    return _of(run.path, reviewer, log.stat().st_size) if log.is_file() else ""


@functools.lru_cache(maxsize=4)
def _of(path: Path, reviewer: str, answers: int) -> str:
    run = open_run(path)
    log, gold = gold_log.read(run), team_settings.read(run).gold
    dataset = known_images.rows_of(run, [*gold, *log["image_id"]]).dataset
    right = gold_images.answers(gold, kept_log.read(run.decisions), dataset)
    own = gold_results.table(log[log["reviewer"].eq(reviewer)], right, dataset)
    if not own or not (fallen := own[0]["fall"]):
        return ""
    return (
        f"Of the latest {fallen['recent']} images with a known answer you were right about {fallen['recent_right']}; "
        f"before, about {fallen['before_right']} of {fallen['before']}. Time for a pause?"
    )
