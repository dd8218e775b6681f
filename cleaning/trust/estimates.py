"""How far the flags of each check can be trusted, by what persons decided about them. Pure."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from imageclinic.audit import runner
from imageclinic.cleaning.trust import stopping
from imageclinic.cleaning.trust.reviews import Log, Reviews
from imageclinic.core.rows import lookup

COLUMNS = (
    *("check", "flagged", "reviewed", "confirmed", "rejected", "random", "precision", "low", "high", "note"),
    *("unreviewed", "by_policy", "rest", "rest_low", "rest_high", "missed", "missed_low", "missed_high"),
    *("next_flags", "next_errors", "weak_below", "stop"),
)
NOT_ESTIMATED = "not estimated: no random reviews of what is left"
_FLOATS = ("precision", "low", "high", "rest", "rest_low", "rest_high", "missed", "missed_low", "missed_high")


def label_checks() -> frozenset[str]:
    """Names of the checks about labels alone: a new label on an unflagged image is an error that these missed."""
    return runner.names_about("labels") - runner.names_about("copies")


def by_check(
    issues: pd.DataFrame, log: pd.DataFrame, dataset: pd.DataFrame, worth: float = stopping.WORTH
) -> pd.DataFrame:
    """Counts of each check, the precision of its flags, what it missed, and whether to go on.

    Only persons count: a policy takes the flags at their word. Shares come from random reviews (``sample`` = random,
    with ``inclusion_prob``), stratified by score band: the top of the list is better than the rest.

    Args:
        issues: tables.ISSUES.
        log: tables.DECISION_LOG.
        dataset: tables.DATASET.
        worth: go on while this many of the next 100 flags may be right.

    Returns:
        One row per check with a finding about an image, by name, with `COLUMNS`: check; flagged images; reviewed,
        confirmed and rejected (by persons, undisputed); random (the reviewed ones that were drawn); precision, low,
        high (share of all its flags that is right: those reviewed are known, the rest is estimated); note (why not);
        unreviewed (no person has looked at it) and by_policy (those of them that a policy decided); rest, rest_low,
        rest_high (share of the unreviewed that is right); missed, missed_low, missed_high (share of the unflagged,
        unreviewed images that are errors; for checks of labels only: why an image is dropped is not known);
        next_flags (undecided, at most 100), next_errors (upper bound on the right ones among them on average) and
        weak_below (score), see `cleaning.trust.stopping`; stop: the review of this check may end. Intervals and bounds
        are of 95 %; null where the reviews do not say.
    """
    known = Log(log, dataset)
    flags = issues.loc[issues["image_id"].notna(), ["check", "image_id", "score"]]
    flags = flags.sort_values("score", ascending=False, kind="stable").drop_duplicates(["check", "image_id"])
    rows = []
    for check, found in flags.groupby("check", sort=True):
        about = known.about_flags(found, str(check))
        rest = stopping.rest(about)
        missed = (math.nan,) * 3
        if check in label_checks():
            others = dataset.loc[~lookup.among(dataset["image_id"], found["image_id"]), "image_id"]
            missed = known.about_others(others, ("relabel",), flags["image_id"]).rest()
        coming, errors = stopping.ahead(about)
        reviewed = int(lookup.among(found["image_id"], known.looked_at).sum())
        right, random = int(about.right.sum()), int((about.weight > 0).sum())
        counts = (len(found), reviewed, right, int((~about.unseen).sum()) - right, random)
        estimate = _all(about, rest)
        note = NOT_ESTIMATED if math.isnan(estimate[0]) else None
        left = (int(about.unseen.sum()), int((about.unseen & about.policy).sum()))
        stop = coming == 0 or errors < worth / 100 * coming
        weak = stopping.weak_below(about, worth)
        rows.append((check, *counts, *estimate, note, *left, *rest, *missed, coming, errors, weak, stop))
    result = pd.DataFrame(rows, columns=list(COLUMNS))
    floats = dict.fromkeys((*_FLOATS, "next_errors", "weak_below"), float)
    return result.astype({"check": "str", "note": "str", "stop": bool, **floats})


def unflagged(issues: pd.DataFrame, log: pd.DataFrame, dataset: pd.DataFrame) -> dict[str, Any]:
    """What the random reviews say about the images that no check flagged.

    Returns:
        ``images`` without a finding, ``reviewed`` (drawn and judged), and ``changed, low, high``: the share of those
        not reviewed that a person would relabel or drop, with its 95 % interval; None where nothing was drawn.
    """
    images = dataset.loc[~lookup.among(dataset["image_id"], issues["image_id"]), "image_id"]
    about = Log(log, dataset).about_others(images, ("relabel", "drop"))
    share = about.rest()
    values = dict(zip(("changed", "low", "high"), share, strict=True))
    return {
        "images": len(images),
        "reviewed": int((about.weight > 0).sum()),
        **{name: None if math.isnan(value) else value for name, value in values.items()},
    }


def _all(about: Reviews, rest: tuple[float, float, float]) -> tuple[float, float, float]:
    """The share of right ones among all flags, reviewed or not."""
    n, left, right = len(about.unseen), int(about.unseen.sum()), int(about.right.sum())
    if not n:
        return math.nan, math.nan, math.nan
    share, low, high = ((right + (left * value if left else 0.0)) / n for value in rest)
    return share, low, high
