"""Class names as one more witness of labels: what a network with a text tower makes of each image from the names alone
(zero-shot: Radford et al., 2021). It never saw a label, so that wrong ones can't mislead it; but names say little where
they are numbers or jargon. So it counts for as much as it helps to predict the given labels, beside what the heads
predict out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

#: Probabilities that the weights are fitted to, at most.
_VALUES = 10_000_000
#: What the weights may be: of the heads' log probabilities, and of the cosines (CLIP itself multiplies them by 100).
_HEADS, _NAMES = (0.05, 3.0), (0.0, 300.0)
#: By how many standard errors the names must help.
_BEYOND_CHANCE = 2.0


@dataclass(frozen=True)
class Joined:
    """Probabilities (n, classes) of heads and names together; `before` and `after`: their log loss in nats, equal where
    the names don't help beyond chance, and the probabilities are then those of the heads."""

    probs: Floats
    before: float
    after: float


def prompts(classes: Sequence[str]) -> list[str]:
    """What the text tower reads for each class."""
    return [f"a photo of a {' '.join(name.replace('_', ' ').replace('-', ' ').split())}" for name in classes]


def join(probs: Floats, images: Floats, names: Floats, labels: Ints) -> Joined:
    """Heads and names as a product of powers, fitted by likelihood of the given labels: two numbers, convex.

    Args:
        probs: (n, classes), out of fold.
        images: (n, width) vectors of the images.
        names: (classes, width) vectors of the class names, of the same network.
        labels: (n,) given class numbers.
    """
    from scipy.optimize import minimize

    length = np.linalg.norm(images, axis=1, keepdims=True) * np.linalg.norm(names, axis=1)
    cosines = np.asarray(images @ names.T / np.maximum(length, 1e-12), np.float64)
    logs = np.log(np.maximum(probs, 1e-12), dtype=np.float64)
    some = slice(None, None, max(1, -(-probs.size // _VALUES)))
    parts = logs[some], cosines[some]
    own = np.arange(len(labels[some])), labels[some]

    def losses(weights: Floats) -> Floats:
        return -np.log(np.maximum(_product(*parts, weights)[own], 1e-300))

    def loss(weights: Floats) -> tuple[float, Floats]:
        joint = _product(*parts, weights)
        slope = [float(((joint * part).sum(axis=1) - part[own]).mean()) for part in parts]
        return float(-np.log(np.maximum(joint[own], 1e-300)).mean()), np.array(slope)

    alone = minimize(loss, (1.0, 0.0), jac=True, bounds=(_HEADS, (0.0, 0.0)), method="L-BFGS-B").x
    both = minimize(loss, (1.0, 10.0), jac=True, bounds=(_HEADS, _NAMES), method="L-BFGS-B").x
    before, after = losses(alone), losses(both)
    gain = before - after
    if gain.mean() <= _BEYOND_CHANCE * gain.std() / np.sqrt(max(len(gain), 1)):
        return Joined(probs, float(before.mean()), float(before.mean()))
    return Joined(_product(logs, cosines, both), float(before.mean()), float(after.mean()))


def _product(logs: Floats, cosines: Floats, weights: Floats) -> Floats:
    """(n, classes), rows sum to 1."""
    joint = weights[0] * logs + weights[1] * cosines
    joint -= joint.max(axis=1, keepdims=True)
    np.exp(joint, out=joint)
    joint /= joint.sum(axis=1, keepdims=True)
    return joint
