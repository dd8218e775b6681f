"""What the decision log says, brought into the App's dataset: one's own decisions and those of others."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
from fiftyone import ViewField as F

from imageclinic.cleaning.decisions import known_images
from imageclinic.cleaning.decisions.log_reading import kept_log
from imageclinic.cleaning.decisions.settled import settled
from imageclinic.cleaning.reviewers import own_decision
from imageclinic.core.run import Run

_STATE = {
    "decision": "decision",
    "label": "decided_label",
    "reviewer": "reviewer",
    "decided_at": "decided_at",
    "disputed": "disputed",
    "note": "who_decided_what",
}
#: How many rows of the log each dataset of this server knows; a dataset is made with those of its opening.
_known: dict[str, int] = {}
_sizes: dict[str, int] = {}


def show(ctx: Any, run: Run, state: pd.DataFrame) -> tuple[str, ...]:
    """Write what holds now into the dataset; return the samples' ids, in the order of `state`.

    Args:
        ctx: the operator's context.
        run: the run that is reviewed.
        state: see `person_decision.STATE`.
    """
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
    _settle(ctx, run, keys)
    name, size = ctx.dataset.name, _size(run)  # before the log is read: what comes in between is looked for again
    log = kept_log.read(run.decisions)
    if name in _known and set(log.iloc[_known[name] :]["image_id"]) <= set(state["image_id"]):
        _known[name], _sizes[name] = len(log), size  # all that is new was about these
    return tuple(keys)


def catch_up(ctx: Any, run: Run) -> tuple[str, ...]:
    """Bring in what others have written into the log since; return the samples' ids. Cheap when nothing was."""
    name = ctx.dataset.name
    size = _size(run)
    if _sizes.get(name) == size:
        return ()
    log = kept_log.read(run.decisions)
    known = _known.get(name, ctx.dataset.info["imageclinic"].get("log_rows", 0))
    new = log.iloc[known if known <= len(log) else 0 :]["image_id"].drop_duplicates().tolist()
    changed = show(ctx, run, own_decision.state(run, new, os.environ["IMAGECLINIC_REVIEWER"])) if new else ()
    _known[name], _sizes[name] = len(log), size
    return changed


def _size(run: Run) -> int:
    return run.decisions.stat().st_size if run.decisions.is_file() else 0


def _settle(ctx: Any, run: Run, ids: list[str]) -> None:
    """Mark the copies that are left alone in the clusters of these samples, and only these."""
    clusters = [name for name in ctx.dataset.select(ids).distinct("cluster") if name]
    if not clusters:
        return
    members = ctx.dataset.match(F("cluster").is_in(clusters))
    columns = ["id", "image_id", "cluster", "decision", "settled"]
    rows = pd.DataFrame(dict(zip(columns, members.values(columns), strict=True)))
    issues = known_images.rows_of(run).issues
    alone = settled(issues, rows[["image_id", "cluster"]], dict(zip(rows["image_id"], rows["decision"], strict=True)))
    now = rows["image_id"].isin(alone)
    changed = rows[now.ne(rows["settled"].fillna(False).astype(bool))].index
    if len(changed):
        values = dict(zip(rows.loc[changed, "id"], now[changed].tolist(), strict=True))
        ctx.dataset.set_values("settled", values, key_field="id")
