"""What a few reviews say about all the rest: shares with their intervals, and bounds that may be looked at any time.

Arrays in, numbers out, reviews in the order in which they were made. A stratum is a score band of one check's flags,
or images that it did not flag. A reviewer who goes by rank between two random draws takes out what is likeliest to be
right; what a draw then says is about what was left at that moment, and it is counted so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, betaln, gammaln, stdtrit

#: The intervals reach as far as this quantile of Student's t, because 97.5 % covers too little in small samples.
_QUANTILE = 0.982
_ALPHA = 0.05
#: `following` looks back over so many flags, after every `_STEP` of them.
WINDOWS, _STEP = (100, 200, 400), 25

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def rest(
    right: Mask, weight: Floats, stratum: npt.NDArray[np.int64], size: npt.NDArray[np.int64]
) -> tuple[float, float, float]:
    """Share of right ones among what was not reviewed, with its 95 % interval.

    Each stratum has a posterior of the number of right ones in it, whose prior, beta-binomial, weighs as one review
    with the share of all random reviews. That is the finite-population correction: a stratum that was reviewed to the
    end adds no doubt. The strata's variances are added; the interval is Wilson's (1927) at the sample size that has
    this variance, because a sum of few and rare errors is far from normal. Stratification may not count as
    more than a tenth more reviews. Unequal inclusion probabilities count by Kish's effective size (1965).

    Args:
        right: (n,), whether each review found the error, in the order of the reviews.
        weight: (n,), one over the probability that it was drawn, at least 1; 0 for what was chosen by rank.
        stratum: (n,), the number of its stratum, below the length of `size`.
        size: (strata,), how many are in each stratum, reviewed or not.

    Returns:
        (share, low, high) in [0, 1]; NaN when nothing was drawn or nothing is left.
    """
    drawn = weight > 0
    left = size - np.bincount(stratum, minlength=len(size))
    if not drawn.any() or not left.sum():
        return math.nan, math.nan, math.nan
    pooled = (float(right @ weight) / float(weight[drawn].mean()) + 0.5) / (int(drawn.sum()) + 1)
    counted, middle, variance, reviewed = 0.0, 0.0, 0.0, 0.0
    for name in np.flatnonzero(left):
        inside = stratum == name
        total, squared = weight[inside].sum(), (weight[inside] ** 2).sum()
        power = weight[inside] * total / squared if squared else weight[inside]
        likeliest, mean, spread = _posterior(right[inside], power, int(size[name]), pooled)
        counted, middle, variance = counted + likeliest, middle + mean, variance + spread
        reviewed += power.sum()
    if reviewed == 0:  # all that was drawn is from strata of which nothing is left
        return math.nan, math.nan, math.nan
    n = float(left.sum())
    share, middle, variance = counted / n, middle / n, variance / n**2
    plain = 1 / (1 / reviewed + 1 / n)
    effective = min(middle * (1 - middle) / variance, 1.1 * plain)
    z = float(stdtrit(reviewed, _QUANTILE))
    centre = (share + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * math.sqrt(share * (1 - share) / effective + z**2 / (4 * effective**2))
    # There is no part of an error: the ends are those of whole numbers.
    return share, max(0.0, math.floor((centre - half) * n) / n), min(1.0, math.ceil((centre + half) * n) / n)


def remaining(right: Mask, drawn: Mask, size: int, alpha: float = _ALPHA) -> npt.NDArray[np.int64]:
    """Upper bound on the errors that are left among `size` things, after each review of some of them.

    It holds at every look at once with probability 1 - `alpha`, so one may stop when one likes it, and whatever is
    reviewed by rank between the draws. For draws alone it is the prior-posterior-ratio martingale for sampling without
    replacement (Waudby-Smith & Ramdas 2020, "Confidence sequences for sampling without replacement"), with a
    Beta(1/2, 1/2)-binomial prior: M errors in all are excluded once the draws are 1 / `alpha` times likelier under the
    prior than under M, which by Ville's inequality never happens to the true M with more than that probability. A
    review by rank leaves that ratio as it is, and changes what is left to draw from; the ratio stays a martingale.

    Args:
        right: (n,), whether each review found an error, in the order of the reviews.
        drawn: (n,), whether it was drawn by chance from all that was left.
        size: things in all.
        alpha: probability that the bound fails at any look.

    Returns:
        (n + 1,), before the first review and after each.
    """
    found, left = _before(right), size - np.arange(len(right) + 1)
    hits, n = _before(right & drawn), _before(drawn)
    predicted = np.where(right, hits[:-1] + 0.5, (n - hits)[:-1] + 0.5) / (n[:-1] + 1)
    ratio, total = np.zeros(size + 1), np.arange(size + 1)
    bound = np.full(len(right) + 1, size)
    for t in range(len(right) + 1):
        if t and drawn[t - 1]:
            ratio += _chance(total - found[t - 1], int(left[t - 1]), right[t - 1]) - math.log(predicted[t - 1])
        possible = ratio[found[t] : found[t] + left[t] + 1] > math.log(alpha)
        bound[t] = np.flatnonzero(possible)[-1] if possible.any() else left[t]
    return bound


def following(right: Mask, flags: int, alpha: float = _ALPHA) -> float:
    """Upper bound on the share of right ones among the flags that come next in a list, if lower ones are not better.

    Flags that rank above the next ones, all reviewed, are right at least as often as these: that the top of the list
    is better than the rest makes the bound too high, and never too low. So the share among the last 100, 200 or 400 is
    bounded (Clopper & Pearson 1934), whichever bound is the lowest. To hold at every look at once, the bound changes
    after every 25 flags only, and each of these looks and windows has an equal part of `alpha`.

    Args:
        right: (n,), whether each flag from the top of the list to the first that is not reviewed is right.
        flags: how many are in the whole list.
        alpha: probability that the bound fails at any look.

    Returns:
        In [0, 1]; 1 where fewer than 100 were reviewed.
    """
    last = len(right) // _STEP * _STEP
    part = alpha / (max(1, flags // _STEP) * len(WINDOWS))
    shares = [1.0]
    for window in WINDOWS:
        if window <= last:
            k = int(right[last - window : last].sum())
            shares.append(float(betaincinv(k + 1, window - k, 1 - part)) if k < window else 1.0)
    return min(shares)


def lowest(bounds: Sequence[float], limit: float) -> int | None:
    """Fixed-sequence test (Maurer, Hothorn & Lehmacher 1995): hypotheses in an order that was set before, each at the
    whole level, until one can't be rejected; then all that were rejected hold at once at that level.

    Args:
        bounds: upper bounds, in that order.
        limit: what they have to be below.

    Returns:
        The index of the last one below the limit before the first that is not; None when the first is not.
    """
    fails = next((i for i, bound in enumerate(bounds) if not bound < limit), len(bounds))
    return fails - 1 if fails else None


def _posterior(right: Mask, power: Floats, size: int, share: float) -> tuple[float, float, float]:
    """Right ones that are left among `size`: the likeliest number, the posterior's mean and its variance.

    Each random review counts `power` times; those with 0 were chosen by rank, and say only what they are.
    """
    found, left = int(right.sum()), size - len(right)
    total = np.arange(found, found + left + 1)
    before = _before(right)
    likelihood = np.zeros(len(total))
    for t in np.flatnonzero(power):
        likelihood += power[t] * _chance(total - before[t], size - int(t), right[t])
    prior = _choose(size, total) + betaln(total + share, size - total + 1 - share)
    weight = np.exp(likelihood + prior - (likelihood + prior).max())
    weight /= weight.sum()
    rest = total - found
    mean = float(weight @ rest)
    return float(rest[likelihood.argmax()]) if power.any() else mean, mean, float(weight @ (rest - mean) ** 2)


def _chance(errors: npt.NDArray[np.int64], left: int, right: np.bool_) -> Floats:
    """Logarithm of the chance to draw a right one (or a wrong one) from `left` things of which `errors` are right."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log((errors if right else left - errors) / left)
    return np.asarray(np.where((errors >= 0) & (errors <= left), logs, -np.inf))


def _before(events: Mask) -> npt.NDArray[np.int64]:
    """(n + 1,), how many happened before each, and in all."""
    return np.concatenate([[0], np.cumsum(events)])


def _choose(n: npt.ArrayLike, k: npt.ArrayLike) -> Floats:
    """Logarithm of the binomial coefficient."""
    n, k = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
