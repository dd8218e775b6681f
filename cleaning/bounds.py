"""What a few random reviews say about all the rest: stratified shares, and a bound that may be looked at any time.

Arrays in, numbers out. A stratum is a score band of one check's flags, or the images that it did not flag.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, gammaln

#: The intervals reach as far as ±2.1 standard deviations of a normal do: 1.96 covers too little in small samples.
_Z = 2.1
_ALPHA = 0.05


def rest(
    right: npt.NDArray[np.bool_],
    weight: npt.NDArray[np.float64],
    stratum: npt.NDArray[np.int64],
    unseen: npt.NDArray[np.int64],
) -> tuple[float, float, float]:
    """Share of right ones among what was not reviewed, with its 95 % interval.

    Each stratum has a Beta posterior whose prior weighs as one review with the share of all reviews. What is not
    reviewed is beta-binomial then, which is the finite-population correction: a stratum that was reviewed to the
    end adds no doubt. The strata's variances are added; the interval is Wilson's (1927) at the sample size that has
    this variance, because a sum of few and rare errors is far from normal. Stratification may not count as
    more than a quarter more reviews. Unequal inclusion probabilities count by Kish's effective size (1965).

    Args:
        right: (n,), whether each random review found the error.
        weight: (n,), one over the probability that it was drawn, at least 1.
        stratum: (n,), the number of its stratum, below the length of `unseen`.
        unseen: (strata,), how many in each stratum are not reviewed.

    Returns:
        (share, low, high) in [0, 1]; NaN when nothing was reviewed or nothing is left.
    """
    left = int(unseen.sum())
    if not len(right) or not left:
        return math.nan, math.nan, math.nan
    strata = len(unseen)
    total = np.bincount(stratum, weight, strata)
    squared = np.bincount(stratum, weight**2, strata)
    good = np.bincount(stratum, weight * right, strata)
    reviewed = np.divide(total**2, squared, out=np.zeros(strata), where=squared > 0)
    share = np.divide(good, total, out=np.zeros(strata), where=total > 0)
    pooled = (float(right @ weight) / float(weight.mean()) + 0.5) / (len(right) + 1)
    a, b = reviewed * share + pooled, reviewed * (1 - share) + 1 - pooled
    n = a + b
    counted = unseen * np.where(reviewed > 0, share, a / n)
    mean = float(counted.sum()) / left
    variance = float((unseen * a * b * (n + unseen) / (n**2 * (n + 1))).sum()) / left**2
    middle = float((unseen * a / n).sum()) / left
    plain = 1 / (1 / float(reviewed.sum()) + 1 / left)
    size = min(middle * (1 - middle) / variance, 1.25 * plain)
    centre = (mean + _Z**2 / (2 * size)) / (1 + _Z**2 / size)
    half = _Z / (1 + _Z**2 / size) * math.sqrt(mean * (1 - mean) / size + _Z**2 / (4 * size**2))
    return mean, max(0.0, centre - half), min(1.0, centre + half)


def most(found: int, drawn: int, size: int, alpha: float = _ALPHA) -> int:
    """Upper bound on the errors among `size` things of which `drawn` were drawn at random: `found` are errors.

    It holds at every look at once with probability 1 - `alpha`, so one may stop when one likes it. It is the
    prior-posterior-ratio martingale for sampling without replacement (Waudby-Smith & Ramdas 2020, "Confidence
    sequences for sampling without replacement"), with a Beta(1/2, 1/2)-binomial prior: the number of errors M is
    excluded once prior(M) / posterior(M) ≥ 1 / alpha, which by Ville's inequality never happens to the true one
    with more than that probability.

    Returns:
        The largest number of errors that is not excluded, in [found, size].
    """
    errors = np.arange(found, size - (drawn - found) + 1)
    if drawn == 0:
        return size
    likelihood = _choose(errors, found) + _choose(size - errors, drawn - found) - _choose(size, drawn)
    # The share of draws with `found` errors under the prior: beta-binomial for any population's size.
    marginal = _choose(drawn, found) + betaln(found + 0.5, drawn - found + 0.5) - betaln(0.5, 0.5)
    left = errors[likelihood - marginal > math.log(alpha)]
    return int(left.max()) if len(left) else found


def _choose(n: npt.ArrayLike, k: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Logarithm of the binomial coefficient."""
    n, k = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
