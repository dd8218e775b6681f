"""How far reviewers agree about the images that both have judged: Cohen's kappa with an interval. Pure.

Kappa is the agreement beyond chance: 0 where two answer as often alike as their habits alone would make them, 1 where
they always answer alike (Cohen 1960). Its interval is that of the observed agreement (Wilson), with the agreement by
chance taken as known: unlike the usual variance, it is wide when few images were judged and all alike.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import pandas as pd

from imageclinic.cleaning.decisions import decision_log

#: Fewer common images than this say little, and the words say so.
FEW = 20
_Z = 1.959964  # of a 95 % interval


def table(log: pd.DataFrame, dataset: pd.DataFrame) -> list[dict[str, Any]]:
    """The agreement of each two reviewers who have judged the same images, most images first.

    Args:
        log: tables.DECISION_LOG.
        dataset: tables.DATASET.

    Returns:
        A record a pair: ``reviewers`` (two names), ``images`` that both answered about, ``agreed``, and ``kappa, low,
        high`` (95 % interval); these are null where both gave a single answer, for then chance alone makes them agree.
        What counts is the first answer of each: keep, drop, or relabel to a certain label.
    """
    answers = decision_log.first_answers(log, dataset)
    by_reviewer = {str(name): part.set_index("image_id")["answer"] for name, part in answers.groupby("reviewer")}
    found = []
    for one, other in combinations(sorted(by_reviewer), 2):
        both = pd.concat([by_reviewer[one], by_reviewer[other]], axis=1, join="inner", keys=["one", "other"])
        if len(both):
            found.append({"reviewers": [one, other], **kappa(both["one"], both["other"])})
    return sorted(found, key=lambda pair: (-pair["images"], pair["reviewers"]))


def kappa(one: pd.Series, other: pd.Series) -> dict[str, Any]:
    """``images, agreed, kappa, low, high`` of two reviewers' answers, (n,) each, about the same images."""
    n, agreed = len(one), int((one.to_numpy() == other.to_numpy()).sum())
    shares = one.value_counts(normalize=True), other.value_counts(normalize=True)
    by_chance = float(shares[0].mul(shares[1], fill_value=0).sum())
    if by_chance > 1 - 1e-9:
        return {"images": n, "agreed": agreed, "kappa": None, "low": None, "high": None}
    low, high = wilson(agreed / n, n)
    beyond = [(share - by_chance) / (1 - by_chance) for share in (agreed / n, low, high)]
    return {"images": n, "agreed": agreed, "kappa": beyond[0], "low": max(beyond[1], -1.0), "high": beyond[2]}


def line(pair: dict[str, Any]) -> str:
    """A record of `table` in words."""
    one, other = pair["reviewers"]
    head = f"{one} and {other} agree about {pair['agreed']:,} of {pair['images']:,} images"
    if pair["kappa"] is None:
        return f"{head}; both gave one answer only, so Cohen's kappa is not defined."
    few = " Few images: the interval is wide." if pair["images"] < FEW else ""
    return f"{head}: Cohen's kappa {pair['kappa']:.2f} ({pair['low']:.2f} to {pair['high']:.2f}).{few}"


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n."""
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return middle - half, middle + half
