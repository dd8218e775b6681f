"""A reviewer's decisions, as the App takes and shows them: what is in the log, less what this reviewer must not see.

Answers about images with a known answer go to a log of their own (`gold_log`), and look like decisions.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pandas as pd

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.reviewers import gold_log, own_state, team_settings
from imageclinic.core.run import Run


def current(run: Run, log: pd.DataFrame, dataset: pd.DataFrame, reviewer: str) -> pd.DataFrame:
    """What is decided about the images of a run, see `decision_log.current`, as a reviewer sees it who opens it."""
    mine = decision_log.current(log[log["reviewer"].eq(reviewer)], dataset)["image_id"]
    seen = own_state.seen(decision_log.current(log, dataset), set(mine), team_settings.read(run).two_reviewers)
    seen = seen[seen["reviewer"].notna()]
    judged = gold_log.judged(run, reviewer)
    more = judged[~judged["image_id"].isin(seen["image_id"])]
    return pd.concat([seen, more], ignore_index=True) if len(more) else seen.reset_index(drop=True)


def state(run: Run, image_ids: Sequence[str], reviewer: str) -> pd.DataFrame:
    """What the log says now about some images, see `person_decision.STATE`, as a reviewer sees it."""
    state, two = person_decision.state(run, image_ids), set(team_settings.read(run).two_reviewers)
    private = state.loc[state["image_id"].isin(two) | state["disputed"].eq(True), "image_id"].tolist()
    if private:  # of the others all is seen; and a key waits for this
        own = person_decision.state(run, private, reviewer)
        state = own_state.seen(
            state, set(own.loc[own["decision"].notna(), "image_id"]) | set(image_ids) - set(private), two
        )
    placed = gold_log.placed(run, reviewer)
    among = bool(state["image_id"].isin(placed).any())
    if among or (state["reviewer"].isna().any() and gold_log.log_path(run).is_file()):
        return own_state.with_gold(state, gold_log.judged(run, reviewer), placed)
    return state


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
    placed, batch = gold_log.placed(run, reviewer), uuid.uuid4().hex
    new = dict(zip(image_ids, labels or [None] * len(image_ids), strict=True))
    gold = [name for name in image_ids if name in placed]
    others = [name for name in image_ids if name not in placed]
    if others:
        news = [new[name] for name in others]
        person_decision.append(run, others, decision, reviewer=reviewer, labels=news, blind=blind, batch=batch)
    if gold:
        news = [new[name] for name in gold]
        gold_log.judge(run, gold, decision, reviewer=reviewer, labels=news, batch=batch)
    return state(run, image_ids, reviewer)


def undo(run: Run, reviewer: str) -> pd.DataFrame:
    """Take back what the reviewer's last key did; return what that reviewer sees of its images now."""
    logs = (run.decisions, gold_log.log_path(run))
    last = {path: batch for path in logs if path.exists() and (batch := decision_log.last_batch(path, reviewer))}
    newest = max(last.values(), default=None)
    images: list[str] = []
    for path, batch in last.items():
        if newest and batch[1] == newest[1]:
            images += decision_log.undo_batch(path, reviewer)
    return state(run, images, reviewer)
