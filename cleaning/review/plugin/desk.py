"""What the desk, the App's page for one image at a time, asks for: the order of the view, and cards to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fiftyone import ViewField as F

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.review.plugin import card_facts, log_sync, navigation, panel
from imageclinic.cleaning.review.plugin.operators import Unlisted
from imageclinic.cleaning.review.plugin.selection import UNDECIDED, blind, lasso, reviewer, run_of, shown
from imageclinic.cleaning.review.queue_order import shared
from imageclinic.core.schema import POLICY

#: Classes that a person is offered by name; of more one types some letters.
_CLASSES = 20_000


class Order(Unlisted):
    """The view's samples in the order in which this reviewer takes them.

    Returns:
        ``ids``; ``waiting``, whether each is undecided; ``clusters``, the group of copies of each, or null; ``blind``;
        ``view``, its name; ``classes``; ``reviewer``; and ``progress``, see `panel.progress`.
    """

    name, label = "order", "order"

    def execute(self, ctx: Any) -> dict[str, Any]:
        run, me = run_of(ctx), reviewer(ctx)
        log_sync.catch_up(ctx, run)
        unseen = blind(ctx)
        ids, waiting = navigation.waiting(ctx)
        order: Sequence[int] = range(len(ids))
        clusters: Sequence[str | None] = [None] * len(ids)
        if not unseen:  # the random sample is for everybody: it also shows how far reviewers agree
            clusters, names = shown(ctx).values(["cluster", "image_id"])  # ids differ from server to server
            order = shared([c or i for c, i in zip(clusters, names, strict=True)], _persons(run), me)
        return {
            "ids": [ids[n] for n in order],
            "waiting": [waiting[n] for n in order],
            "clusters": [clusters[n] for n in order],
            "blind": unseen,
            "view": "Lasso" if lasso(ctx) else ctx.view.name or "",
            "classes": ctx.dataset.default_classes[:_CLASSES],
            "reviewer": me,
            "progress": panel.progress(ctx),
        }


class Cards(Unlisted):
    """``cards``: what is known about some samples (``ids``), see `card_facts.cards`."""

    name, label = "cards", "cards"

    def execute(self, ctx: Any) -> dict[str, Any]:
        log_sync.catch_up(ctx, run_of(ctx))
        return {"cards": card_facts.cards(ctx, ctx.params["ids"], reviewer(ctx), blind(ctx))}


class Find(Unlisted):
    """``id`` of the sample of an image (``image_id``); null when it is not loaded."""

    name, label = "find", "find"

    def execute(self, ctx: Any) -> dict[str, Any]:
        found = ctx.dataset.match(F("image_id") == str(ctx.params["image_id"])).values("id")
        return {"id": found[0] if found and not blind(ctx) else None}


class ViewCounts(Unlisted):
    """Images of the view, or of those with ``ids``: all, the undecided ones, and of these those in the test split, and
    with a suggested label."""

    name, label = "view_counts", "view counts"

    def execute(self, ctx: Any) -> dict[str, Any]:
        ids = ctx.params.get("ids")
        view = ctx.view if ids is None else ctx.dataset.select(ids)
        left = view.match(UNDECIDED)
        testing = left.count_values("split").get("test", 0)
        unseen = blind(ctx)
        suggested = 0 if unseen else left.count("suggested")
        return {
            "total": view.count(),
            "left": left.count(),
            "testing": testing,
            "suggested": suggested,
            "blind": unseen,
        }


def _persons(run: Any) -> list[str]:
    names = decision_log.read(run.decisions)["reviewer"].dropna().unique().tolist()
    return [name for name in names if not name.startswith(POLICY)]


ALL = (Order, Cards, Find, ViewCounts)
