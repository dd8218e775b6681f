"""How far the flags can be trusted: what reviewers said, and the precision that random reviews show. Pure."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from cleaning import decisions

COLUMNS = ("check", "flagged", "reviewed", "confirmed", "rejected", "random", "precision", "low", "high", "note")
NOT_ESTIMATED = "not estimated: no random reviews"
#: Two-sided 95 % quantile of the normal distribution.
_Z = 1.959963984540054


def by_check(issues: pd.DataFrame, log: pd.DataFrame, dataset: pd.DataFrame) -> pd.DataFrame:
    """Counts and precision of each check. Only persons count: a policy takes the flags at their word.

    The precision comes from reviews of randomly drawn flags alone (``sample`` = random): the top of the list
    is better than the rest. Each is weighted by one over its inclusion probability; the interval is Wilson's
    (1927), at Kish's effective sample size (1965), enlarged by the finite-population correction. That leaves
    out what stratification gains, so the interval is rather too wide than too narrow.

    Args:
        issues: tables.ISSUES.
        log: tables.DECISION_LOG.
        dataset: tables.DATASET.

    Returns:
        One row per check with a finding about an image, by name: check; flagged images; reviewed (flagged
        images with an undisputed answer of a person); confirmed and rejected (images); random (judged random
        reviews); precision, low, high (in [0, 1]; null when not estimated); note (why not, else null).
    """
    persons = log[~log["reviewer"].str.startswith(decisions.POLICY)]
    current = decisions.current(persons, dataset)
    answers = current[~current["disputed"] & current["decision"].ne("unsure")]
    drawn = persons[persons["sample"].eq("random") & persons["inclusion_prob"].gt(0)]
    chance = drawn.drop_duplicates("image_id", keep="last").set_index("image_id")["inclusion_prob"]
    flags = issues.loc[issues["image_id"].notna(), ["check", "image_id"]].drop_duplicates()
    rows = []
    for check, flagged in flags.groupby("check", sort=True):
        said = answers[answers["image_id"].isin(flagged["image_id"])]
        right = said["confirmed"].map(lambda names, check=check: _names(names, check)).astype(bool)
        wrong = said["rejected"].map(lambda names, check=check: _names(names, check)).astype(bool)
        judged = said[right ^ wrong]
        weight = 1 / judged["image_id"].map(chance).astype("float64")
        sampled = weight.notna()
        drawn_right = right[judged.index][sampled].to_numpy(bool)
        estimate = precision(drawn_right, weight[sampled].to_numpy(np.float64))
        counts = (len(flagged), len(said), int(right.sum()), int(wrong.sum()), int(sampled.sum()))
        rows.append((check, *counts, *estimate, None if sampled.any() else NOT_ESTIMATED))
    result = pd.DataFrame(rows, columns=list(COLUMNS))
    return result.astype({"check": "str", "precision": float, "low": float, "high": float, "note": "str"})


def precision(right: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Weighted share of `right` with its 95 % interval.

    Args:
        right: bool, (n,): whether each drawn flag was right.
        weight: (n,), one over the probability that it was drawn, at least 1.

    Returns:
        (share, low, high), in [0, 1]; NaN when n = 0.
    """
    if not len(right):
        return math.nan, math.nan, math.nan
    share = float(np.average(right, weights=weight))
    effective = weight.sum() ** 2 / (weight**2).sum()
    unseen = 1 - len(right) / weight.sum()  # the part of the flags that was not drawn
    if unseen <= 1e-12:
        return share, share, share
    n = effective / unseen
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return share, max(0.0, middle - half), min(1.0, middle + half)


def totals(log: pd.DataFrame, dataset: pd.DataFrame) -> dict[str, int]:
    """Images by what stands decided: keep, drop, relabel, unsure, disputed, undecided; and stale
    decisions."""
    current = decisions.current(log, dataset)
    counts = current["decision"].value_counts()
    result = {name: int(counts.get(name, 0)) for name in ("keep", "drop", "relabel", "unsure")}
    result["disputed"] = int(current["disputed"].sum())
    result["undecided"] = len(dataset) - len(current)
    result["stale"] = len(decisions.stale(log, dataset))
    return result


def _names(checks: object, check: object) -> bool:
    return isinstance(checks, str) and check in checks.split(";")
