"""Several people label the same images: which label is right, and how often each of them is.

The noise model of `audit.labels.noise_model` with one channel for each annotator::

    P(labels of an image)  =  Σ_k  P(true = k | image) · Π_a matrix_a[k, label_a]

P(true | image) is the share of the classes, or a model's out-of-fold prediction made surer or less sure by a power that
is fitted by likelihood. Without a model this is Dawid and Skene (1979), fitted by expectation maximisation. An annotator
who labelled few images is no worse known than that: each row of a matrix begins, worth `SMOOTHING` images, as the
annotator's own share of right labels, with errors spread as those of all annotators together. A share of right labels
itself begins as that of all, worth `SMOOTHING` labels.

That annotators err independently of each other, given the class, is the assumption that all of these methods share. On
hard images they do not: all of them see the same blurred frog as a bird. So several labels count for somewhat less than
the product of their channels (`DEPENDENCE`).
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
#: What the labels of an image count beyond the first: 1 is independent annotators, 0 is annotators who copy.
DEPENDENCE = 1.0
#: Share of right labels that a fit begins with, and the labels that this is worth.
_BEGIN, _WORTH = 0.8, 10.0
_POWERS = (-2.5, 1.0)  # natural logarithms of the least and the greatest power
_STEPS, _SETTLED = 200, 1e-4
_ENOUGH = 5_000  # images that the power is fitted to
_INTERVAL = 0.95


@dataclass(frozen=True)
class Consensus:
    """What a fit found; images, annotators and labels in the order of the arguments of `fit`."""

    probabilities: Floats
    """(images, classes), rows sum to 1: probability of each class."""
    right: Floats
    """(labels,), in [0, 1]: probability that each given label is right."""
    quality: Floats
    """(annotators,), in [0, 1]: share of each annotator's labels that is right."""
    low: Floats
    high: Floats
    """(annotators,): 95 % intervals of `quality`, from the number of labels and how sure the consensus is of them."""
    power: float | None
    """What the model's probabilities were raised to; None without a model."""


def fit(
    image: Ints,
    annotator: Ints,
    label: Ints,
    *,
    images: int,
    annotators: int,
    classes: int,
    pred_probs: npt.NDArray[np.floating] | None = None,
) -> Consensus:
    """Fit the channels of all annotators. Nothing is drawn at random.

    Args:
        image, annotator, label: (labels,) numbers from 0: who labelled which image as what; each pair of image and
            annotator once.
        images, annotators, classes: how many there are; an image without labels is judged by the model alone.
        pred_probs: (images, classes), rows sum to 1: out-of-fold probabilities of a model that was trained on some
            consensus of these labels. None: the annotators alone.

    Returns:
        The consensus. Time and memory are proportional to (images + distinct labels of annotators) × classes.
    """
    votes = _Votes(image, annotator, label, images, annotators, classes)
    power = None if pred_probs is None else _best_power(votes, pred_probs)
    probabilities, _ = _settle(votes, None if pred_probs is None else _prior(pred_probs, power or 1.0))
    right = probabilities[image, label]
    count = np.bincount(annotator, minlength=annotators)
    quality = np.bincount(annotator, right, annotators) / np.maximum(count, 1)
    low, high = _interval(quality, count, np.bincount(annotator, right * (1 - right), annotators))
    return Consensus(probabilities, right, quality, low, high, power)


class _Votes:
    """Labels as a sparse matrix: images × distinct pairs (annotator, class named)."""

    def __init__(self, image: Ints, annotator: Ints, label: Ints, images: int, annotators: int, classes: int) -> None:
        from scipy.sparse import csr_array  # here, for its import takes long

        pairs, place = np.unique(annotator.astype(np.int64) * classes + label, return_inverse=True)
        self.of, self.named = pairs // classes, pairs % classes  # of each pair: annotator, class
        self.given = csr_array((np.ones(len(image)), (image, place)), shape=(images, len(pairs)))
        self.by = csr_array((np.ones(len(pairs)), (self.of, np.arange(len(pairs)))), shape=(annotators, len(pairs)))
        self.classes = classes
        many = np.bincount(image, minlength=images)
        self.weight = (1 + DEPENDENCE * (many - 1)) / np.maximum(many, 1)

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

    return float(np.exp(minimize_scalar(loss, bounds=_POWERS, method="bounded", options={"xatol": 0.05}).x))


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
