"""The FiftyOne plugin ``@imageclinic/review``: operators that decide, and a panel that shows how far one is.

FiftyOne loads this file in its server, because ``FIFTYONE_PLUGINS_DIR`` points to it (`cleaning.app`). Every
decision goes to the run's decision log first and into the App's dataset second, so the log is never behind.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fiftyone as fo
import fiftyone.core.json as foj
import fiftyone.operators as foo
import pandas as pd
from bson import ObjectId
from fiftyone import ViewField as F
from fiftyone.operators import types

from audit.errors import InputError
from audit.run import Run, open_run
from cleaning import record

_STATE = {
    "decision": "decision",
    "label": "decided_label",
    "reviewer": "reviewer",
    "decided_at": "decided_at",
}
_PAST = {
    "keep": "Kept",
    "relabel": "Relabelled",
    "drop": "Dropped",
    "unsure": "Unsure about",
    "undo": "Took back",
}
_UNDECIDED = F("decision") == None  # noqa: E711 (a query expression)


def _run(ctx: Any) -> Run:
    return open_run(Path(ctx.dataset.info["imageclinic"]["run"]))


def _reviewer(ctx: Any) -> str:
    return str(ctx.user_id or os.environ["IMAGECLINIC_REVIEWER"])


def _targets(ctx: Any) -> list[str]:
    """The open image, else the selection."""
    return [ctx.current_sample] if ctx.current_sample else list(ctx.selected or [])


def _decide(ctx: Any, decision: str, ids: Sequence[str], label: str | None = None) -> list[str]:
    """Log the decision (or take back the last), bring the dataset in line; return the ids that changed."""
    if decision == "undo":
        return _show(ctx, record.undo(_run(ctx), _reviewer(ctx)))
    columns = ["id", "image_id", "suggested.label"]
    values = ctx.dataset.select(list(ids), ordered=True).values(columns)
    rows = pd.DataFrame(dict(zip(columns, values, strict=True)))
    blind = _blind(ctx)
    if decision == "relabel" and blind and not label:
        return []  # the suggestion is hidden there
    if decision == "relabel":
        rows["new"] = label or rows["suggested.label"]
        rows = rows[rows["new"].notna()]
    if rows.empty:
        return []
    labels = rows["new"].tolist() if decision == "relabel" else None
    images, reviewer = rows["image_id"].tolist(), _reviewer(ctx)
    state = record.decide(_run(ctx), images, decision, reviewer=reviewer, labels=labels, blind=blind)
    return _show(ctx, state)


def _show(ctx: Any, state: pd.DataFrame) -> list[str]:
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
    return keys


def _documents(ctx: Any, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The samples as the App keeps them, so that the key plugin can redraw them."""
    found = ctx.dataset._aggregate(pipeline=[{"$match": {"_id": {"$in": [ObjectId(i) for i in ids]}}}])
    return list(foj.stringify(list(found)))


def _blind(ctx: Any) -> bool:
    """Whether the view is the random sample: its stages sort by the position in it."""
    stages = ctx.view._serialize() if ctx.has_custom_view else []
    return any(stage["_cls"].endswith("SortBy") and "calibrate" in str(stage["kwargs"]) for stage in stages)


def _images(n: int) -> str:
    return "1 image" if n == 1 else f"{n} images"


class _Decision(foo.Operator):
    """An operator that decides about the open image or the selection."""

    name = label = icon = ""

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(
            name=self.name, label=f"Review: {self.label}", icon=self.icon, allow_delegated_execution=False
        )

    def execute(self, ctx: Any) -> dict[str, Any]:
        _act(ctx, self.name)
        return {}


class Keep(_Decision):
    """The image stays, with its given label."""

    name, label, icon = "keep", "keep (k)", "check"


class Relabel(_Decision):
    """The image gets the suggested label."""

    name, label, icon = "relabel", "relabel to suggested (r)", "label"


class RelabelTo(_Decision):
    """The image gets a label that the reviewer chooses."""

    name, label, icon = "relabel_to", "relabel to …", "edit"

    def resolve_input(self, ctx: Any) -> Any:
        inputs, title = types.Object(), types.View(label="Relabel to …")
        targets = _targets(ctx)
        if not targets:
            inputs.message("none", "Select images or open one first")
            return types.Property(inputs, invalid=True, view=title)
        choices = types.AutocompleteView()
        for name in ctx.dataset.default_classes:
            choices.add_choice(name, label=name)
        inputs.enum(
            "label",
            ctx.dataset.default_classes,
            required=True,
            label=f"New label for {_images(len(targets))}",
            view=choices,
        )
        return types.Property(inputs, view=title)

    def execute(self, ctx: Any) -> dict[str, Any]:
        if ctx.params.get("from_key"):
            return _answer(ctx, "relabel", _targets(ctx), ctx.params["label"])
        _act(ctx, "relabel", ctx.params["label"])
        return {}


class Drop(_Decision):
    """The image leaves the dataset."""

    name, label, icon = "drop", "drop (d)", "delete"


class Unsure(_Decision):
    """The reviewer can't tell."""

    name, label, icon = "unsure", "unsure (n)", "help_outline"


class Undo(_Decision):
    """Takes back the reviewer's last decision."""

    name, label, icon = "undo", "undo (u)", "undo"


def _act(ctx: Any, decision: str, label: str | None = None) -> None:
    """Decide about the targets and say so."""
    ids = [] if decision == "undo" else _targets(ctx)
    if decision != "undo" and not ids:
        ctx.ops.notify("Select images or open one first", variant="warning")
        return
    try:
        changed = _decide(ctx, decision, ids, label)
    except InputError as error:
        ctx.ops.notify(f"Not saved. {error}", variant="error")
        return
    nothing = "Nothing to undo" if decision == "undo" else "No label is suggested here"
    message = f"{_PAST[decision]} {_images(len(changed))}" if changed else nothing
    ctx.ops.notify(message, variant="success" if changed else "warning")
    if not ctx.current_sample:
        ctx.ops.clear_selected_samples()
    ctx.ops.reload_dataset()  # reload_samples leaves the tiles of the grid as they were


class Decide(foo.Operator):
    """What a key calls: decides about the given ids and returns the changed samples as the App keeps them.

    Parameters: ``decision``; ``ids``; ``ahead``, the ids that come next in the App's order. Returns ``n``,
    ``samples``, ``ids``, ``skip``: how many of those ahead are decided already, and ``error``.
    """

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(name="decide", label="Review: decide", unlisted=True, allow_delegated_execution=False)

    def execute(self, ctx: Any) -> dict[str, Any]:
        answer = _answer(ctx, ctx.params["decision"], ctx.params.get("ids") or [])
        ahead = ctx.params.get("ahead") or []
        waiting = set(ctx.dataset.select(ahead).match(_UNDECIDED).values("id")) if ahead else set()
        skip = next((n for n, sample in enumerate(ahead) if sample in waiting), len(ahead))
        return {**answer, "skip": skip}


def _answer(ctx: Any, decision: str, ids: Sequence[str], label: str | None = None) -> dict[str, Any]:
    """Decide, and say so to the key plugin."""
    try:
        changed = _decide(ctx, decision, ids, label)
    except InputError as error:
        return {"n": 0, "ids": [], "samples": [], "error": str(error)}
    return {"n": len(changed), "ids": changed, "samples": _documents(ctx, changed), "error": ""}


def _tidy(ctx: Any) -> None:
    """Take what is decided out of the Inbox, and put what was taken back in again.

    The Inbox does not lose images while one works in it: the App fetches its pages by position, and would skip as
    many undecided images as have left before it.
    """
    flagged = ctx.dataset.match(F("queue") != None)  # noqa: E711
    leave = flagged.match((F("in_inbox") == True) & ~_UNDECIDED).values("id")  # noqa: E712
    back = flagged.match((F("in_inbox") == False) & _UNDECIDED).values("id")  # noqa: E712
    changed = dict.fromkeys(leave, False) | dict.fromkeys(back, True)
    if changed:
        ctx.dataset.set_values("in_inbox", changed, key_field="id")


class Progress(foo.Panel):
    """Where the review stands, and the image that is open or selected, with buttons to decide about it."""

    @property
    def config(self) -> Any:
        return foo.PanelConfig(
            name="imageclinic_review",
            label="Review",
            icon="fact_check",
            surfaces="grid modal",
            help_markdown="k keep, r relabel to suggested, d drop, n unsure, u undo",
        )

    # What it shows is made by `render`, which follows every event, and kept nowhere: the App would save the
    # panel's state with its layout and load the whole page anew at every decision.
    def on_load(self, ctx: Any) -> None:
        """The panel was opened."""

    def on_change_selected(self, ctx: Any) -> None:
        """Other images are selected."""

    def on_change_current_sample(self, ctx: Any) -> None:
        """Another image is open."""

    def on_change_dataset(self, ctx: Any) -> None:
        """Another dataset is open."""

    def refresh(self, ctx: Any) -> None:
        """The key plugin has decided."""

    def inbox(self, ctx: Any) -> None:
        _tidy(ctx)
        ctx.ops.set_view(name="Inbox")
        ctx.ops.reload_dataset()

    def calibrate(self, ctx: Any) -> None:
        ctx.ops.set_view(name="Calibrate")

    def act(self, ctx: Any) -> None:
        _act(ctx, ctx.params["decision"])

    def relabel_to(self, ctx: Any) -> None:
        ctx.prompt("@imageclinic/review/relabel_to")

    def render(self, ctx: Any) -> Any:
        panel = types.Object()
        view = types.GridView(orientation="vertical", gap=2, px=2, py=2)
        if "imageclinic" not in (ctx.dataset.info or {}):
            panel.md("This dataset is no imageclinic review.", name="none")
            return types.Property(panel, view=view)
        targets = _targets(ctx)
        if len(targets) == 1:
            current = _describe(ctx.dataset[targets[0]], blind=_blind(ctx))
        else:
            current = f"**{_images(len(targets))} selected**" if targets else "*Open or select an image.*"
        panel.md(current, name="current")
        first = panel.h_stack("first", gap=1)
        for decision, label in (("keep", "Keep"), ("relabel", "Suggested"), ("drop", "Drop")):
            first.btn(decision, label=label, on_click=self.act, params={"decision": decision}, variant="contained")
        second = panel.h_stack("second", gap=1)
        second.btn("relabel_to", label="Label …", on_click=self.relabel_to, variant="outlined")
        for decision, label in (("unsure", "Unsure"), ("undo", "Undo")):
            second.btn(decision, label=label, on_click=self.act, params={"decision": decision}, variant="outlined")
        panel.md(_progress(ctx), name="progress")
        panel.btn("calibrate", label="Calibrate: a random sample", on_click=self.calibrate, variant="outlined")
        panel.btn("inbox", label="Inbox: show what is left", on_click=self.inbox, variant="outlined")
        return types.Property(panel, view=view)


def _progress(ctx: Any) -> str:
    """Markdown: reviewed and flagged images, in all and per check; counted anew when the log has grown."""
    path = _run(ctx).decisions
    return _counts(ctx.dataset.name, path.stat().st_size if path.is_file() else 0)


@functools.lru_cache(maxsize=4)
def _counts(name: str, log_size: int) -> str:
    dataset = fo.load_dataset(name)
    flagged, decided = dataset.count_values("checks"), dataset.match(~_UNDECIDED)
    done = decided.count_values("checks")
    lines = ["| | reviewed | flagged |", "|---|--:|--:|"]
    lines.append(f"| **all** | **{decided.count('queue')}** | **{dataset.count('queue')}** |")
    for check in dataset.info["imageclinic"]["checks"]:
        lines.append(f"| {_plain(check.replace('_', ' '))} | {done.get(check, 0)} | {flagged.get(check, 0)} |")
    return "\n".join(lines)


def _describe(sample: fo.Sample, *, blind: bool = False) -> str:
    """Markdown: the image's labels, decision and evidence; without what the checks said, if blind."""
    given = sample["ground_truth"].label if sample["ground_truth"] else "no label"
    lines = [f"**{_plain(given)}** given"]
    if sample["suggested"] and not blind:
        sure = sample["suggested"].confidence
        lines.append(f"**{_plain(sample['suggested'].label)}** suggested" + (f", {sure:.0%} sure" if sure else ""))
    decision = sample["decision"]
    new = f" to {_plain(sample['decided_label'])}" if sample["decided_label"] else ""
    lines.append(f"**{_plain(decision)}**{new}, by {_plain(sample['reviewer'])}" if decision else "*undecided*")
    said = "" if blind else sample["evidence"] or ""
    evidence = [f"- {_plain(line)}" for line in said.splitlines()]
    return "  \n".join(lines) + "\n\n" + "\n".join([*evidence, "", _plain(sample["image_id"])])


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: labels and file names may hold HTML, links, tables."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def register(plugin: Any) -> None:
    """Called by FiftyOne."""
    for operator in (Keep, Relabel, RelabelTo, Drop, Unsure, Undo, Decide, Progress):
        plugin.register(operator)
