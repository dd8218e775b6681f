"""A reviewer's decisions, as the App takes and shows them: what is in the log, less what this reviewer must not see."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.reviewers import own_state, team_settings
from imageclinic.core.run import Run


def current(run: Run, log: pd.DataFrame, dataset: pd.DataFrame, reviewer: str) -> pd.DataFrame:
    """What is decided about the images of a run, see `decision_log.current`, as a reviewer sees it."""
    mine = decision_log.current(log[log["reviewer"].eq(reviewer)], dataset)["image_id"]
    seen = own_state.seen(decision_log.current(log, dataset), set(mine), team_settings.read(run).two_reviewers)
    return seen[seen["reviewer"].notna()].reset_index(drop=True)


def state(run: Run, image_ids: Sequence[str], reviewer: str) -> pd.DataFrame:
    """What the log says now about some images, see `person_decision.STATE`, as a reviewer sees it."""
    own = person_decision.state(run, image_ids, reviewer)
    mine = set(own.loc[own["decision"].notna(), "image_id"])
    return own_state.seen(person_decision.state(run, image_ids), mine, team_settings.read(run).two_reviewers)


def decide(
    run: Run,
    image_ids: Sequence[str],
    decision: str,
    *,
    reviewer: str,
    labels: Sequence[str | None] | None = None,
    blind: bool = False,
) -> pd.DataFrame:
    """Log a decision, see `person_decision.decide`; return what its reviewer sees of these images now."""
    person_decision.decide(run, image_ids, decision, reviewer=reviewer, labels=labels, blind=blind)
    return state(run, image_ids, reviewer)


def undo(run: Run, reviewer: str) -> pd.DataFrame:
    """Take back the reviewer's last batch; return what that reviewer sees of its images now."""
    return state(run, decision_log.undo_batch(run.decisions, reviewer), reviewer)
