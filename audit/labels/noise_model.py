"""How wrong labels came about, fitted to out-of-fold probabilities: a noise matrix, and from it, for every image,
the probability that its label is wrong.

A model cross-validated on wrong labels predicts the *given* label. Taken apart::

    P(given = j | image)  =  Σ_k  P(true = k | image) · matrix[k, j]

where P(true | image) is the model's prediction, made surer by a power (the model had to allow for the noise, too),
and the matrix says how often an image of class k is labelled j. Both are fitted to the given labels: the matrix by
expectation maximisation, the power by likelihood. This is the noise channel of Bekker and Goldberger (2016) on
fixed predictions, with a Dirichlet prior: as if `SMOOTHING` more images of each class had been seen, of which a
share is labelled wrongly, evenly. The share is one in ten in a first fit, and what that fit found in the second.

Splits that the dataset came with are fitted apart, because test labels are often the better ones.

Likelihood can't tell a model that is often wrong from labels that are. So the share of wrong labels is held between
what the surest images show (`sure_images`), which hard images do not disturb, and most of what confident learning
counts (Northcutt et al., 2021), as far as those bear it out: a model learns some of the errors that people make.

Where confident learning counts more wrong labels than the surest images show, hard images are more often labelled
wrongly: then the odds of an error grow with doubt (`noise_channel`), and the share may be that much greater, but the
count no longer holds it from below.

On 27 label sets (CIFAR-10N's four, photographs and hands with planted errors, and their true labels, all seen by
EfficientNet-Lite2) the share came within 3 points of the truth in 25. It was off where people erred: 32 for 42 % and 14
for 17.5 %.
A wrong label that the model believes, too, can't be seen: only random reviews can calibrate the estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xxhash

from imageclinic.audit.labels import noise_channel
from imageclinic.audit.labels.confident_learning import confident_share
from imageclinic.audit.labels.noise_channel import Channel
from imageclinic.audit.labels.sure_images import SURE, own_probabilities, raised, unexpected_disagreement
from imageclinic.core.large import large_arrays

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Images per class that the prior is worth, in the first fit and in the second.
SMOOTHING = (20.0, 100.0)
_SHARE = 0.1  # of wrong labels, in the first fit's prior
_POWERS = (-1.2, 2.0)  # natural logarithms of the least and the greatest power
#: The share of wrong labels is at most so many times what the surest images show (people err on hard images more often:
#: CIFAR-10N's labels are 1.7 times as often wrong as those of the images that a model is surest of).
_HARDER = 1.75
#: Where people err, the model learns some of their errors, and the likeliest noise model sees too few. So most of what
#: confident learning counts is believed (less with few images a class, whose thresholds are drawn by chance), up to so
#: many times what the surest images show. On CIFAR-10N more than it counts would find more (with 1.1 the best F1 of
#: random1); where labels are wrong whatever the image shows, that finds errors that are none. Where errors grow with
#: doubt, that growth stands for what is counted, and nothing is believed at least: a model that is too timid of some
#: classes and too sure of others contradicts labels, too, and was made surer still.
_COUNTED = 0.9
_HARDEST = 3.0
#: The greatest growth of errors with doubt; between which two quotients of confident learning's count and what the
#: surest images show it rises from 0 (errors drawn whatever the image shows: .7 to 1.1; CIFAR-10N: 1.3 to 2.6); and
#: how much more than is counted may then be wrong. By the true labels, random1 has a growth of .2 and aggregate of .3.
_GROWTH, _COUNTS_MORE, _BEYOND_COUNTED = 0.2, (1.15, 1.35), 1.25
#: Standard errors from which on the surest images show wrong labels.
_CLEAR = 2.0
#: So many labels may be wrong in any dataset.
_FEW = 3
_HALVINGS = 7
#: So many probabilities the power is fitted to; five images a class where that is more.
ENOUGH = 500_000


#: The last model that was fitted, under a hash of what it was fitted to.
_LAST: dict[bytes, Noise] = {}


@dataclass(frozen=True)
class Noise:
    """A fitted noise model."""

    wrong: Floats
    """(n,), in [0, 1]: probability that the given label is wrong."""
    channel: Channel
    """How labels go wrong, in all parts."""
    held: Floats
    """(classes, classes), rows sum to 1: share of the images labelled as a class that are of each. A class without
    images has ones on the diagonal."""
    power: float
    """What the probabilities were raised to, in all parts."""

    @property
    def matrix(self) -> Floats:
        """(classes, classes), rows sum to 1: share of the images of a class, as hard as most, labelled as each."""
        return self.channel.matrix

    @property
    def share(self) -> float:
        """Estimated share of wrong labels."""
        return float(self.wrong.mean())


def fit(labels: Ints, pred_probs: npt.NDArray[np.floating], parts: pd.Series | None = None) -> Noise:
    """Fit the noise model. Nothing is drawn at random.

    Args:
        labels: (n,) given class numbers.
        pred_probs: (n, classes), rows sum to 1: out-of-fold probabilities of the given label.
        parts: (n,) names of the parts that may have been labelled by others, with more or less care, such as the
            splits that the dataset came with; null is a part, too. Each gets a model of its own, whose prior has the
            share of wrong labels in all.

    Returns:
        The model, its arrays read-only; the last one is kept. Time and memory are proportional to n × classes.
    """
    number = np.zeros(len(labels), np.intp) if parts is None else pd.factorize(parts, use_na_sentinel=False)[0]
    # The labels' scores, their summary and the overlap of classes ask for the model of the same predictions in turn.
    digest = xxhash.xxh3_128()
    for values in (labels, pred_probs, number):
        array = np.ascontiguousarray(values)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.data)
    key = digest.digest()
    if key not in _LAST:
        noise = _fit_parts(labels, pred_probs, number)
        for array in (noise.wrong, noise.matrix, noise.held):
            array.setflags(write=False)
        _LAST.clear()
        _LAST[key] = noise
    return _LAST[key]


def _fit_parts(labels: Ints, pred_probs: npt.NDArray[np.floating], number: npt.NDArray[np.intp]) -> Noise:
    some = _sample(labels, pred_probs)
    believed = _believed(labels[some], pred_probs[some], _FEW / max(len(labels), 1))
    whole = _fit(labels, pred_probs, min(_SHARE, max(believed.most, 0.01)), believed)
    if not number.any():
        return whole
    wrong, moved = np.empty(len(labels)), np.zeros_like(whole.held)
    for part in range(number.max() + 1):
        rows = np.flatnonzero(number == part)
        own = large_arrays.chosen(pred_probs, rows)
        one = _fit(labels[rows], own, whole.share, _Believed(growth=believed.growth), surest=whole.power)
        wrong[rows] = one.wrong
        moved += one.held * np.bincount(labels[rows], minlength=len(moved))[:, None]
    return Noise(wrong, whole.channel, _shares(moved), whole.power)


@dataclass(frozen=True)
class _Believed:
    """The least and the greatest share of wrong labels, and the growth of errors with doubt, that are believed."""

    least: float = 0.0
    most: float = 1.0
    growth: float = 0.0


def _believed(labels: Ints, pred_probs: npt.NDArray[np.floating], few: float) -> _Believed:
    """`few` is a share of wrong labels that is always believed."""
    if len(np.unique(labels)) < 2:
        return _Believed(0.0, few)
    seen = unexpected_disagreement(labels, pred_probs, own_probabilities(labels, pred_probs))
    if seen.allowing is None:
        return _Believed(0.0, _HARDER * seen.plain + few)
    by_chance = np.sqrt(pred_probs.shape[1] / len(labels))
    counted = max(1 - by_chance, 0.0) * confident_share(labels, pred_probs)
    sure, surely = max(seen.allowing + seen.error, 0.0), max(seen.allowing - seen.error, 0.0)
    borne_out, grows = min(_COUNTED * counted, _HARDEST * surely), 0.0
    if seen.allowing > _CLEAR * seen.error:
        grows = float(np.interp(counted / seen.allowing, _COUNTS_MORE, (0, 1)))
    growth = _GROWTH * grows
    true = raised(pred_probs, seen.power)
    errors = np.exp(growth * noise_channel.doubt(true))
    harder = sure * float(errors.mean() / errors[true.max(axis=1) >= SURE].mean())
    most = max(_HARDER * seen.plain, sure, borne_out, min(harder, _BEYOND_COUNTED * counted))
    return _Believed(borne_out * (1 - grows), most + few, growth)


def _sample(labels: Ints, pred_probs: npt.NDArray[np.floating]) -> slice:
    """Images that suffice for one number."""
    classes = pred_probs.shape[1]
    return slice(None, None, max(1, len(labels) // max(ENOUGH // classes, 5 * classes)))


def _fit(
    labels: Ints, pred_probs: npt.NDArray[np.floating], share: float, believed: _Believed, *, surest: float = np.inf
) -> Noise:
    """Two fits, the second with the first one's share in its prior. Where the likeliest power finds more wrong labels
    than are believed, or fewer, the nearest power that doesn't is taken; none is above `surest`."""
    classes, some, growth = pred_probs.shape[1], _sample(labels, pred_probs), believed.growth
    for smoothing in SMOOTHING:
        even = min(share * classes / max(classes - 1, 1), 1.0)
        prior = np.full((classes, classes), even / classes) + np.eye(classes) * (1 - even)
        power = min(_best_power(labels[some], pred_probs[some], prior, smoothing, growth), surest)

        def found(logarithm: float, prior: Floats = prior, smoothing: float = smoothing) -> float:
            return _share(labels[some], pred_probs[some], float(np.exp(logarithm)), prior, smoothing, growth)

        if (now := found(np.log(power))) > believed.most:
            power = float(np.exp(_last(lambda at: found(at) <= believed.most, _POWERS[0], np.log(power))))
        elif now < believed.least:
            power = min(float(np.exp(_last(lambda at: found(at) < believed.least, np.log(power), _POWERS[1]))), surest)
        true = raised(pred_probs, power)
        channel, _ = noise_channel.fit(labels, true, prior, smoothing, growth)
        sums = noise_channel.expect(labels, true, channel)[0]
        share = 1 - float(np.trace(sums)) / len(labels)
    return Noise(noise_channel.wrong(labels, true, channel), channel, _shares(sums), power)


def judge(labels: Ints, pred_probs: npt.NDArray[np.floating], channel: Channel, power: float) -> Floats:
    """(n,), in [0, 1]: probability that labels are wrong, also of images that the model was not fitted to.

    Args:
        labels: (n,) given class numbers, by whoever labelled the images that it was fitted to.
        pred_probs: (n, classes), rows sum to 1, of models that did not see these images.
        channel, power: of a `Noise`.
    """
    return noise_channel.wrong(labels, raised(pred_probs, power), channel)


def named(labels: Ints, pred_probs: npt.NDArray[np.floating], channel: Channel, power: float, others: Ints) -> Floats:
    """(n,), in [0, 1]: if a label is wrong, the probability that the class in `others` is the right one. A model that
    only knows what an image is not, such as a drawing among photographs, names none.

    Args:
        labels, pred_probs, channel, power: see `judge`.
        others: (n,) class numbers, none that of the label.
    """
    return noise_channel.named(labels, raised(pred_probs, power), channel, others)


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """About the greatest number from `low` to `high` of which something holds that holds of the small ones."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _share(
    labels: Ints, pred_probs: npt.NDArray[np.floating], power: float, prior: Floats, smoothing: float, growth: float
) -> float:
    """Share of wrong labels that a `power` leads to."""
    true = raised(pred_probs, power)
    channel, _ = noise_channel.fit(labels, true, prior, smoothing, growth)
    return 1 - float(np.trace(noise_channel.expect(labels, true, channel)[0])) / len(labels)


def _shares(sums: Floats) -> Floats:
    """Rows divided by their sums; those without images have ones on the diagonal."""
    counts = sums.sum(axis=1, keepdims=True)
    return np.where(counts > 0, sums / np.maximum(counts, 1e-300), np.eye(len(sums)))


def overlaps(labels: Ints, noise: Noise) -> pd.DataFrame:
    """How many images every two classes have likely exchanged.

    Returns:
        One row per pair of classes, the most first: ``a`` < ``b`` (class numbers), ``images`` (labelled as one, of
        the other), ``share`` of the images of both classes.
    """
    counts = np.bincount(labels, minlength=len(noise.held))
    moved = noise.held * counts[:, None]
    a, b = np.triu_indices(len(counts), 1)
    both = counts[a] + counts[b]
    pairs = pd.DataFrame({"a": a, "b": b, "images": moved[a, b] + moved[b, a]})[both > 0]
    pairs["share"] = pairs["images"] / both[both > 0]
    return pairs.sort_values(["share", "a", "b"], ascending=[False, True, True], ignore_index=True)


def flags(wrong: Floats, *, least: float = 0.1) -> npt.NDArray[np.bool_]:
    """Which labels to flag: the likeliest wrong ones, so many that the expected F1 score is greatest.

    Precision and recall are expected from the probabilities themselves; the threshold that this gives is half of
    the F1 score that is reached (Lipton, Elkan and Naryanaswamy 2014).

    Args:
        wrong: (n,), probability that a label is wrong.
        least: no label is flagged below this probability.
    """
    ordered = np.sort(wrong)[::-1]
    right = np.cumsum(ordered)
    expected = 2 * right / (np.arange(1, len(wrong) + 1) + wrong.sum())
    return wrong >= max(least, ordered[expected.argmax()]) if len(wrong) else wrong >= least


def _best_power(
    labels: Ints, pred_probs: npt.NDArray[np.floating], prior: Floats, smoothing: float, growth: float
) -> float:
    """The power with the greatest likelihood."""

    def loss(logarithm: float) -> float:
        return -noise_channel.fit(labels, raised(pred_probs, float(np.exp(logarithm))), prior, smoothing, growth)[1]

    from scipy.optimize import minimize_scalar  # here, for its import takes long

    return float(np.exp(minimize_scalar(loss, bounds=_POWERS, method="bounded", options={"xatol": 0.02}).x))
