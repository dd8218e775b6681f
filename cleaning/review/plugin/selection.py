"""From what is open or selected in the App to a decision in the log, and back into the App's dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from fiftyone import ViewField as F

from imageclinic.cleaning.decisions import person_decision
from imageclinic.cleaning.review.dataset.build_dataset import dataset_name
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run, open_run

UNDECIDED = F("decision") == None  # noqa: E711 (a query expression)
_STATE = {
    "decision": "decision",
    "label": "decided_label",
    "reviewer": "reviewer",
    "decided_at": "decided_at",
    "disputed": "disputed",
}
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
HIDDEN = "The random sample is judged blind: {}."


@dataclass(frozen=True)
class Answer:
    """What a decision did: the samples that changed, by id, and what to tell the reviewer."""

    ids: tuple[str, ...]
    said: str
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


def blind(ctx: Any) -> bool:
    """Whether the view hides what the checks said, as the one of the random sample does."""
    return not ctx.view.has_field("evidence")


def decide(ctx: Any, decision: str, ids: Sequence[str], label: str | None = None) -> Answer:
    """Log a decision, bring the dataset in line, and say what was done.

    Args:
        ctx: the operator's context.
        decision: keep, relabel, drop, unsure, undo (ids are ignored), or best (keep the best copy, drop the rest).
        ids: of samples.
        label: the new one, for relabel; the suggested ones when None.
    """
    try:
        return _decide(ctx, decision, ids, label)
    except InputError as error:
        return Answer((), f"NOT SAVED. {error}", failed=True)


def _decide(ctx: Any, decision: str, ids: Sequence[str], label: str | None) -> Answer:
    run = run_of(ctx)
    if decision == "undo":
        return _answer(ctx, decision, person_decision.undo(run, reviewer(ctx)))
    columns = ["id", "image_id", "suggested.label"]
    values = ctx.dataset.select(list(ids), ordered=True).values(columns)
    rows = pd.DataFrame(dict(zip(columns, values, strict=True)))
    unseen = blind(ctx)
    if unseen and decision == "best":
        return Answer((), HIDDEN.format("copies are hidden here"))
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
    return _answer(
        ctx,
        decision,
        person_decision.decide(run, images, decision, reviewer=reviewer(ctx), labels=labels, blind=unseen),
    )


def _answer(ctx: Any, decision: str, state: pd.DataFrame) -> Answer:
    if state.empty:
        return Answer((), _NOTHING[decision])
    said = f"{_PAST[decision]} {images_in_words(len(state))}."
    return Answer(_show(ctx, state), said + _disputed(state))


def _disputed(state: pd.DataFrame) -> str:
    n = int(state["disputed"].eq(True).sum())
    return f" Reviewers disagree about {n} of them: undecided." if n else ""


def _keep_best(ctx: Any, run: Run, image_ids: list[str]) -> Answer:
    best = person_decision.keep_best(run, image_ids, reviewer=reviewer(ctx))
    dropped = int(best.state["decision"].eq("drop").sum())
    ids = _show(ctx, best.state)
    said = []
    if dropped:
        said.append(f"Best copy stays, dropped {images_in_words(dropped)}." + _disputed(best.state))
    elif best.state.empty and not best.spared and not best.unresolved:
        said.append(_NOTHING["best"])
    elif len(best.state):
        said.append("Best copy stays.")
    if best.spared:
        said.append(f"{images_in_words(len(best.spared))} of the test split left in: drop by hand if you mean it.")
    if best.unresolved:
        said.append("The copies carry different labels: decide the right one's label first.")
    return Answer(ids, " ".join(said))


def _show(ctx: Any, state: pd.DataFrame) -> tuple[str, ...]:
    """Write what the log says into the dataset; return the samples' ids, in the order of `state`."""
    view = ctx.dataset.match(F("image_id").is_in(state["image_id"].tolist()))
    ids = dict(zip(*view.values(["image_id", "id"]), strict=True))
    plain = state[state["image_id"].isin(ids)].astype(object)
    plain = plain.where(plain.notna(), None)
    keys = [ids[image_id] for image_id in plain["image_id"]]
    for column, field in _STATE.items():
        values = plain[column]
        if column == "decided_at":
            values = values.map(lambda at: at and pd.Timestamp(at).to_pydatetime())
        ctx.dataset.set_values(field, dict(zip(keys, values, strict=True)), key_field="id")
    return tuple(keys)


def images_in_words(n: int) -> str:
    """``1 image``, ``2 images``."""
    return "1 image" if n == 1 else f"{n:,} images"
