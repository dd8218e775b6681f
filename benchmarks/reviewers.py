"""Simulated reviewers of one list of flags, who know which are right: what `benchmarks.review` counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imageclinic.cleaning.trust import bounds, stopping
from imageclinic.cleaning.trust.reviews import Reviews, bands

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


def reviews(right: Mask, at: Ints, drawn: Mask, chance: float) -> Reviews:
    """What is known of a list of flags after those `at` were reviewed in this order, some of them drawn."""
    n = len(right)
    turn, weight = np.full(n, -1, dtype=np.int64), np.zeros(n)
    turn[at] = np.arange(len(at))
    weight[at] = np.where(drawn, 1 / chance, 0.0)
    nothing = np.zeros(n, dtype=bool)
    return Reviews(-np.arange(n) / n, bands(n), turn, right & (turn >= 0), weight, nothing)


def in_turns(draws: Ints, ranked: Ints, parts: list[tuple[int, int]]) -> tuple[Ints, Mask]:
    """The order of a review that takes some of `draws` and then some of `ranked`, again and again, leaving out what was
    reviewed before; and which were drawn."""
    at: dict[int, bool] = {}
    queues = [iter(draws.tolist()), iter(ranked.tolist())]
    for counts in parts:
        for queue, count, drawn in zip(queues, counts, (True, False), strict=True):
            wanted = len(at) + count
            for i in queue:
                at.setdefault(i, drawn)
                if len(at) >= wanted:
                    break
    return np.array(list(at), dtype=np.intp), np.array(list(at.values()), dtype=bool)


def stop(right: Mask, way: str, worth: float, random: np.random.Generator) -> tuple[int | None, bool, int]:
    """After how many reviews one stops (None: not before the last hundred flags), whether that was premature, and how
    many are needed by rank by who knows."""
    n, enough = len(right), worth / 100 * stopping.AHEAD
    at, drawn = in_turns(random.permutation(n), np.arange(n), [(int(way == "in turns"), 4)] * n)
    left = bounds.remaining(right[at], drawn, n, 0.025)
    coming = np.convolve(right, np.ones(stopping.AHEAD), "valid")
    earliest = int(np.argmax(coming < enough)) if (coming < enough).any() else n
    unseen, known = np.ones(n, dtype=bool), -1
    for t, i in enumerate(at[: n - stopping.AHEAD]):
        first = int(np.argmax(unseen))
        if first != known:
            known, following = first, bounds.following(right[:first], n, 0.025) * stopping.AHEAD
        # The product's own rule, where it can say stop at all: it is slower, and never lower.
        if min(following, left[t]) < enough and stopping.ahead(reviews(right, at[:t], drawn[:t], 0.5))[1] < enough:
            return t, bool(right[np.flatnonzero(unseen)[: stopping.AHEAD]].sum() >= enough), earliest
        unseen[i] = False
    return None, False, earliest


def named_wrongly(right: Mask, worth: float, random: np.random.Generator) -> bool:
    """Whether, at any look of a random review, a score is named below which not so few are right: as
    `stopping.weak_below` does it, after every review at once."""
    order, band = random.permutation(len(right))[:300], bands(len(right))
    most, truth = [], []
    for edge in range(band.max(), -1, -1):
        below = band >= edge
        inside = below[order]
        drawn = right[order[inside]]
        looks = np.concatenate([[0], np.cumsum(inside)])
        left = np.maximum(below.sum() - looks, 1)
        most.append(bounds.remaining(drawn, np.ones(len(drawn), dtype=bool), int(below.sum()))[looks] / left)
        truth.append((right[below].sum() - np.concatenate([[0], np.cumsum(drawn)])[looks]) / left)
    for at, share_left in zip(np.transpose(most), np.transpose(truth), strict=True):
        found = bounds.lowest(at.tolist(), worth / 100)
        if found is not None and share_left[found] >= worth / 100:
            return True
    return False
