"""Logits → calibrated probabilities: one temperature for all (Guo et al. 2017, "On Calibration of Modern Neural
Networks")."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import softmax

# Logits that the temperature is fitted to, at most.
_VALUES = 10_000_000
# Of labels, see `forgiving_log_loss`.
_WRONG = 0.1

Loss = Callable[[npt.NDArray[np.float32], npt.NDArray[np.integer]], float]


def log_loss(probs: npt.NDArray[np.float32], labels: npt.NDArray[np.integer]) -> float:
    """Mean −log probability of the labels, in nats."""
    own = np.maximum(probs[np.arange(len(labels)), labels], np.finfo(np.float32).tiny)
    return float(-np.log(own).mean(dtype=np.float64))


def calibrate(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.integer], loss: Loss = log_loss
) -> tuple[npt.NDArray[np.float32], float]:
    """Out-of-fold logits (repeats, n, classes) → probabilities (n, classes), averaged over the repeats, and the one
    temperature that gives them the least log loss (Guo et al. 2017), or another `loss`."""
    temperature = _temperature(logits, labels, loss)
    return _average(logits, temperature), temperature


def forgiving_log_loss(probs: npt.NDArray[np.float32], labels: npt.NDArray[np.integer]) -> float:
    """Mean −log probability of the labels, in nats, if one in ten is wrong, evenly over the other classes: so wrong
    labels don't speak against models that are sure (the forward correction of Patrini et al. 2017, with an even noise
    matrix). Probabilities (n, classes), labels (n,), at least 2 classes."""
    own = probs[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(own * (1 - _WRONG) + (1 - own) * _WRONG / (probs.shape[1] - 1)).mean())


def _average(logits: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float32]:
    """(repeats, n, classes) → mean probabilities (n, classes)."""
    probs = softmax(logits / np.float32(temperature), axis=-1).mean(0)
    normalised: npt.NDArray[np.float32] = probs / probs.sum(1, keepdims=True)
    return normalised


def _temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.integer], loss: Loss) -> float:
    """The temperature with the least loss of the averaged probabilities, from at most so many rows that
    it is quick."""
    some = slice(None, None, -(-logits.size // _VALUES))
    found = minimize_scalar(
        lambda t: loss(_average(logits[:, some], float(np.exp(t))), labels[some]),
        bounds=(-3, 3),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(found.x))
