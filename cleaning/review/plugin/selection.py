"""From what is open or selected in the App to a decision in the log, and back into the App's dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from fiftyone import ViewField as F

from imageclinic.cleaning.decisions import person_decision
from imageclinic.cleaning.review.dataset.build_dataset import dataset_name
from imageclinic.cleaning.review.plugin import log_sync
from imageclinic.cleaning.reviewers import own_decision, team_settings
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run, open_run

#: Nobody has decided, and there is something to decide (see `cleaning.decisions.settled`).
UNDECIDED = (F("decision") == None) & (F("settled") != True)  # noqa: E711, E712 (a query expression)
_PAST = {
    "keep": "Kept",
    "relabel": "Relabelled",
    "drop": "Dropped",
    "unsure": "Unsure about",
    "undo": "Took back",
}
_NOTHING = {
    "undo": "Nothing to undo.",
    "relabel": "No label is suggested here.",
    "best": "There are no copies to drop here.",
}
_LAST_COPY = "Its copies are dropped: this one stays."
HIDDEN = "The random sample is judged blind: {}."


@dataclass(frozen=True)
class Answer:
    """What a decision did: the samples that changed, by id, and a message for the reviewer."""

    ids: tuple[str, ...]
    message: str
    failed: bool = False


def is_reviewed(ctx: Any) -> bool:
    """Whether the open dataset is the one of this review: a database of the user's may hold others."""
    return ctx.dataset is not None and ctx.dataset.name == dataset_name(_run())


def run_of(ctx: Any) -> Run:
    """The run that is reviewed. Our own process says which, and never the database, which others may write to.

    Raises:
        InputError: when the open dataset is another one.
    """
    if not is_reviewed(ctx):
        raise InputError(f"the dataset that is open is not the one of {_run().path}", fix="choose that one at the top")
    return _run()


def reviewer(ctx: Any) -> str:
    """Whose decisions these are: our own process says so, whatever the request says."""
    return os.environ["IMAGECLINIC_REVIEWER"]


def _run() -> Run:
    return open_run(Path(os.environ["IMAGECLINIC_RUN"]))


def targets(ctx: Any) -> list[str]:
    """The open image, else the selection."""
    return [ctx.current_sample] if ctx.current_sample else list(ctx.selected or [])


def lasso(ctx: Any) -> list[str]:
    """The samples that a lasso on the map holds; [] without one. The App sends it as a stage beside the view, which a
    saved view does not take up."""
    stage = (ctx.request_params.get("extended") or {}).get("fiftyone.core.stages.Select") or {}
    return list(stage.get("sample_ids") or [])


def shown(ctx: Any) -> Any:
    """What the grid shows: the view, or what of it the lasso holds."""
    ids = lasso(ctx)
    return ctx.view.select(ids) if ids else ctx.view


def blind(ctx: Any) -> bool:
    """Whether the view hides what the checks found, as the one of the random sample does."""
    return not ctx.view.has_field("evidence")


def decide(
    ctx: Any,
    decision: str,
    ids: Sequence[str],
    label: str | None = None,
    shown: Mapping[str, str | None] | None = None,
    *,
    at_once: bool = False,
) -> Answer:
    """Log a decision, bring the dataset in line, and say what was done.

    Args:
        ctx: the operator's context.
        decision: keep, relabel, drop, unsure, undo (ids are ignored), best (keep the best copy, drop the rest), or
            not_copies (keep all copies).
        ids: of samples.
        label: the new one, for relabel; the suggested ones when None.
        shown: what the reviewer saw decided about each sample when the key was pressed; when the log says otherwise
            by now, nothing is decided. None: the reviewer saw no single image.
        at_once: suggestions are accepted without a look at each: that confirms no finding.
    """
    try:
        return _decide(ctx, decision, ids, label, shown, at_once)
    except InputError as error:
        return Answer((), f"NOT SAVED. {error}", failed=True)


def _decide(
    ctx: Any,
    decision: str,
    ids: Sequence[str],
    label: str | None,
    shown: Mapping[str, str | None] | None,
    at_once: bool,
) -> Answer:
    run = run_of(ctx)
    log_sync.catch_up(ctx, run)
    if decision == "undo":
        return _answer(ctx, run, decision, own_decision.undo(run, reviewer(ctx)))
    columns = ["id", "image_id", "suggested.label", "decision", "reviewer"]
    values = ctx.dataset.select(list(ids), ordered=True).values(columns)
    rows = pd.DataFrame(dict(zip(columns, values, strict=True)))
    if shown is not None and (meanwhile := _meanwhile(rows, shown)):
        return Answer((), meanwhile, failed=True)
    unseen = blind(ctx)
    if unseen and decision in ("best", "not_copies"):
        return Answer((), HIDDEN.format("copies are hidden here"))
    if decision == "not_copies":
        return _keep_apart(ctx, run, rows["image_id"].tolist())
    if decision == "best":
        return _keep_best(ctx, run, rows["image_id"].tolist())
    if decision == "relabel":
        if unseen and not label:
            return Answer((), HIDDEN.format("the suggestion is hidden here"))
        rows["new"] = label or rows["suggested.label"]
        rows = rows[rows["new"].notna()]
    if rows.empty:
        return Answer((), _NOTHING.get(decision, "Select images or open one first."))
    labels = rows["new"].tolist() if decision == "relabel" else None
    images = rows["image_id"].tolist()
    me = reviewer(ctx)
    state = own_decision.decide(run, images, decision, reviewer=me, labels=labels, blind=unseen, at_once=at_once)
    return _answer(ctx, run, decision, state, _replaced(rows, me))


def _meanwhile(rows: pd.DataFrame, shown: Mapping[str, str | None]) -> str:
    """Who decided since the reviewer looked; empty when all is as it was shown."""
    for row in rows[["id", "image_id", "decision", "reviewer"]].to_dict("records"):
        now = row["decision"] if isinstance(row["decision"], str) else None
        if now != shown.get(row["id"]):
            by = f"{row['reviewer']} has decided: {now}" if now else "a decision was taken back"
            return f"NOT SAVED: meanwhile {by}. Look again at {row['image_id']}."
    return ""


def _replaced(rows: pd.DataFrame, me: str) -> str:
    """That one's own decisions were replaced; empty when none was."""
    own = rows["reviewer"].map(lambda names: isinstance(names, str) and me in names.split(";"))
    before = rows.loc[own.astype(bool) & rows["decision"].notna(), "decision"]
    if before.empty:
        return ""
    return f" Replaced your {before.iloc[0]}." if len(rows) == 1 else f" Replaced {len(before):,} of your decisions."


def _answer(ctx: Any, run: Run, decision: str, state: pd.DataFrame, replaced: str = "") -> Answer:
    if state.empty:
        return Answer((), _NOTHING[decision])
    done = f"{_PAST[decision]} {images_in_words(len(state))}."
    # Who hears at once that another one differs comes round, and agreement means nothing: these are in Disputed.
    other = state[~state["image_id"].isin(team_settings.read(run).two_reviewers)]
    return Answer(log_sync.show(ctx, run, state), done + replaced + _disputed(other))


def _disputed(state: pd.DataFrame) -> str:
    n = int(state["disputed"].eq(True).sum())
    return f" Reviewers disagree about {n} of them: undecided." if n else ""


def _keep_best(ctx: Any, run: Run, image_ids: list[str]) -> Answer:
    best = person_decision.keep_best(run, image_ids, reviewer=reviewer(ctx))
    dropped = int(best.state["decision"].eq("drop").sum())
    ids = log_sync.show(ctx, run, best.state)
    sentences = []
    if dropped:
        sentences.append(f"Best copy stays, dropped {images_in_words(dropped)}." + _disputed(best.state))
    elif best.state.empty and not best.spared and not best.unresolved:
        sentences.append(_LAST_COPY if best.kept else _NOTHING["best"])
    elif len(best.state):
        sentences.append("Best copy stays.")
    if best.spared:
        sentences.append(f"{images_in_words(len(best.spared))} of the test split left in: drop by hand if you mean it.")
    if best.unresolved:
        sentences.append("The copies carry different labels: decide the right one's label first.")
    return Answer(ids, " ".join(sentences))


def _keep_apart(ctx: Any, run: Run, image_ids: list[str]) -> Answer:
    apart = person_decision.not_copies(run, image_ids, reviewer=reviewer(ctx))
    ids = log_sync.show(ctx, run, apart.state) if len(apart.state) else ()
    sentences = []
    if ids:
        sentences.append(f"No copies: kept {images_in_words(len(ids))}." + _disputed(apart.state))
    if apart.waiting:
        sentences.append(f"{images_in_words(apart.waiting)} with another finding left undecided.")
    if apart.equal:
        sentences.append(f"{images_in_words(apart.equal)} have equal pictures: these are copies.")
    return Answer(ids, " ".join(sentences) or "There are no undecided copies here.")


def images_in_words(n: int) -> str:
    """``1 image``, ``2 images``."""
    return "1 image" if n == 1 else f"{n:,} images"
