"""What the images that a model is surest of say of wrong labels: hard images are not among them, wrong labels are.

Of the images that a calibrated model is 98 % sure of, 2 % should carry another label than it names. Where 10 % do,
some 8 % of their labels are likely wrong. The images of which a model is sure are the *anchor points* that estimates of
label noise rest on (Liu and Tao, 2016; Patrini et al., 2017). A model with weak features is hardly ever sure, and finds
nothing beyond what it expects: without this, such a model's errors would pass for wrong labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imageclinic.core.large import large_arrays

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Powers that probabilities are raised to, and shares of wrong labels, close together where they are small.
POWERS = np.exp(np.linspace(-1, 2, 31))
SHARES = 0.6 * np.linspace(0, 1, 61) ** 2
#: The surest images, as shares of all, of which the one with the clearest answer counts.
_SUREST = (0.05, 0.1, 0.2, 0.4)
#: Fewer images are no sample.
_LEAST = 20
#: Sure of an image is a model at this probability, and sure on the whole of at least this share of the images, or of
#: this many by the number of classes: a vague model is sure of more where there are two. With ImageNet features 15 to
#: 100 % of photographs were so (least where 42 % of the labels are wrong), with 8 × 8 pixels as features at most 5 %.
SURE, _MANY, _MANY_BY_CLASSES = 0.9, 0.1, 0.6


@dataclass(frozen=True)
class Unexpected:
    """By how much the surest predictions contradict the given labels more often than they expect to, twice: with the
    probabilities calibrated as if no label were wrong, and as if a share were.

    Many wrong labels make a calibrated model unsure of everything, so that the first falls short of them (of 20 % and
    30 % drawn at random it saw 11 % and 14 %); the second is only known of a model that is sure of many images.
    `plain` (which of several samples shows most is chosen after `errors` standard errors are taken off, and 0 where
    none shows anything), `allowing`: shares in [0, 1], null where unknown; `error`: standard error of `allowing`;
    `power`: what the probabilities are raised to for it."""

    plain: float
    allowing: float | None
    error: float
    power: float


def likelihood(own: Floats, share: float, classes: int) -> Floats:
    """Log likelihood of the given labels, whose probabilities by the model are `own`, when a share η of them is wrong,
    evenly over the other classes: (1 − η) · p + η · (1 − p) / (classes − 1)."""
    return np.asarray(np.log(np.maximum(own * (1 - share) + (1 - own) * share / (classes - 1), 1e-300)))


def raised(pred_probs: npt.NDArray[np.floating], power: float) -> npt.NDArray[np.float32]:
    """Probabilities (n, classes) to the `power`, rows summing to 1, none of them 0. A large array is in a file, see
    `core.large.large_arrays`."""
    size = large_arrays.rows_at_once(pred_probs.shape[1], np.float32)
    starts = range(0, len(pred_probs), size)
    pieces = (_raised(pred_probs[at : at + size], power) for at in starts)
    return large_arrays.filled(pieces, pred_probs.shape, np.float32, None)


def _raised(pred_probs: npt.NDArray[np.floating], power: float) -> npt.NDArray[np.float32]:
    raised = np.log(np.maximum(pred_probs, 1e-12), dtype=np.float32)
    raised *= np.float32(power)
    raised -= raised.max(axis=1, keepdims=True)
    np.exp(raised, out=raised)
    raised /= raised.sum(axis=1, keepdims=True)
    return raised


def own_probabilities(labels: Ints, pred_probs: npt.NDArray[np.floating]) -> Floats:
    """(powers, n): probability of each given label, raised to each of `POWERS`."""
    own = np.arange(len(labels)), labels
    return np.stack([raised(pred_probs, float(p))[own] for p in POWERS]).astype(np.float64)


def unexpected_disagreement(
    labels: Ints, pred_probs: npt.NDArray[np.floating], own: Floats, *, errors: float = 1.0
) -> Unexpected:
    """Compare what the surest predictions expect with the labels that were given.

    Args:
        labels: (n,) given class numbers.
        pred_probs: (n, classes), rows sum to 1, at least 2 classes: out-of-fold probabilities of the given label, of
            any sureness: they are calibrated here, by the powers with the greatest likelihood.
        own: of these, see `own_probabilities`.
        errors: standard errors that are taken off `plain`, so that little is seen in few images.

    Returns:
        Estimates of the share of wrong labels among the surest images. People mislabel hard images more often, so among
        all images it may be larger.
    """
    classes = pred_probs.shape[1]
    if len(labels) * max(_SUREST) < _LEAST:
        return Unexpected(0.0, None, 0.0, 1.0)
    fits = np.stack([likelihood(own, float(share), classes).sum(axis=1) for share in SHARES])
    plain = _excess(labels, raised(pred_probs, float(POWERS[fits[0].argmax()])))
    found = 0.0
    for share in _SUREST:
        surest = plain.excess[: int(share * len(labels))]
        if len(surest) >= _LEAST:
            found = max(found, float(surest.mean()) - errors * _error(surest))
    power = float(POWERS[fits.argmax() % len(POWERS)])
    allowing = _excess(labels, raised(pred_probs, power))
    sure = allowing.excess[: int((allowing.sureness >= SURE).sum())]
    if len(sure) < max(_LEAST, max(_MANY, _MANY_BY_CLASSES / classes) * len(labels)):
        return Unexpected(found, None, 0.0, power)
    return Unexpected(found, float(sure.mean()), _error(sure), power)


@dataclass(frozen=True)
class _Surest:
    sureness: Floats  # (n,), descending
    excess: Floats  # (n,): 1 where the label is another one, less the probability of that


def _excess(labels: Ints, calibrated: npt.NDArray[np.float32]) -> _Surest:
    sureness = calibrated.max(axis=1).astype(np.float64)
    excess = (calibrated.argmax(axis=1) != labels) - (1 - sureness)
    order = np.argsort(-sureness, kind="stable")
    return _Surest(sureness[order], excess[order])


def _error(values: Floats) -> float:
    return float(values.std() / np.sqrt(len(values)))
