"""Logits → calibrated probabilities: one temperature for all (Guo et al. 2017, "On Calibration of Modern Neural
Networks")."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import softmax

# Logits that the temperature is fitted to, at most.
_VALUES = 10_000_000


def calibrate(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.float32], float]:
    """Out-of-fold logits (repeats, n, classes) → probabilities (n, classes), averaged over the repeats, and the one
    temperature that gives them the least log loss (Guo et al. 2017)."""
    temperature = _temperature(logits, labels)
    return _average(logits, temperature), temperature


def log_loss(probs: npt.NDArray[np.float32], labels: npt.NDArray[np.integer]) -> float:
    """Mean −log probability of the labels, in nats."""
    own = np.maximum(probs[np.arange(len(labels)), labels], np.finfo(np.float32).tiny)
    return float(-np.log(own).mean(dtype=np.float64))


def _average(logits: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float32]:
    """(repeats, n, classes) → mean probabilities (n, classes)."""
    probs = softmax(logits / np.float32(temperature), axis=-1).mean(0)
    normalised: npt.NDArray[np.float32] = probs / probs.sum(1, keepdims=True)
    return normalised


def _temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.integer]) -> float:
    """The temperature with the least log loss of the averaged probabilities, from at most so many rows that
    it is quick."""
    some = slice(None, None, -(-logits.size // _VALUES))
    found = minimize_scalar(
        lambda t: log_loss(_average(logits[:, some], float(np.exp(t))), labels[some]),
        bounds=(-3, 3),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(found.x))
