"""What the random reviews say about the flags that nobody has reviewed, and when to stop. Pure."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from cleaning import bounds, decisions

COLUMNS = (
    "check",
    "unreviewed",
    "rest",
    "rest_low",
    "rest_high",
    "missed",
    "missed_low",
    "missed_high",
    "next_flags",
    "next_errors",
    "weak_below",
)
#: Flags are cut by score into this many bands of equal size, when there are `_LEAST` for each.
_BANDS, _LEAST = 4, 50
#: The stopping rule looks this many flags ahead.
_AHEAD = 100
#: Below `weak_below`, fewer flags than this are right.
_WEAK = 0.2
#: A new label on an unflagged image is an error that these checks missed.
_LABELS = frozenset({"mislabeled"})


def by_check(issues: pd.DataFrame, log: pd.DataFrame, dataset: pd.DataFrame) -> pd.DataFrame:
    """Per check: precision of its unreviewed flags, what it missed, and how many errors the next flags may hold.

    Only random reviews by persons count (``sample`` = random, with ``inclusion_prob``). Flags are stratified by
    score band; the images that the check did not flag are one more stratum.

    Args:
        issues: tables.ISSUES.
        log: tables.DECISION_LOG.
        dataset: tables.DATASET.

    Returns:
        One row per check with a finding about an image, by name, with `COLUMNS`: check; unreviewed flags; rest,
        rest_low, rest_high (the share of these that is right); missed, missed_low, missed_high (the share of
        the unflagged, unreviewed images that are errors; for checks of labels only); next_flags (at most 100) and
        next_errors (upper bound on the right ones among the next flags, valid at every look); weak_below (the
        score below which fewer than one flag in five is right, by the interval's upper end). Null where the
        random reviews do not say.
    """
    persons = log[~log["reviewer"].str.startswith(decisions.POLICY)]
    current = decisions.current(persons, dataset).set_index("image_id")
    answers = current[~current["disputed"] & current["decision"].ne("unsure")]
    drawn = persons[persons["sample"].eq("random") & persons["inclusion_prob"].gt(0)]
    chance = drawn.drop_duplicates("image_id", keep="first").set_index("image_id")["inclusion_prob"]
    flags = issues.loc[issues["image_id"].notna(), ["check", "image_id", "score"]]
    flags = flags.sort_values(["score", "image_id"], ascending=[False, True]).drop_duplicates(["check", "image_id"])
    rows = []
    for check, found in flags.groupby("check", sort=True):
        found = found.reset_index(drop=True)
        said = answers.reindex(found["image_id"])
        right, wrong = (_says(said[column], str(check)) for column in ("confirmed", "rejected"))
        reviewed = found["image_id"].isin(answers.index).to_numpy()
        weight = 1 / found["image_id"].map(chance).to_numpy(np.float64, na_value=np.nan)
        sampled = (right ^ wrong) & ~np.isnan(weight)
        others = ~dataset["image_id"].isin(found["image_id"])
        missed = _missed(dataset.loc[others, "image_id"], answers, chance) if check in _LABELS else (math.nan,) * 3
        band = _bands(len(found))
        rest = _rest(right, weight, band, sampled, ~reviewed)
        ahead = _next(right, weight, band, sampled, reviewed)
        weak = _weak_below(found["score"].to_numpy(np.float64), right, weight, band, sampled, ~reviewed)
        rows.append((check, int((~reviewed).sum()), *rest, *missed, *ahead, weak))
    result = pd.DataFrame(rows, columns=list(COLUMNS))
    return result.astype({"check": "str", **dict.fromkeys(COLUMNS[2:], float)})


def _bands(n: int) -> npt.NDArray[np.int64]:
    """The score band of each of `n` sorted flags: of equal size, and never different after a review."""
    return np.arange(n) * max(1, min(_BANDS, n // _LEAST)) // max(n, 1)


def _rest(
    right: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64],
    band: npt.NDArray[np.int64],
    sampled: npt.NDArray[np.bool_],
    unseen: npt.NDArray[np.bool_],
) -> tuple[float, float, float]:
    # A flag that ranks above all that is left says nothing about what is left: those were reviewed from the top.
    first = int(np.argmax(unseen)) if unseen.any() else len(unseen)
    sampled = sampled & (np.arange(len(unseen)) >= first)
    left = np.bincount(band[unseen], minlength=int(band.max(initial=0)) + 1)
    return bounds.rest(right[sampled], weight[sampled], band[sampled], left)


def _missed(images: pd.Series, answers: pd.DataFrame, chance: pd.Series) -> tuple[float, float, float]:
    weight = 1 / images.map(chance).to_numpy(np.float64, na_value=np.nan)
    reviewed = images.isin(answers.index).to_numpy()
    sampled = reviewed & ~np.isnan(weight)
    wrong = images.map(answers["decision"]).eq("relabel").to_numpy(bool)
    zeros = np.zeros(int(sampled.sum()), dtype=np.int64)
    return bounds.rest(wrong[sampled], weight[sampled], zeros, np.array([int((~reviewed).sum())]))


def _next(
    right: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64],
    band: npt.NDArray[np.int64],
    sampled: npt.NDArray[np.bool_],
    reviewed: npt.NDArray[np.bool_],
) -> tuple[float, float]:
    """How many flags come next, and the most that are right among them.

    Each band has its own bound on what is left in it, at an equal part of the 5 %, so that all hold at once. The score
    may rank within a band, too, so all that is left may come next. A band where the chances differ has no bound.
    """
    ahead = np.flatnonzero(~reviewed)[:_AHEAD]
    if not sampled.any() or not len(ahead):
        return math.nan, math.nan
    bands, total = int(band.max()) + 1, 0
    for name in np.unique(band[ahead]):
        inside, coming = band == name, int((band[ahead] == name).sum())
        drawn = inside & sampled
        left = int((inside & ~reviewed).sum())
        even = drawn.any() and np.allclose(weight[drawn], weight[drawn][0])
        alpha = 0.05 / bands
        # What was reviewed by rank is out of the population: it was known, not drawn.
        found, n = int(right[drawn].sum()), int(drawn.sum())
        most = bounds.most(found, n, n + left, alpha) - found if even else left
        total += min(coming, most)
    return float(len(ahead)), total


def _weak_below(
    score: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64],
    band: npt.NDArray[np.int64],
    sampled: npt.NDArray[np.bool_],
    unseen: npt.NDArray[np.bool_],
) -> float:
    """The highest edge of a band below which the interval of the precision ends under `_WEAK`."""
    for name in range(int(band.max(initial=0)) + 1):
        inside = band >= name
        if inside.any() and _rest(right, weight, band, sampled & inside, unseen & inside)[2] < _WEAK:
            return float(score[inside][0])
    return math.nan


def _says(checks: pd.Series, check: str) -> npt.NDArray[np.bool_]:
    return np.array([isinstance(names, str) and check in names.split(";") for names in checks], dtype=bool)
