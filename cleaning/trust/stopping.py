"""When to stop reviewing the flags of a check: by what comes next, and by score. Pure."""

from __future__ import annotations

import math

import numpy as np

from imageclinic.cleaning.trust import bounds
from imageclinic.cleaning.trust.reviews import Reviews

#: The stopping rule looks this many flags ahead.
AHEAD = 100
#: A review that finds fewer errors than this in 100 flags may stop, unless the reviewer says otherwise.
WORTH = 20
#: Half of the 5 %, for each of two bounds.
_HALF = 0.025


def rest(flags: Reviews) -> tuple[float, float, float]:
    """Share of right ones among the flags that no person reviewed, with its 95 % interval, see `bounds.rest`."""
    # A flag that ranks above all that is left says nothing about what is left: those were reviewed from the top.
    return flags.only(np.arange(len(flags.turn)) >= _first(flags)).rest()


def ahead(flags: Reviews) -> tuple[int, float]:
    """How many flags come next, and the upper bound on how many of them are right on average.

    What comes next is what nobody has decided, no policy either, at most `AHEAD`, from the highest score down. There
    are two bounds, each at half of the 5 %, both valid at every look, and the lower one counts. `bounds.following` says
    what the flags above the next ones say about these; it holds when flags with a lower score are not more often
    right. `bounds.remaining` says how many right ones are left in all, whatever their order; only random reviews tell.
    Where they contradict the order (the lower end of the interval for all that is left is above the first bound), the
    first is raised to their lower end.

    Returns:
        (flags, errors); errors is NaN where neither says anything.
    """
    listed = flags.only(~flags.policy)
    coming = min(AHEAD, int(listed.unseen.sum()))
    if not coming:
        return 0, 0.0
    low = rest(listed)[1]
    share = bounds.following(listed.right[: _first(listed)], len(listed.turn), _HALF)
    errors = min(coming * max(share, 0.0 if math.isnan(low) else low), _most_left(listed, _HALF))
    return coming, errors if errors < coming else math.nan


def weak_below(flags: Reviews, worth: float = WORTH) -> float:
    """The highest score below which fewer than `worth` in 100 of the flags that are left are right; NaN: not known.

    Only random reviews tell. The bound on what is left below each band's edge (`bounds.remaining`) holds at every
    look; the edges are tested from the lowest up, each only where the one below it was found weak, so that all that
    are named hold at once with 95 %.
    """
    edges = range(int(flags.stratum.max(initial=0)), -1, -1)
    below = [flags.only(flags.stratum >= edge) for edge in edges]
    found = bounds.lowest([_most_left(some) / max(1, some.unseen.sum()) for some in below], worth / 100)
    return math.nan if found is None else float(flags.score[flags.stratum >= edges[found]][0])


def _most_left(flags: Reviews, alpha: float = 0.05) -> float:
    """Upper bound on the right ones among the flags that no person reviewed; infinite without random reviews."""
    at = flags.made()
    weight = flags.weight[at]
    chances = weight[weight > 0]
    if not len(chances) or not np.allclose(chances, chances[0]):
        return math.inf
    return float(bounds.remaining(flags.right[at], weight > 0, len(flags.turn), alpha)[-1])


def _first(flags: Reviews) -> int:
    """The position of the first flag that no person reviewed; their number when there is none."""
    return int(np.argmax(flags.unseen)) if flags.unseen.any() else len(flags.turn)
