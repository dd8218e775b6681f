"""One decision of a person, from the images it is about to the lines in the log: what the plugin calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from imageclinic.audit import runner
from imageclinic.cleaning.decisions import decision_log, known_images, priority, survivors
from imageclinic.cleaning.decisions.log_reading import kept_log
from imageclinic.cleaning.review.dataset.kept_rows import Rows
from imageclinic.cleaning.trust import random_sample
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run

#: What `state` and `undo` return, one row an image; all but ``image_id`` are null while it is undecided.
STATE = ("image_id", "decision", "label", "reviewer", "decided_at", "disputed", "note")


def append(
    run: Run,
    image_ids: Sequence[str],
    decision: str,
    *,
    reviewer: str,
    labels: Sequence[str | None] | None = None,
    blind: bool = False,
    at_once: bool = False,
    batch: str | None = None,
) -> None:
    """Append one batch to the decision log: the same decision on every image. What holds then says `state`.

    Each event says which findings the decision confirms and rejects (`findings.spoken_about`), the content
    that was judged and the most urgent finding's score. Relabelling to the given label is keeping.

    Args:
        run: the run that is reviewed.
        image_ids: distinct images of the run.
        decision: keep, relabel, drop or unsure.
        reviewer: who decided.
        labels: the new label of each image, for relabel.
        blind: decided in the random sample (`cleaning.trust.random_sample`), and logged so, with its chance.
        at_once: many suggestions were accepted without a look at each: that confirms no finding.
        batch: the batch's id, a new one when None.

    Raises:
        InputError: for an image or a decision that the log does not take.
    """
    news: Sequence[str | None] = labels or [None] * len(image_ids)
    rows = list(zip(image_ids, [decision] * len(image_ids), news, strict=True))
    _log(run, rows, reviewer, blind, at_once=at_once, batch=batch)


@dataclass(frozen=True)
class Best:
    """What `keep_best` did: what holds now for the images that it decided about (`STATE`), and what it left."""

    state: pd.DataFrame
    kept: tuple[str, ...]
    spared: tuple[str, ...]
    unresolved: int


def keep_best(run: Run, image_ids: Sequence[str], *, reviewer: str) -> Best:
    """Keep the best copy of each image's cluster and drop the rest, in one batch; see `survivors.keep_best`.

    The best one is decided only where nothing but copies was found about it: that it stays says nothing about its
    label, so it waits for a decision about that.
    """
    held = known_images.rows_of(run, image_ids)
    about, issues = held.about, held.issues
    clusters = about[about["cluster"].notna()]
    wanted = clusters.loc[clusters["image_id"].isin(image_ids), "cluster"]
    current = _now(run, clusters.loc[clusters["cluster"].isin(wanted), "image_id"].tolist())
    splits = about[about["split"].notna()]
    plan = survivors.keep_best(list(image_ids), held.dataset, about, clusters, splits, current)
    open_questions = set(issues.loc[issues["cluster"].isna(), "image_id"])
    decided = set(current.loc[current["decision"].notna(), "image_id"])
    kept = plan.loc[plan["plan"].eq(survivors.BEST), "image_id"]
    silent = kept[~kept.isin(open_questions | decided)]
    dropped = plan.loc[plan["plan"].eq(survivors.REST), "image_id"]
    rows: list[tuple[str, str, str | None]] = [(name, "keep", None) for name in silent]
    rows += [(name, "drop", None) for name in dropped]
    if rows:
        _log(run, rows, reviewer, blind=False)
    spared = plan.loc[plan["plan"].eq(survivors.SPARED), "image_id"]
    unresolved = plan.loc[plan["plan"].eq(survivors.UNRESOLVED), "cluster"].nunique()
    return Best(state(run, [name for name, _, _ in rows]), tuple(kept), tuple(spared), unresolved)


@dataclass(frozen=True)
class Apart:
    """What `not_copies` did: what holds now for the images that it decided about (`STATE`); how many wait on, for
    something else was found about them; how many have an equal picture."""

    state: pd.DataFrame
    waiting: int
    equal: int


def not_copies(run: Run, image_ids: Sequence[str], *, reviewer: str) -> Apart:
    """Say of the clusters of these images that their members are no copies: keep them all, in one batch.

    Each event rejects the findings about copies. Near copies that a person keeps no longer tie images to one split.
    Members about which something else was found wait for a decision about that, and dropped ones stay dropped.
    Clusters in which pictures are equal are copies, whoever says what: nothing is decided about them.
    """
    rows = known_images.rows_of(run, image_ids)
    about, issues = rows.about, rows.issues
    wanted = about.loc[about["image_id"].isin(image_ids), "cluster"].dropna()
    members = about[about["cluster"].isin(wanted)]
    pairs = tables.read_rows(run.table_path(tables.NEIGHBORS), tables.NEIGHBORS, members["image_id"])
    same = pairs[pairs["kind"].ne("near")]
    equal = members["cluster"].isin(members.loc[members["image_id"].isin(same["image_id"]), "cluster"])
    apart = members.loc[~equal, "image_id"]
    current = _now(run, members["image_id"].tolist())
    decided = set(current.loc[current["decision"].notna(), "image_id"])
    open_questions = set(issues.loc[issues["cluster"].isna(), "image_id"])
    waits = apart.isin(open_questions) & ~apart.isin(decided)
    kept = apart[~waits & ~apart.isin(decided)]
    if len(kept):
        _log(run, [(name, "keep", None) for name in kept], reviewer, blind=False, apart=True)
    return Apart(state(run, kept.tolist()), int(waits.sum()), int(equal.sum()))


def _log(
    run: Run,
    rows: Sequence[tuple[str, str, str | None]],
    reviewer: str,
    blind: bool,
    *,
    apart: bool = False,
    at_once: bool = False,
    batch: str | None = None,
) -> None:
    """Append one batch of (image_id, decision, new label); `apart`: it says that they are no copies; `at_once`: it
    confirms and rejects nothing."""
    images = [image_id for image_id, _, _ in rows]
    held = known_images.rows_of(run, images)
    issues, drawn = held.issues, _drawn(held) if blind else {}
    known = known_images.contents(held, images)
    if (unknown := known["image_id"].isna()).any():
        image_id = images[int(unknown.to_numpy().argmax())]
        raise InputError(f"{image_id!r} is no image of {run.path}", fix="open the review again")
    about = dict(list(issues[issues["image_id"].isin(images)].groupby("image_id")))
    events = []
    for (image_id, decision, new), (given, sha256) in zip(
        rows, known[["label", "sha256"]].itertuples(index=False), strict=True
    ):
        found = about.get(image_id, issues.head(0))
        actual = "keep" if decision == "relabel" and new == given else decision
        confirmed, rejected = priority.spoken_about(actual, found.head(0) if at_once else found)
        if apart:
            rejected = sorted({*rejected, *found.loc[found["cluster"].notna(), "check"]})
        urgent = runner.ordered(found["check"])[:1]
        events.append(
            {
                "image_id": image_id,
                "batch": batch,
                "decision": actual,
                "reviewer": reviewer,
                "label": new if actual == "relabel" else None,
                "given_label": given,
                "sha256": sha256,
                "confirmed": ";".join(confirmed) or None,
                "rejected": ";".join(rejected) or None,
                **drawn.get(image_id, {"sample": "ranked"}),
                "note": decision_log.AT_ONCE if at_once else None,
                "score": found.loc[found["check"].isin(urgent), "score"].max() if urgent else None,
            }
        )
    decision_log.append(run.decisions, pd.DataFrame(events))


def undo(run: Run, reviewer: str) -> pd.DataFrame:
    """Take back the reviewer's last batch; return what holds now for its images (`STATE`)."""
    return state(run, decision_log.undo_batch(run.decisions, reviewer))


def state(run: Run, image_ids: Sequence[str], reviewer: str | None = None) -> pd.DataFrame:
    """What the log says now about these images (`STATE`), in their order; what `reviewer` alone says, where given."""
    now = _now(run, image_ids, reviewer).set_index("image_id")
    return now.reindex(list(image_ids)).rename_axis("image_id").reset_index().reindex(columns=list(STATE))


def _now(run: Run, image_ids: Sequence[str], reviewer: str | None = None) -> pd.DataFrame:
    """`decision_log.current` of these images; maybe of others, too, about which it is right only if they have all
    events about their contents."""
    log, rows = kept_log.read(run.decisions), known_images.rows_of(run)
    log = log if reviewer is None else log[log["reviewer"].eq(reviewer)]
    # Only these images, their equals in content, and what the log says about either: the rest has no say.
    contents = rows.dataset.loc[rows.dataset["image_id"].isin(image_ids), "sha256"].dropna()
    about = log[log["image_id"].isin(image_ids) | log["sha256"].isin(contents)]
    known = known_images.decided(run, rows, about, image_ids)
    contents = known.loc[known["image_id"].isin(image_ids), "sha256"].dropna()
    log = log[log["image_id"].isin(image_ids) | log["sha256"].isin(contents)]
    known = known[known["image_id"].isin([*image_ids, *log["image_id"]]) | known["sha256"].isin(contents)]
    return decision_log.current(log, known)


def _drawn(rows: Rows) -> dict[str, dict[Any, Any]]:
    """What the log says about each image of the random sample."""
    sample = rows.about.loc[rows.about["calibrate"].notna(), ["image_id", "inclusion_prob"]]
    flagged = sample["image_id"].isin(rows.issues["image_id"])
    stratum = [random_sample.FLAGGED if one else random_sample.UNFLAGGED for one in flagged]
    sample = sample.assign(stratum=stratum, sample="random")
    return {str(row.pop("image_id")): dict(row) for row in sample.to_dict("records")}
