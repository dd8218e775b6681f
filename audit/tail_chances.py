"""How likely usual members of a set are to lie as far off as each does, and which are too far to be usual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: The tail is learnt from those that lie fewer deviations above the median than this. A deviation is what of a normal
#: distribution the 90 % quantile is 1.2816 of above the median.
_LEFT_OUT, _SPREAD, _DEVIATIONS_THERE = 2.5, 0.9, 1.2816
#: Up to which quantile of these single values count: of those farther off only the number, because strangers that lie
#: nearer are among them.
_SEEN = 0.97
#: Shapes of the tail that are tried: 1 falls exponentially, 2 like a normal distribution, 3 faster.
_SHAPES = np.linspace(0.8, 3.0, 23)
_SCALES = np.exp(np.linspace(-0.8, 1.6, 400))
#: By how much the logarithm of the likelihood may be lower than the best: one standard deviation of the shape.
_AS_LIKELY = 0.5
#: Up to so many flags, the expected number of false ones is that of so many: one odd picture is what most sets have.
_FEW = 3

Floats = npt.NDArray[np.float64]


def deviation(heights: Floats) -> float:
    """By how much a normal distribution with the same 90 % quantile would deviate.

    Args:
        heights: (n,), finite, n at least 1.

    Returns:
        At least 0; 0 where nine tenths of the heights are equal.
    """
    return float(np.quantile(heights, _SPREAD) - np.median(heights)) / _DEVIATIONS_THERE


@dataclass(frozen=True)
class Tail:
    """How far off usual members of a set lie: the chance to lie `h` above `centre`, the median, is `share` times what
    the upper half of a generalised normal distribution of this `scale` and `shape` has beyond `h`. Without spread the
    scale is infinite, and the chance 1."""

    centre: float
    share: float
    scale: float
    shape: float

    def chances(self, heights: Floats) -> Floats:
        """(n,) → (n,), in [0, 1]: the chance that a usual member lies at least as high; 1 up to the median."""
        from scipy.special import gammaincc  # slow to import

        above = np.maximum(heights - self.centre, 0)
        found = self.share * gammaincc(1 / self.shape, (above / self.scale) ** self.shape)
        return np.where(above > 0, found, 1.0)


def chances(heights: Floats) -> Floats:
    """Chance that a usual member of the set lies at least as high as each does.

    Args:
        heights: see `fit`.

    Returns:
        (n,) in [0, 1]; 1 for those that are not above the median, and for all where there is no spread.
    """
    return fit(heights).chances(heights)


def fit(heights: Floats) -> Tail:
    """Learn from a set how far off its usual members lie.

    The upper half of a generalised normal distribution (Subbotin, 1923) is fitted to the upper half of the set by
    maximum likelihood. Those that lie farthest are left out, and the likelihood knows that they are, so that strangers,
    up to some hundredths of the set, neither stretch the tail nor make it long. A set with many odd members of its own
    has a long tail, and one without a short one. Of the shapes that are about as likely as the best, the longest tail
    counts: few images don't tell exactly.

    Args:
        heights: (n,), finite, in any unit, n at least 1; more than a hundred, for the fit to mean much.
    """
    from scipy.special import gammaincc, gammaln  # slow to import

    centre, cut = float(np.median(heights)), _LEFT_OUT * deviation(heights)
    above = np.sort(heights[(heights > centre) & (heights < centre + cut)]) - centre
    if not len(above):
        return Tail(centre, 1.0, np.inf, 1.0)
    last = above[min(int(np.ceil(len(above) * (2 * _SEEN - 1))), len(above)) - 1]
    single, beyond = above[above <= last], int((above > last).sum())
    scales = np.median(above) * _SCALES
    fits = []
    for shape in _SHAPES:
        over_last, over_cut = (gammaincc(1 / shape, (at / scales) ** shape) for at in (last, cut))
        likelihood = (
            len(single) * (np.log(shape) - np.log(scales) - gammaln(1 / shape))
            - (single**shape).sum() / scales**shape
            + beyond * np.log(np.maximum(over_last - over_cut, 1e-300))
            - len(above) * np.log(np.maximum(1 - over_cut, 1e-300))
        )
        at = int(likelihood.argmax())
        fits.append((float(likelihood[at]), float(shape), float(scales[at])))
    best = max(likelihood for likelihood, _, _ in fits)
    shape, scale = next((shape, scale) for likelihood, shape, scale in fits if likelihood >= best - _AS_LIKELY)
    beyond_cut = float(gammaincc(1 / shape, (cut / scale) ** shape))
    return Tail(centre, min(len(above) / len(heights) / (1 - beyond_cut), 0.5), scale, shape)


def too_unlikely(chance: Floats, false_share: float, *, least: int = 0) -> npt.NDArray[np.bool_]:
    """Those whose chance is so small that at most a share of them is expected to be usual (Benjamini & Hochberg, 1995),
    or of fewer than `_FEW` as many as would be of these: a single one need not be that sure.

    Args:
        chance: (n,) in [0, 1].
        false_share: in [0, 1].
        least: fewer are judged as if so many had been looked at. Else of a single one, of which 0.15 × `_FEW` may be
            wrong, nearly each second would be flagged.

    Returns:
        bool (n,): the smallest chances, ties together.
    """
    n = len(chance)
    order = np.sort(chance)
    below = np.flatnonzero(order <= false_share * np.maximum(np.arange(1, n + 1), _FEW) / max(n, least))
    return np.asarray(chance <= order[below[-1]] if len(below) else np.zeros(n, bool))
