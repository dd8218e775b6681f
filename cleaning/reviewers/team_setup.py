"""Setting up a review by several persons: which images two of them must see."""

from __future__ import annotations

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.reviewers import double_review, team_settings
from imageclinic.core import tables
from imageclinic.core.run import Run


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
