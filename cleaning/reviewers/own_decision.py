"""A reviewer's decisions, as the App takes and shows them: what is in the log, less what this reviewer must not see.

Answers about images with a known answer go to a log of their own (`gold_log`), and look like decisions.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

import pandas as pd

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.reviewers import gold_log, own_state, team_settings
from imageclinic.core.run import Run


def current(run: Run, log: pd.DataFrame, dataset: pd.DataFrame, known: pd.DataFrame, reviewer: str) -> pd.DataFrame:
    """What is decided about the images of a run, as a reviewer sees it who opens it.

    Args:
        run: the run.
        log, dataset: its tables.
        known: what the log says, see `decision_log.current`.
        reviewer: who looks.
    """

    def decided_by_me(images: pd.Series) -> pd.Series:
        own = log[log["reviewer"].eq(reviewer)]
        return decision_log.current(own, dataset[dataset["image_id"].isin(images)])["image_id"]

    seen = _seen(run, known, decided_by_me)
    seen = seen[seen["reviewer"].notna()]
    if not gold_log.log_path(run).is_file():
        return seen.reset_index(drop=True)
    judged = gold_log.judged(run, reviewer)
    return pd.concat([seen, judged[~judged["image_id"].isin(seen["image_id"])]], ignore_index=True)


def state(run: Run, image_ids: Sequence[str], reviewer: str) -> pd.DataFrame:
    """What the log says now about some images, see `person_decision.STATE`, as a reviewer sees it."""

    def decided_by_me(images: pd.Series) -> pd.Series:
        own = person_decision.state(run, images.tolist(), reviewer)
        return own.loc[own["decision"].notna(), "image_id"]

    seen, placed = _seen(run, person_decision.state(run, image_ids), decided_by_me), gold_log.placed(run, reviewer)
    among = bool(seen["image_id"].isin(placed).any())
    if among or (seen["reviewer"].isna().any() and gold_log.log_path(run).is_file()):
        return own_state.with_gold(seen, gold_log.judged(run, reviewer), placed)
    return seen


def _seen(run: Run, state: pd.DataFrame, decided_by_me: Callable[[pd.Series], pd.Series]) -> pd.DataFrame:
    """See `own_state.seen`; of most images all is seen, and keys wait for this."""
    two = set(team_settings.read(run).two_reviewers)
    private = state["image_id"].isin(two) | state["disputed"].eq(True)
    if not private.any():
        return state
    mine = decided_by_me(state.loc[private, "image_id"])
    return own_state.seen(state, {*mine, *state.loc[~private, "image_id"]}, two)


def decide(
    run: Run,
    image_ids: Sequence[str],
    decision: str,
    *,
    reviewer: str,
    labels: Sequence[str | None] | None = None,
    blind: bool = False,
    at_once: bool = False,
) -> pd.DataFrame:
    """Log a decision, see `person_decision.append`; return what its reviewer sees of these images now."""
    placed, batch = gold_log.placed(run, reviewer), uuid.uuid4().hex
    new = dict(zip(image_ids, labels or [None] * len(image_ids), strict=True))
    gold = [name for name in image_ids if name in placed]
    others = [name for name in image_ids if name not in placed]
    if others:
        news = [new[name] for name in others]
        person_decision.append(
            run, others, decision, reviewer=reviewer, labels=news, blind=blind, at_once=at_once, batch=batch
        )
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
