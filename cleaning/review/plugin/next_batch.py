"""The next labels of a check's view, accepted at once where the random reviews support it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from imageclinic.cleaning.decisions import known_images
from imageclinic.cleaning.decisions.log_reading import kept_log
from imageclinic.cleaning.review.dataset import kept_rows, saved_views
from imageclinic.cleaning.review.plugin import log_sync
from imageclinic.cleaning.review.plugin.operators import Unlisted, for_keys
from imageclinic.cleaning.review.plugin.selection import (
    UNDECIDED,
    Answer,
    blind,
    decide,
    images_in_words,
    lasso,
    reviewer,
    run_of,
)
from imageclinic.cleaning.reviewers import gold_log, team_settings
from imageclinic.cleaning.trust import batches
from imageclinic.cleaning.trust.reviews import Log
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.run import Run

#: So many of an accepted batch are drawn for a look afterwards.
_LOOKED_AT = 5


@dataclass(frozen=True)
class _Batch:
    ids: list[str]
    testing: int
    says: batches.Expected


class NextBatch(Unlisted):
    """What could be accepted at once in the view of a check that suggests labels.

    Returns:
        ``ids``, the next undecided samples with a suggestion, in the view's order; ``testing``, those in the test
        split; and what the random reviews say of them, see `batches.Expected`, with ``supported`` and ``size``. Empty
        where the view is none of such a check.
    """

    name, label = "next_batch", "next batch"

    def execute(self, ctx: Any) -> dict[str, Any]:
        found = _next(ctx)
        if found is None:
            return {}
        says = {**asdict(found.says), "supported": found.says.supported, "size": batches.SIZE}
        return {"ids": found.ids, "testing": found.testing, **says}


class AcceptBatch(Unlisted):
    """Relabels ``ids``, the batch that was confirmed, and opens a view of a few of them; returns as `operators.Decide`.

    Refused where the batch is another one by now, or the random reviews do not support it.
    """

    name, label = "accept_batch", "accept batch"

    def execute(self, ctx: Any) -> dict[str, Any]:
        found = _next(ctx)
        ids = ctx.params["ids"]
        if found is None or found.ids != ids or not found.says.supported:
            message = "NOT SAVED: what comes next has changed meanwhile. Press v again."
            return for_keys(ctx, Answer((), message, failed=True))
        answer = decide(ctx, "relabel", ids, at_once=True)
        few = _drawn(ids)
        ctx.ops.set_view(ctx.dataset.select(few, ordered=True))
        looks = f"Have a look at these {len(few)}, drawn by chance; u takes all {images_in_words(len(ids))} back."
        return for_keys(ctx, Answer(answer.ids, f"{answer.message} {looks}"))


def _next(ctx: Any) -> _Batch | None:
    run = run_of(ctx)
    log_sync.catch_up(ctx, run)
    names = {saved_views.name_of(check): check for check in ctx.dataset.info["imageclinic"]["checks"]}
    check = names.get(ctx.view.name or "")
    if check is None or blind(ctx) or lasso(ctx):
        return None
    flags = known_images.suggestions(run, check)
    if flags.empty:
        return None
    log = kept_log.read(run.decisions)
    suggested = dict(zip(flags["image_id"], flags["suggested_label"], strict=True))
    aside = _one_by_one(run, reviewer(ctx))
    columns = ["id", "image_id", "suggested.label", "split", "disputed"]
    chosen = [
        (sample, image, split)
        for sample, image, label, split, disputed in zip(*ctx.view.match(UNDECIDED).values(columns), strict=True)
        # The App shows one suggestion an image, which may be another check's.
        if label and suggested.get(image) == label and image not in aside and not disputed
    ][: batches.SIZE]
    known = kept_rows.judged(run, known_images.rows_of(run), log)
    says = batches.expected(flags, [image for _, image, _ in chosen], Log(log, known))
    testing = sum(split == "test" for _, _, split in chosen)
    return _Batch([sample for sample, _, _ in chosen], testing, says)


def _one_by_one(run: Run, me: str) -> set[str]:
    """Images whose answers measure reviewers: those that two must see, and those with a known answer."""
    return {*team_settings.read(run).two_reviewers, *gold_log.placed(run, me)}


def _drawn(ids: list[str]) -> list[str]:
    """A few of them by chance, the same for the same batch."""
    rng = np.random.default_rng(int(text_digest(" ".join(ids), 8), 16))
    return [ids[n] for n in sorted(rng.choice(len(ids), min(_LOOKED_AT, len(ids)), replace=False))]


ALL = (NextBatch, AcceptBatch)
