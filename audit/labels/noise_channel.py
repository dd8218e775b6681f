"""How labels go wrong: a noise matrix, and odds of an error that grow with how hard an image is.

People err more often on hard images. Of an image whose likeliest class has the probability s, the odds of a wrong label
are those of its class times ((1 − s) / s)^growth, relative to the images that the channel was fitted to; which wrong
label it is depends on the class alone. With a growth of 0 this is the noise matrix of Bekker and Goldberger (2016); on
CIFAR-10N the logarithm of the odds is linear in that of doubt, with a growth of .2 to .3 (by the true labels).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating]

_SUREST = 0.999  # no image is surer than this: what is beyond says nothing of how hard it is
_STEPS, _SETTLED = 200, 1e-4
_CHUNK = 4_000_000  # probabilities that are worked on at once


@dataclass(frozen=True)
class Channel:
    """P(given = j | true = k, image)."""

    matrix: Floats
    """(classes, classes), rows sum to 1: how often an image of a class, as hard as most, is labelled as each."""
    growth: float
    """By how much the odds of an error grow with doubt, at least 0."""
    level: float
    """Mean log odds of doubt of the images that it was fitted to."""


def doubt(true: Probabilities) -> Floats:
    """(n, classes) → (n,): log odds that the likeliest class is not the right one."""
    surest = np.clip(true.max(axis=1).astype(np.float64), 1e-6, _SUREST)
    return np.asarray(np.log((1 - surest) / surest))


def fit(labels: Ints, true: Probabilities, prior: Floats, smoothing: float, growth: float) -> tuple[Channel, float]:
    """The likeliest channel, by expectation maximisation.

    Args:
        labels: (n,) given class numbers.
        true: (n, classes), rows sum to 1: probabilities of the true classes.
        prior: (classes, classes), rows sum to 1: a noise matrix that is worth `smoothing` images of each class.
        smoothing: see there.
        growth: see `Channel`.

    Returns:
        The channel, and the log likelihood of the labels with the prior's, per image.
    """
    channel = Channel(prior, growth, float(doubt(true).mean()) if growth else 0.0)
    for _ in range(_STEPS):
        sums, errors, _ = expect(labels, true, channel)
        matrix = _updated(channel.matrix, sums.T + smoothing * prior, errors, smoothing, growth)
        change = np.abs(matrix - channel.matrix).max()
        channel = Channel(matrix, growth, channel.level)
        if change < _SETTLED:
            break
    likelihood = expect(labels, true, channel)[2]
    believed = smoothing * float(np.sum(prior * np.log(np.maximum(channel.matrix, 1e-300))))
    return channel, (likelihood + believed) / len(labels)


def _updated(matrix: Floats, counts: Floats, errors: Floats, smoothing: float, growth: float) -> Floats:
    """The next noise matrix, from expected counts (true class, given class) and the errors that the last one expects of
    each true class. Odds of errors that depend on the image have no closed form: a fixed point."""
    if not growth:
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))
    right = np.maximum(np.diag(matrix), 1e-12)
    spread = counts * (1 - np.eye(len(counts)))
    wrong = spread.sum(axis=1)
    odds = (1 - right) / right * wrong / np.maximum(errors + smoothing * (1 - right), 1e-300)
    updated = spread / np.maximum(wrong, 1e-300)[:, None] * (odds / (1 + odds))[:, None]
    return np.asarray(updated + np.diag(1 / (1 + odds)))


def expect(labels: Ints, true: Probabilities, channel: Channel) -> tuple[Floats, Floats, float]:
    """Expected number of images (given class, true class); (classes,) errors that the channel expects of each true
    class, all 0 with a growth of 0; log likelihood of the given labels."""
    from scipy.sparse import csr_array  # here, for its import takes long

    classes = len(channel.matrix)
    sums, errors, likelihood = np.zeros((classes, classes)), np.zeros(classes), 0.0
    size = max(1, _CHUNK // classes)
    for start in range(0, len(labels), size):
        rows = labels[start : start + size]
        joint, rates = _joint(rows, true[start : start + size], channel)
        given = joint.sum(axis=1, keepdims=True)
        joint /= given
        members = csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(classes, len(rows)))
        sums += members @ joint
        if rates is not None:
            errors += np.einsum("nk,nk->k", joint, rates)
        likelihood += float(np.log(given).sum())
    return sums, errors, likelihood


def wrong(labels: Ints, true: Probabilities, channel: Channel) -> Floats:
    """(n,), in [0, 1]: probability that the given label is not the true class."""
    found, size = np.empty(len(labels)), max(1, _CHUNK // len(channel.matrix))
    for start in range(0, len(labels), size):
        rows = labels[start : start + size]
        joint, _ = _joint(rows, true[start : start + size], channel)
        found[start : start + size] = 1 - joint[np.arange(len(rows)), rows] / joint.sum(axis=1)
    return np.clip(found, 0, 1)


def named(labels: Ints, true: Probabilities, channel: Channel, others: Ints) -> Floats:
    """(n,), in [0, 1]: probability that an image is of the class in `others` (n,), not the given one, if its label is
    wrong. 0 where a wrong label is impossible."""
    found, size = np.empty(len(labels)), max(1, _CHUNK // len(channel.matrix))
    for start in range(0, len(labels), size):
        rows = labels[start : start + size]
        joint, _ = _joint(rows, true[start : start + size], channel)
        each = np.arange(len(rows))
        joint[each, rows] = 0
        found[start : start + size] = joint[each, others[start : start + size]] / np.maximum(joint.sum(axis=1), 1e-300)
    return found


def _joint(labels: Ints, true: Probabilities, channel: Channel) -> tuple[Floats, Floats | None]:
    """(n, classes) P(true = k, given label | image), and P(wrong | true = k, image); the latter None with a growth of
    0, where it is the matrix's."""
    if not channel.growth:
        return np.asarray(true * np.take(channel.matrix.T, labels, axis=0), np.float64), None
    right = np.maximum(np.diag(channel.matrix), 1e-12)
    odds = np.exp(channel.growth * (doubt(true) - channel.level))[:, None] * ((1 - right) / right)
    rates = odds / (1 + odds)
    spread = channel.matrix * (1 - np.eye(len(right)))
    spread /= np.maximum(spread.sum(axis=1, keepdims=True), 1e-300)
    joint = true * rates * np.take(spread.T, labels, axis=0)
    own = np.arange(len(labels)), labels
    joint[own] = true[own] * (1 - rates[own])
    return joint, rates
