"""What the panel beside the grid shows: how far the review is, and how far the flags can be trusted; and its moves."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import fiftyone as fo

from imageclinic.cleaning.review import background_work
from imageclinic.cleaning.review.dataset import saved_views
from imageclinic.cleaning.review.dataset.map_panel import MAP
from imageclinic.cleaning.review.plugin import confusion_views, log_sync, navigation
from imageclinic.cleaning.review.plugin.operators import Unlisted, documents
from imageclinic.cleaning.review.plugin.selection import UNDECIDED, blind, is_reviewed, reviewer, run_of
from imageclinic.cleaning.reviewers import gold_log, own_notice

#: Of the random sample, so many classes have a number key.
_NUMBERED = 9


class Panel(Unlisted):
    """What the panel says.

    Returns:
        ``flagged, done, export`` (see `progress`); ``sample``, the same two of the random sample; ``checks``, rows of
        the view's name, decided and flagged, none in the random sample, where a count that grew would tell what was
        found;
        ``confusions`` and ``tested_confusions``, see `confusion_views.pairs_listed`, and ``tested``, name and number of
        images of the views of test images, none in the random sample; ``map``, whether the images have one;
        ``ranked``, see `navigation.waiting_order`; ``trust`` and ``lines``, see
        `background_work.words_file`; ``blind``; ``notice``, see `own_notice`; ``classes``, when they are few. Of
        a dataset that is not the reviewed one only ``other``, what to do.
    """

    name, label = "panel", "panel"

    def execute(self, ctx: Any) -> dict[str, Any]:
        if not is_reviewed(ctx):
            return {"other": "This dataset is not the one that is reviewed. Choose that one at the top."}
        unseen = blind(ctx)
        path: Path = background_work.words_file(run_of(ctx))
        trust = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        counts = _now(ctx)
        classes = ctx.dataset.default_classes
        return {
            **progress(ctx),
            "sample": counts["sample"],
            "checks": [] if unseen else counts["checks"],
            "confusions": [] if unseen else confusion_views.pairs_listed(ctx),
            "tested_confusions": [] if unseen else confusion_views.pairs_listed(ctx, tested=True),
            "tested": [] if unseen else counts["tested"],
            "map": ctx.dataset.has_brain_run(MAP),
            "ranked": navigation.waiting_order(ctx),
            "trust": trust.get("rows", []),
            "lines": trust.get("lines", []),
            "blind": unseen,
            "notice": own_notice.of(run_of(ctx), reviewer(ctx)),
            "classes": classes if len(classes) <= _NUMBERED else [],
        }


class Progress(Unlisted):
    """How far the review is, see `progress`."""

    name, label = "progress", "progress"

    def execute(self, ctx: Any) -> dict[str, Any]:
        log_sync.catch_up(ctx, run_of(ctx))
        return progress(ctx)


class Changes(Unlisted):
    """``samples`` about which other reviewers have decided since the log was last read."""

    name, label = "changes", "changes"

    def execute(self, ctx: Any) -> dict[str, Any]:
        return {"samples": documents(ctx, log_sync.catch_up(ctx, run_of(ctx)))}


class Classes(Unlisted):
    """``classes``: the given labels, sorted."""

    name, label = "classes", "classes"

    def execute(self, ctx: Any) -> dict[str, Any]:
        return {"classes": ctx.dataset.default_classes}


class Inbox(Unlisted):
    """Opens the Inbox with what is left, in the newest order."""

    name, label = "inbox", "inbox"

    def execute(self, ctx: Any) -> dict[str, Any]:
        log_sync.catch_up(ctx, run_of(ctx))
        navigation.tidy(ctx)
        navigation.reorder(ctx)
        ctx.ops.set_view(name="Inbox")
        ctx.ops.reload_dataset()
        return {}


class Calibrate(Unlisted):
    """Opens the random sample."""

    name, label = "calibrate", "calibrate"

    def execute(self, ctx: Any) -> dict[str, Any]:
        ctx.ops.set_view(name="Calibrate")
        return {}


class NewOrder(Unlisted):
    """Opens the labels in the order of the newest scores."""

    name, label = "new_order", "new order"

    def execute(self, ctx: Any) -> dict[str, Any]:
        navigation.reorder(ctx)
        ctx.ops.set_view(name="Mislabeled")
        ctx.ops.reload_dataset()
        return {}


class OpenView(Unlisted):
    """Opens the saved view that is named ``view``."""

    name, label = "open_view", "open view"

    def execute(self, ctx: Any) -> dict[str, Any]:
        if ctx.params["view"] in ctx.dataset.list_saved_views():
            ctx.ops.set_view(name=ctx.params["view"])
        return {}


def progress(ctx: Any) -> dict[str, Any]:
    """``flagged`` images, the ``done`` ones (decided, or settled), and the ``export`` command that comes next."""
    counts = _now(ctx)
    export = f"imageclinic export {run_of(ctx).path} OUT"
    return {"flagged": counts["flagged"], "done": counts["done"], "export": export}


def _now(ctx: Any) -> dict[str, Any]:
    """Counts, made again when a log has grown."""
    logs = (run_of(ctx).decisions, gold_log.log_path(run_of(ctx)))
    return _counts(ctx.dataset.name, reviewer(ctx), *(path.stat().st_size if path.is_file() else 0 for path in logs))


@functools.lru_cache(maxsize=4)
def _counts(name: str, me: str, *log_sizes: int) -> dict[str, Any]:
    dataset = fo.load_dataset(name)
    left = dataset.match(UNDECIDED)
    flagged, undecided = dataset.count_values("checks"), left.count_values("checks")
    names = dataset.info["imageclinic"]["checks"]
    queued = dataset.count("queue")
    judged = dataset.match(fo.ViewField("calibrate") != None).values("reviewer")  # noqa: E711
    effects = dataset.count_values("cleaning_effect")
    tested = {name: effects.get(effect, 0) for effect, name in saved_views.CHANGED.items()}
    tested[saved_views.WRONG] = dataset.count("test_predicted")
    return {
        "tested": [[name, n] for name, n in tested.items() if n],
        "flagged": queued,
        "done": queued - left.count("queue"),
        "sample": {"flagged": len(judged), "done": sum(navigation.judged_by(me, names) for names in judged)},
        "checks": [
            [saved_views.name_of(check), flagged.get(check, 0) - undecided.get(check, 0), flagged.get(check, 0)]
            for check in names
        ],
    }


ALL = (Panel, Progress, Changes, Classes, Inbox, Calibrate, NewOrder, OpenView)
