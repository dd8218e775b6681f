"""Moving between views of the App's dataset: the Inbox tidied, the new order, images like one image."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from fiftyone import ViewField as F

from imageclinic.cleaning.decisions import known_images, label_ranking
from imageclinic.cleaning.review import similar_images
from imageclinic.cleaning.review.plugin import find_by_words
from imageclinic.cleaning.review.plugin.selection import (
    HIDDEN,
    UNDECIDED,
    blind,
    images_in_words,
    reviewer,
    run_of,
    shown,
)
from imageclinic.core import tables
from imageclinic.core.run import Run, open_run


def tidy(ctx: Any) -> None:
    """Take what is decided out of the Inbox, and put what was taken back in again.

    The Inbox does not lose images while one works in it: the App fetches its pages by position, and would skip as
    many undecided images as have left before it.
    """
    flagged = ctx.dataset.match(F("queue") != None)  # noqa: E711
    leave = flagged.match((F("in_inbox") == True) & ~UNDECIDED).values("id")  # noqa: E712
    back = flagged.match((F("in_inbox") == False) & UNDECIDED).values("id")  # noqa: E712
    changed = dict.fromkeys(leave, False) | dict.fromkeys(back, True)
    if changed:
        ctx.dataset.set_values("in_inbox", changed, key_field="id")


def waiting_order(ctx: Any) -> int:
    """How many rows of the log the newest scores of the labels knew, when the App's order is an older one; else 0."""
    latest = label_ranking.newest(run_of(ctx))
    shown = ctx.dataset.info["imageclinic"]
    return label_ranking.known_rows(latest) if latest and latest.name != shown["ranked"] and _ranks(ctx) else 0


def reorder(ctx: Any) -> None:
    """Bring the undecided labels in the order of the newest scores."""
    if not waiting_order(ctx):
        return
    run = run_of(ctx)
    latest = label_ranking.newest(run)
    assert latest
    doubt = label_ranking.doubt(run.read(tables.ISSUES), tables.read(latest, tables.RERANK))
    ids, images = ctx.dataset.match((F("doubt") != None) & UNDECIDED).values(["id", "image_id"])  # noqa: E711
    ctx.dataset.set_values("doubt", dict(zip(ids, doubt.reindex(images).tolist(), strict=True)), key_field="id")
    info = ctx.dataset.info
    info["imageclinic"]["ranked"] = latest.name
    ctx.dataset.info = info
    ctx.dataset.save()


def _ranks(ctx: Any) -> bool:
    return label_ranking.CHECK in ctx.dataset.info["imageclinic"]["checks"]


def waiting(ctx: Any) -> tuple[list[str], list[bool]]:
    """The samples of the view (of the lasso, where there is one), in its order, and which of them are undecided (see
    `selection.UNDECIDED`). The random sample waits for each reviewer: that shows how far they agree."""
    if blind(ctx):
        order, deciders = shown(ctx).values(["id", "reviewer"])
        return order, [not judged_by(reviewer(ctx), names) for names in deciders]
    order, decided, settled = shown(ctx).values(["id", "decision", "settled"])
    return order, [d is None and not s for d, s in zip(decided, settled, strict=True)]


def judged_by(person: str, deciders: str | None) -> bool:
    """Whether `person` is among those who have decided about an image (joined by semicolons; null: nobody has)."""
    return person in (deciders or "").split(";")


def next_undecided(ctx: Any, ids: Sequence[str]) -> str | None:
    """The first undecided sample of the view after the last of `ids`, or else from its start; None when none is left.

    Ask before `ids` are decided: a view of what is undecided is without them afterwards.
    """
    order, waits = waiting(ctx)
    chosen = set(ids)
    last = max((n for n, sample in enumerate(order) if sample in chosen), default=-1)
    around = [*range(last + 1, len(order)), *range(last + 1)]
    left = (order[n] for n in around if waits[n] and order[n] not in chosen)
    return next(left, None)


def more_like(ctx: Any, sample_id: str) -> str:
    """Show the images like a sample, those with the same mistake first; return what to tell the reviewer."""
    if blind(ctx):
        return HIDDEN.format("other images would show what is suggested")
    run = run_of(ctx)
    image_id = ctx.dataset[sample_id]["image_id"]
    rows = known_images.rows_of(run, [image_id])
    issues, dataset = rows.issues, rows.dataset
    decided = ctx.dataset.match(~UNDECIDED).values("image_id")
    images, n = similar_images.like(image_id, issues, dataset, _likeness(run, image_id), decided)
    found = ctx.dataset.match(F("image_id").is_in(images))
    ids = dict(zip(*found.values(["image_id", "id"]), strict=True))
    alike_ids = [ids[name] for name in images if name in ids]
    if len(alike_ids) < 2:
        return "Nothing else is like it."
    if ctx.current_sample:
        ctx.ops.close_sample()
    ctx.ops.set_view(ctx.dataset.select(alike_ids, ordered=True))
    alike = images_in_words(n) if n else "No image"
    return f"{alike} with the same mistake, then what looks like it."


def by_words(ctx: Any, words: str) -> str:
    """Show the images that words describe, the best first; return what to tell the reviewer."""
    images, problem = find_by_words.described(run_of(ctx), words)
    if problem:
        return problem
    ids = dict(zip(*ctx.dataset.match(F("image_id").is_in(images)).values(["image_id", "id"]), strict=True))
    found = [ids[name] for name in images if name in ids]
    if not found:
        return "None of these images is loaded."
    if ctx.current_sample:
        ctx.ops.close_sample()
    ctx.ops.set_view(ctx.dataset.select(found, ordered=True))
    return f"{images_in_words(len(found))}, the most like “{words}” first."


def _likeness(run: Run, image_id: str) -> pd.Series:
    if run.embeddings.is_file():
        images, vectors = _embeddings(run.path, run.embeddings.stat().st_mtime_ns)
        return similar_images.by_embedding(image_id, images, vectors)
    return (
        similar_images.by_copies(image_id, run.read(tables.NEIGHBORS))
        if run.has(tables.NEIGHBORS)
        else pd.Series(dtype=float)
    )


@functools.lru_cache(maxsize=1)
def _embeddings(path: Path, changed: int) -> tuple[pd.Series, Any]:
    embeddings = open_run(path).read_embeddings()
    return embeddings.image_id, embeddings.alike
