"""How many of the labels that come next may be wrong if all are accepted at once. Pure.

Only random reviews tell. Those count whose flag ranks no higher by its score than the batch's first: a flag is right at
least as often as those below it, so the bound may be too high, and never too low.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from imageclinic.cleaning.trust.reviews import Log, Reviews

#: So many labels are accepted at once.
SIZE = 50
#: At most this share of a batch may be wrong, else its labels are to be looked at one by one. Persons who label one by
#: one are wrong about as often where images are hard (CIFAR-10N: 9 % by majority), so a batch is no worse than they.
MOST_WRONG = 0.1
#: The bound fails at most so often. Half of 5 %, because a reviewer may look again after each review.
_ALPHA = 0.025


@dataclass(frozen=True)
class Expected:
    """What random reviews say of a batch: with 95 %, 0 to `most` of its `n` labels are wrong."""

    n: int
    """Labels in the batch."""
    reviews: int
    """The random reviews that count."""
    wrong: int
    """Those of them that found the suggested label wrong."""
    needed: int
    """Fewer random reviews than this cannot support the batch, whatever they find; 0: no number of them can."""
    most: int
    """Upper bound on the wrong ones in the batch."""

    @property
    def supported(self) -> bool:
        """Whether all may be accepted at once."""
        return self.n > 0 and self.most <= MOST_WRONG * self.n


def expected(flags: pd.DataFrame, batch: Collection[str], known: Log) -> Expected:
    """What random reviews say of the suggested labels of some flags.

    Args:
        flags: all flags of one check that suggest a label: image_id, score, suggested_label, one row an image.
        batch: the images whose suggested labels would be accepted, among `flags`; no person has decided about them.
        known: what persons decided; a suggestion is wrong where they kept, dropped or relabelled otherwise.
    """
    names, about = known.about_suggestions(flags)
    return of_batch(about, names.isin(set(batch)).to_numpy(bool))


def of_batch(flags: Reviews, chosen: np.ndarray) -> Expected:
    """What random reviews say of a batch of flags.

    The reviews are those from the batch's first flag down to the end of the score band of its last one, and of as many
    bands below as it takes until there are enough to support a batch at all. How far down depends on how many there
    are, not on what they found.

    Args:
        flags: of one check, the highest score first; `right`: the suggested label is.
        chosen: (n,), bool, the batch.
    """
    at = np.flatnonzero(chosen)
    n = len(at)
    if not n:
        return Expected(0, 0, 0, 0, 0)
    needed, place = reviews_needed(n), np.arange(len(chosen))
    used = np.zeros(len(chosen), dtype=bool)
    for band in range(int(flags.stratum[at].max()), int(flags.stratum.max()) + 1):
        used = (place >= at[0]) & (flags.stratum <= band)
        if needed and int((flags.weight[used] > 0).sum()) >= needed:
            break
    seen = flags.only(used & ~flags.unseen)
    drawn = seen.weight > 0
    chances = seen.weight[drawn]
    if not len(chances) or not np.allclose(chances, chances[0]):
        return Expected(n, 0, 0, needed, n)
    # What was chosen by hand after the first draw has left the draws' population, and mostly what was right. The batch
    # bears its part of that: it is no worse than the rest that is left.
    left = int((used & flags.unseen).sum())
    taken = ~drawn & (seen.turn > seen.turn[drawn].min())
    by_hand, wrong_by_hand = (int(mask.sum()) * n / left for mask in (taken, taken & ~seen.right))
    wrong = int((drawn & ~seen.right).sum())
    most = most_wrong(int(drawn.sum()), wrong, n, int(np.ceil(by_hand)), int(wrong_by_hand))
    return Expected(n, int(drawn.sum()), wrong, needed, most)


def most_wrong(reviews: int, wrong: int, n: int, by_hand: int = 0, wrong_by_hand: int = 0) -> int:
    """Upper bound on the wrong ones among `n`, by random reviews of things that are right at most as often.

    The exact prediction limit (Thatcher 1964, "Relationships between Bayesian and confidence limits for predictions"):
    given how many of all together are wrong, the number among those drawn is hypergeometric.

    Args:
        reviews: random reviews.
        wrong: those of them that found an error.
        n: how many are to be accepted.
        by_hand, wrong_by_hand: others, reviewed since then by choice, and the wrong ones among them.
    """
    possible = np.arange(n + 1)
    chance = hypergeom.cdf(wrong, reviews + by_hand + n, wrong + wrong_by_hand + possible, reviews)
    return int(possible[chance > _ALPHA].max(initial=0))


@functools.cache
def reviews_needed(n: int) -> int:
    """How many random reviews, all of them right, it takes to support a batch of `n`; 0: no number up to 300 does."""
    return next((k for k in range(1, 301) if most_wrong(k, 0, n) <= MOST_WRONG * n), 0)
