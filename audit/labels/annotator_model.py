"""Several people label the same images: which label is right, and how often each of them is.

The noise model of `audit.labels.noise_model` with one channel for each annotator::

    P(labels of an image)  =  Σ_k  P(true = k | image) · Π_a matrix_a[k, label_a]

P(true | image) is the share of the classes, or a model's out-of-fold prediction made surer or less sure by a power that
is fitted by likelihood. Without a model this is Dawid and Skene (1979), fitted by expectation maximisation. Of an
annotator who labelled little, little is known: each row of a matrix begins, worth `SMOOTHING` images, as that person's
own share of right labels, with errors spread as those of all annotators together. A share of right labels itself begins
as that of all, worth `SMOOTHING` labels.

That annotators err independently of each other, given the class, is the assumption that all of these methods share. On
hard images they do not: all of them see the same blurred frog as a bird. So several labels count for less than the
product of their channels (`BEYOND_FIRST`), and how good an annotator is has an interval that allows for either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imageclinic.audit.labels.sure_images import raised

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]

#: Images of each class, and labels of each annotator, that the priors are worth.
SMOOTHING = 10.0
#: What each label of an image beyond the first counts: 1 for annotators who err independently, 0 for copies of one. On
#: half of CIFAR-10N's images .35 and .5 gave the best consensus and the best annotator quality of five values.
BEYOND_FIRST = 0.5
#: Intervals of quality hold for annotators anywhere between these two.
_INDEPENDENT, _TOGETHER = 1.0, 0.25
#: Share of right labels that a fit begins with, and the labels that this is worth.
_BEGIN, _WORTH = 0.8, 10.0
_POWERS = (-2.5, 1.0)  # natural logarithms of the least and the greatest power
_STEPS, _SETTLED = 200, 1e-4
_ENOUGH = 2_500  # images that the power is fitted to
_INTERVAL = 0.95


@dataclass(frozen=True)
class Labels:
    """Who labelled which image as what: numbers from 0, of the same length; each pair of image and annotator once."""

    image: Ints
    annotator: Ints
    label: Ints
    images: int
    annotators: int
    classes: int


@dataclass(frozen=True)
class Consensus:
    """What a fit found."""

    probabilities: Floats
    """(images, classes), rows sum to 1: probability of each class."""
    quality: Floats
    """(annotators,), in [0, 1]: share of each annotator's labels that is right; 0 of those who labelled nothing."""
    doubt: Floats
    """(annotators,): sum over their labels of p · (1 − p), where p is the probability that the label is right."""
    power: float | None
    """What the model's probabilities were raised to; None without a model."""


def fit(
    labels: Labels, pred_probs: npt.NDArray[np.floating] | None = None, *, beyond_first: float = BEYOND_FIRST
) -> Consensus:
    """Fit the channels of all annotators. Nothing is drawn at random.

    Args:
        labels: what was said; an image without labels is judged by the model alone.
        pred_probs: (images, classes), rows sum to 1: out-of-fold probabilities of a model that was trained on some
            consensus of these labels. None: the annotators alone.
        beyond_first: in [0, 1], what each label of an image beyond the first counts.

    Returns:
        The consensus. Time and memory are proportional to (images + distinct labels of annotators) × classes.
    """
    votes = _Votes(labels, beyond_first)
    power = None
    if pred_probs is not None:
        step = max(1, labels.images // _ENOUGH)
        power = _best_power(_Votes(_every(labels, step), beyond_first) if step > 1 else votes, pred_probs[::step])
    probabilities, _ = _settle(votes, None if pred_probs is None or power is None else _prior(pred_probs, power))
    right = probabilities[labels.image, labels.label]
    sums = [np.bincount(labels.annotator, each, labels.annotators) for each in (right, right * (1 - right))]
    return Consensus(probabilities, sums[0] / np.maximum(_counts(labels), 1), np.asarray(sums[1], np.float64), power)


def intervals(labels: Labels, pred_probs: npt.NDArray[np.floating] | None = None) -> tuple[Floats, Floats]:
    """(annotators,) lower and upper ends of each annotator's share of right labels: 95 % by the number of labels and
    how sure the consensus is of them, wide enough for annotators who err independently and for those who often err
    together.

    Args: as of `fit`.
    """
    ends = [
        _interval(found.quality, _counts(labels), found.doubt)
        for found in (fit(labels, pred_probs, beyond_first=b) for b in (_INDEPENDENT, BEYOND_FIRST, _TOGETHER))
    ]
    return np.min([low for low, _ in ends], axis=0), np.max([high for _, high in ends], axis=0)


def _counts(labels: Labels) -> Ints:
    return np.bincount(labels.annotator, minlength=labels.annotators)


def _every(labels: Labels, step: int) -> Labels:
    """The labels of every so many-th image: they suffice for one number."""
    some = labels.image % step == 0
    images = -(-labels.images // step)
    picked = (labels.image[some] // step, labels.annotator[some], labels.label[some])
    return Labels(*picked, images, labels.annotators, labels.classes)


class _Votes:
    """Labels as a sparse matrix: images × distinct pairs (annotator, class named)."""

    def __init__(self, labels: Labels, beyond_first: float) -> None:
        from scipy.sparse import csr_array  # here, for its import takes long

        pairs, place = np.unique(labels.annotator.astype(np.int64) * labels.classes + labels.label, return_inverse=True)
        self.of, self.named = pairs // labels.classes, pairs % labels.classes  # of each pair: annotator, class
        ones, shape = np.ones(len(place)), (labels.images, len(pairs))
        self.given = csr_array((ones, (labels.image, place)), shape=shape)
        own = (np.ones(len(pairs)), (self.of, np.arange(len(pairs))))
        self.by = csr_array(own, shape=(labels.annotators, len(pairs)))
        self.classes = labels.classes
        many = np.bincount(labels.image, minlength=labels.images)
        self.weight = (1 + beyond_first * (many - 1)) / np.maximum(many, 1)

    def first(self) -> Floats:
        """(images, classes): shares of the votes, an image without votes evenly."""
        votes = np.full((self.given.shape[0], self.classes), 1e-2)
        for named in np.unique(self.named):
            votes[:, named] += self.given[:, np.flatnonzero(self.named == named)].sum(axis=1)
        return votes / votes.sum(axis=1, keepdims=True)


def _prior(pred_probs: npt.NDArray[np.floating], power: float) -> Floats:
    return np.log(np.maximum(raised(pred_probs, power), 1e-12), dtype=np.float64)


def _settle(votes: _Votes, prior: Floats | None, start: Floats | None = None) -> tuple[Floats, float]:
    """Expectation maximisation: (images, classes) probabilities, and the log likelihood per image.

    Args:
        votes: the labels.
        prior: (images, classes) logarithms of the classes' probabilities; None: the classes' shares, fitted.
        start: (images, classes) probabilities to begin with; None: the votes.
    """
    found, likelihood = votes.first() if start is None else start, -np.inf
    for _ in range(_STEPS):
        channels = _channels(votes, found)
        shares = prior if prior is not None else np.log((found.sum(axis=0) + 1) / (len(found) + votes.classes))
        joint = (votes.given @ np.log(channels)) * votes.weight[:, None] + shares
        most = joint.max(axis=1, keepdims=True)
        updated = np.exp(joint - most)
        sums = updated.sum(axis=1, keepdims=True)
        updated /= sums
        likelihood = float((most + np.log(sums)).mean())
        change = np.abs(updated - found).max() if len(found) else 0.0
        found = updated
        if change < _SETTLED:
            break
    return found, likelihood


def _channels(votes: _Votes, found: Floats) -> Floats:
    """(pairs, classes): probability that an annotator names the pair's class, for each true class."""
    pairs = np.arange(len(votes.named))
    counts = votes.given.T @ found
    own = counts[pairs, votes.named]
    every = votes.by @ counts
    right, total = votes.by @ own, every.sum(axis=1)
    overall = (right.sum() + _BEGIN * _WORTH) / (total.sum() + _WORTH)
    quality = (right + SMOOTHING * overall) / (total + SMOOTHING)
    errors = np.full((votes.classes, votes.classes), SMOOTHING / max(votes.classes - 1, 1))
    np.add.at(errors, votes.named, counts)  # [named, true]
    np.fill_diagonal(errors, 0)
    errors /= np.maximum(errors.sum(axis=0), 1e-300)
    expected = errors[votes.named] * (1 - quality[votes.of])[:, None]
    expected[pairs, votes.named] = quality[votes.of]
    return np.maximum((counts + SMOOTHING * expected) / (every[votes.of] + SMOOTHING), 1e-12)


def _best_power(votes: _Votes, pred_probs: npt.NDArray[np.floating]) -> float:
    """The power of the model's probabilities with the greatest likelihood of the labels."""
    from scipy.optimize import minimize_scalar  # as above

    def loss(logarithm: float) -> float:
        return -_settle(votes, _prior(pred_probs, float(np.exp(logarithm))))[1]

    return float(np.exp(minimize_scalar(loss, bounds=_POWERS, method="bounded", options={"xatol": 0.1}).x))


def _interval(quality: Floats, count: Ints, doubt: Floats) -> tuple[Floats, Floats]:
    """Beta intervals (Jeffreys prior) whose variance is that of drawing `count` labels and of not knowing which are
    right; `doubt` is the sum of the labels' variances."""
    from scipy.special import betaincinv  # as above

    n = np.maximum(count, 1)
    drawn = quality * (1 - quality) / n
    worth = n * drawn / np.maximum(drawn + doubt / n**2, 1e-300)
    worth = np.where(count > 0, np.where(drawn > 0, worth, n), 0.0)
    a, b = worth * quality + 0.5, worth * (1 - quality) + 0.5
    tail = (1 - _INTERVAL) / 2
    return np.asarray(betaincinv(a, b, tail)), np.asarray(betaincinv(a, b, 1 - tail))
