"""The panel: where the review stands, the image that is open or selected, and buttons to decide about it."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from imageclinic.cleaning.review import background_work
from imageclinic.cleaning.review.plugin import navigation, operators
from imageclinic.cleaning.review.plugin.selection import (
    UNDECIDED,
    blind,
    images_in_words,
    is_reviewed,
    run_of,
    targets,
)

_KEYS = "k keep · r relabel to suggested · l relabel to … · d drop · b keep the best copy · n unsure · u undo"
_NO_WORDS = "*Not known yet: judge some of the random sample (Calibrate).*"


class Review(foo.Panel):
    """Where the review stands, and the image that is open or selected, with buttons to decide about it."""

    @property
    def config(self) -> Any:
        return foo.PanelConfig(
            name="imageclinic_review",
            label="Review",
            icon="fact_check",
            surfaces="grid modal",
            help_markdown=f"{_KEYS} · v the whole view · m more like this one",
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

    def on_change_view(self, ctx: Any) -> None:
        """Another view is open, maybe the one that is judged blind."""

    def refresh(self, ctx: Any) -> None:
        """The key plugin has decided."""

    def inbox(self, ctx: Any) -> None:
        navigation.tidy(ctx)
        navigation.reorder(ctx)
        ctx.ops.set_view(name="Inbox")
        ctx.ops.reload_dataset()

    def calibrate(self, ctx: Any) -> None:
        ctx.ops.set_view(name="Calibrate")

    def new_order(self, ctx: Any) -> None:
        navigation.reorder(ctx)
        ctx.ops.set_view(name="Mislabeled")
        ctx.ops.reload_dataset()

    def act(self, ctx: Any) -> None:
        operators.act(ctx, ctx.params["decision"])

    def prompt(self, ctx: Any) -> None:
        ctx.prompt(f"@imageclinic/review/{ctx.params['operator']}")

    def more(self, ctx: Any) -> None:
        chosen = targets(ctx)
        ctx.ops.notify(navigation.more_like(ctx, chosen[0]) if chosen else "Select an image or open one first")

    def render(self, ctx: Any) -> Any:
        panel = types.Object()
        view = types.GridView(orientation="vertical", gap=2, px=2, py=2)
        if not is_reviewed(ctx):
            panel.md("This dataset is not the one that is reviewed. Choose that one at the top.", name="none")
            return types.Property(panel, view=view)
        unseen = blind(ctx)
        self._current(ctx, panel, unseen)
        progress = _progress(ctx)
        panel.md(progress.sample if unseen else progress.flagged, name="done")
        self._moves(ctx, panel)
        panel.md(_words(ctx), name="words")
        if not unseen:  # where a count grew, it would tell what was found about the image just judged
            panel.md(progress.per_check, name="progress")
        return types.Property(panel, view=view)

    def _current(self, ctx: Any, panel: Any, unseen: bool) -> None:
        """The image or the selection, and what can be decided about it."""
        chosen = targets(ctx)
        if len(chosen) == 1:
            current = _describe(ctx.dataset[chosen[0]], unseen)
        else:
            current = f"**{images_in_words(len(chosen))} selected**" if chosen else "*Open or select an image.*"
        if unseen:
            current += "\n\n*Random sample: what the checks said is hidden.*"
        panel.md(current, name="current")
        decisions = [("keep", "Keep"), ("relabel", "Suggested"), ("drop", "Drop")]
        first = panel.h_stack("first", gap=1)
        for decision, label in decisions:
            if not (unseen and decision == "relabel"):
                first.btn(decision, label=label, on_click=self.act, params={"decision": decision}, variant="contained")
        second = panel.h_stack("second", gap=1)
        relabel = {"operator": "relabel_to"}
        second.btn("relabel_to", label="Label …", on_click=self.prompt, params=relabel, variant="outlined")
        for decision, label in (("unsure", "Unsure"), ("undo", "Undo")):
            second.btn(decision, label=label, on_click=self.act, params={"decision": decision}, variant="outlined")
        if not unseen:
            third = panel.h_stack("third", gap=1)
            best = {"decision": "best"}
            third.btn("best", label="Best copy", on_click=self.act, params=best, variant="outlined")
            third.btn("more", label="More like", on_click=self.more, variant="outlined")
            whole = {"operator": "whole_view"}
            third.btn("whole_view", label="View …", on_click=self.prompt, params=whole, variant="outlined")

    def _moves(self, ctx: Any, panel: Any) -> None:
        if ranked := navigation.waiting_order(ctx):
            panel.md(f"Labels were ranked anew with {ranked:,} lines of decisions.", name="ranked")
            panel.btn("new_order", label="Mislabeled: show the new order", on_click=self.new_order, variant="contained")
        panel.btn("calibrate", label="Calibrate: a random sample", on_click=self.calibrate, variant="outlined")
        panel.btn("inbox", label="Inbox: show what is left", on_click=self.inbox, variant="outlined")


@dataclass(frozen=True)
class _Progress:
    """Markdown: how many of the flagged images are decided, in all and per check, and of the random sample."""

    flagged: str
    per_check: str
    sample: str


def _progress(ctx: Any) -> _Progress:
    """How far one is; counted anew when the log has grown."""
    path = run_of(ctx).decisions
    return _counts(ctx.dataset.name, path.stat().st_size if path.is_file() else 0)


@functools.lru_cache(maxsize=4)
def _counts(name: str, log_size: int) -> _Progress:
    dataset = fo.load_dataset(name)
    flagged, decided = dataset.count_values("checks"), dataset.match(~UNDECIDED)
    done = decided.count_values("checks")
    lines = ["| | decided | flagged |", "|---|--:|--:|"]
    for check in dataset.info["imageclinic"]["checks"]:
        lines.append(f"| {plain(check.replace('_', ' '))} | {done.get(check, 0):,} | {flagged.get(check, 0):,} |")
    return _Progress(
        f"**{decided.count('queue'):,} of {dataset.count('queue'):,}** flagged images decided",
        "\n".join(lines),
        f"**{decided.count('calibrate'):,} of {dataset.count('calibrate'):,}** of the random sample decided",
    )


def _words(ctx: Any) -> str:
    """Markdown: how far the flags can be trusted, as `cleaning.review.background_work` last wrote it down."""
    path: Path = background_work.words_file(run_of(ctx))
    lines = json.loads(path.read_text("utf-8"))["lines"] if path.is_file() else []
    return "**How far to trust the flags**\n\n" + ("\n".join(f"- {plain(line)}" for line in lines) or _NO_WORDS)


def _describe(sample: fo.Sample, unseen: bool) -> str:
    """Markdown: the image's labels, decision and evidence; without what the checks and the name say, if unseen."""
    given = sample["ground_truth"].label if sample["ground_truth"] else "no label"
    lines = [f"**{plain(given)}** given"]
    if sample["suggested"] and not unseen:
        sure = sample["suggested"].confidence
        lines.append(f"**{plain(sample['suggested'].label)}** suggested" + (f", {sure:.0%} sure" if sure else ""))
    decision = sample["decision"]
    new = f" to {plain(sample['decided_label'])}" if sample["decided_label"] else ""
    undecided = "*reviewers disagree*" if sample["disputed"] else "*undecided*"
    lines.append(f"**{plain(decision)}**{new}, by {plain(sample['reviewer'])}" if decision else undecided)
    if unseen:
        return "  \n".join(lines)
    evidence = [f"- {plain(line)}" for line in (sample["evidence"] or "").splitlines()]
    return "  \n".join(lines) + "\n\n" + "\n".join([*evidence, "", plain(sample["image_id"])])


def plain(text: str) -> str:
    """Text that Markdown shows as it is: labels and file names may hold HTML, links, tables."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))
