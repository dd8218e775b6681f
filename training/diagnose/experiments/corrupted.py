"""Are images damaged, empty or noise?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from imageclinic.training.diagnose.experiments import copies
from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Effect, NothingToTry, Result

QUESTION = "Are images flat or noise?"
RUNS = (0, 1)
PLACE = 90

SHARE = 0.03  # of images at least: of clean digits, hands and photographs up to 1 % look odd
FAR_ROUGH, FAR_UNLIKE = 6.0, 4.5  # robust standard deviations above the median
_MAIN, _SOME = 30, 1000  # principal components; images that they are made of


def run(lab: Lab) -> tuple[Result, Lab]:
    """Images whose contrast or roughness lies far from the others', in training and validation; the network trained
    and judged without them. (Unreadable files never get here: the audit lists them.)"""
    train, val = lab.data.train, lab.data.val
    unlike = odd(np.concatenate([train.x, val.x]))
    bad, judged = unlike[: len(train)], unlike[len(train) :]
    numbers = {"training": int(bad.sum()), "validation": int(judged.sum())}
    if unlike.mean() < SHARE:
        raise NothingToTry(f"{unlike.sum()} of {len(unlike):,} images are flat or noise")
    if (~judged).sum() < 20 or len(set(train.y[~bad])) < lab.classes:
        raise NothingToTry(f"{unlike.sum()} of {len(unlike):,} images are flat or noise: too many to do without")
    base = lab.base().correct
    cleaned = lab.trial(train=train.at(~bad)).correct
    gains = cleaned[:, ~judged].mean(axis=1) - base.mean(axis=1)
    each = (cleaned * (~judged / (~judged).mean()) - base).mean(axis=0)
    spread = np.sqrt(gains.var(ddof=1) / len(gains) + each.var() / len(each))
    half = float(stats.t.ppf(0.975, 2 * (len(gains) - 1)) * spread)
    estimate = float(gains.mean())
    evidence = (
        f"{bad.sum():,} of {len(train):,} training and {judged.sum():,} of {len(val):,} validation images are flat or "
        f"noise. Without them accuracy is {base.mean() + estimate:.1%} instead of {base.mean():.1%}."
    )
    remedy = "imageclinic audit DATA lists them (low_information, outlier, corrupted): fix or drop them"
    found = Effect("corrupted_input", estimate, estimate - half, estimate + half, evidence, remedy)
    return Result(f"{unlike.sum():,} of {len(unlike):,} are.", (found,), numbers), lab


def odd(x: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Images that are flat, rougher than all others, or unlike the others' principal components (noise is both on
    photographs, but only the last on small digits)."""
    grey = x.astype(np.float32).mean(axis=3)
    contrast = grey.std(axis=(1, 2))
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2))
    flat = contrast < 0.02 * max(float(np.median(contrast)), 1e-12)
    rows = copies.thumbnails(x)
    some = rows[np.random.default_rng(0).permutation(len(rows))[:_SOME]]
    main = np.linalg.eigh(some.T @ some)[1][:, -min(_MAIN, rows.shape[1] // 3) :]
    unlike = 1 - np.square(rows @ main).sum(axis=1) / rows.shape[1]
    rough = steps / np.maximum(contrast, 1e-6)
    return np.asarray(flat | (_far(rough, ~flat) > FAR_ROUGH) | (_far(unlike, ~flat) > FAR_UNLIKE))


def _far(values: npt.NDArray[np.floating], rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.floating]:
    """Robust standard deviations above the median of `rows`."""
    centre = np.median(values[rows]) if rows.any() else 0.0
    scale = 1.4826 * float(np.median(np.abs(values[rows] - centre))) if rows.any() else 1.0
    return np.asarray((values - centre) / max(scale, 1e-6))
