"""Setting up a review by several persons: which images two of them must see, and which have a known answer."""

from __future__ import annotations

from pathlib import Path

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.reviewers import double_review, gold_images, team_settings
from imageclinic.core import tables
from imageclinic.core.run import Run

#: Of 20 images of a queue one has a known answer.
GOLD_RATE = 0.05


def two_reviewers(run: Run, wanted: int) -> int:
    """Have `wanted` images decided by two persons, drawn by the audit's seed; return how many there are.

    Those that were drawn before stay; with fewer wanted, the last ones leave. No decision is changed.
    """
    settings = team_settings.read(run)
    dataset, issues = run.read(tables.DATASET), run.read(tables.ISSUES)
    clusters = run.read(tables.CLUSTERS) if run.has(tables.CLUSTERS) else tables.empty(tables.CLUSTERS)
    current = decision_log.current(decision_log.read(run.decisions), dataset)
    drawn = double_review.draw(
        issues,
        dataset,
        clusters,
        current,
        wanted,
        drawn=settings.two_reviewers,
        without=list(settings.gold),
        seed=run.info().get("seed") or 0,
    )
    team_settings.write(run, settings.change(two_reviewers=tuple(drawn)))
    return len(drawn)


def gold(run: Run, file: Path | None, rate: float | None) -> team_settings.TeamSettings:
    """Mix images with a known answer into all queues that are opened from now on; return the settings as they are.

    Args:
        run: the run.
        file: see `gold_images.read_file`; None: those of an earlier file, and what two persons agreed about.
        rate: the share of a queue that is theirs; None: as before, at first `GOLD_RATE`; 0: no longer.

    Raises:
        InputError: a file that does not fit.
    """
    settings = team_settings.read(run)
    if file is not None:
        settings = settings.change(gold=gold_images.read_file(file, run.read(tables.DATASET)))
    settings = settings.change(gold_rate=settings.gold_rate or GOLD_RATE if rate is None else rate)
    team_settings.write(run, settings)
    return settings
