"""Are validation images copies of training images?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from imageclinic.training.diagnose.lab import Lab
from imageclinic.training.diagnose.results import Effect, Result
from imageclinic.training.diagnose.setup import Data, Images

QUESTION = "Are validation images copies of training images?"
RUNS = (0, 1)
PLACE = 10
ALWAYS = True

NEAR = 0.1  # root mean square difference of standardised thumbnails, below which two images are copies
FLAT = 4.0  # standard deviation of pixels (of 255) below which an image is too flat to have copies
SHARE = 0.02  # of the validation images: fewer copies change no accuracy that matters
MANY = 0.2  # of them: a leak, even if the accuracy on them does not show it yet
_SIDE, _LEAST, _HELD = 16, 30, 0.25


def run(lab: Lab) -> tuple[Result, Lab]:
    """Compare groups, and thumbnails that are standardised (so that brightness and contrast don't matter). The copies
    are left out of validation in all that follows; where hardly any other image is left, a quarter of the training
    images is held out instead."""
    train, val = lab.data.train, lab.data.val
    copied = np.isin(val.group, train.group) | _near(train, val)
    n, share = int(copied.sum()), float(copied.mean())
    numbers = {"copies": n, "validation_images": len(val), "share": share}
    if share < SHARE:
        answer = "None are." if not n else f"{n} of {len(val)} are: too few to matter."
        return Result(answer, numbers=numbers), lab if not n else lab.change(data=_without(lab.data, copied))
    right = lab.base().correct.mean(axis=0)
    after = lab.change(data=_without(lab.data, copied))
    others = after.base().correct.mean(axis=0) if after.data.train is not train else right[~copied]
    copies, spread = right[copied].mean(), np.sqrt(right[copied].var() / n + others.var() / len(others))
    half = float(stats.norm.ppf(0.975)) * share * float(spread)
    false = share * float(copies - others.mean())
    evidence = (
        f"{n:,} of {len(val):,} validation images ({share:.0%}) are copies of training images. The network is right on "
        f"{copies:.1%} of the copies and on {others.mean():.1%} of images that it has no copy of: "
        f"{100 * false:.1f} points of the accuracy you see are not real."
    )
    remedy = "imageclinic audit DATA, then imageclinic export RUN OUT: copies stay on one side of the split"
    fault = share >= MANY or false > half
    found = Effect("duplicates_and_leakage", false, false - half, false + half, evidence, remedy, fault)
    return Result(f"{n:,} of {len(val):,} are.", (found,), numbers), after


def _near(train: Images, val: Images) -> npt.NDArray[np.bool_]:
    a, b = thumbnails(train.x), thumbnails(val.x)
    closest = np.full(len(b), np.inf)
    size = max(1, 20_000_000 // max(1, len(a)))
    for start in range(0, len(b), size):
        rows = b[start : start + size]
        # Rows have mean 0 and mean square 1, so this is the mean squared difference.
        closest[start : start + size] = (2 - 2 * (rows @ a.T) / a.shape[1]).min(axis=1, initial=np.inf)
    return np.sqrt(np.maximum(closest, 0)) < NEAR


def thumbnails(x: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Grey, at most 16×16, standardised to mean 0 and mean square 1; a flat image becomes noise of its own."""
    step = max(1, min(x.shape[1:3]) // _SIDE)
    height, width = x.shape[1] // step * step, x.shape[2] // step * step
    grey = x[:, :height, :width].astype(np.float32).mean(axis=3)
    rows = grey.reshape(len(x), height // step, step, width // step, step).mean(axis=(2, 4)).reshape(len(x), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    scale = rows.std(axis=1, keepdims=True)
    flat = (scale <= FLAT / 255 * max(float(np.abs(x).max()), 1e-12))[:, 0]
    rows[flat] = np.random.default_rng(len(x)).normal(size=(int(flat.sum()), rows.shape[1]))
    scale[flat] = 1
    return np.asarray(rows / scale, np.float32)


def _without(data: Data, copied: npt.NDArray[np.bool_]) -> Data:
    if (~copied).sum() >= max(_LEAST, 2 * len(data.classes)):
        return replace(data, val=data.val.at(~copied))
    groups = np.unique(data.train.group)
    drawn = np.random.default_rng(0).permutation(groups)[: max(1, round(_HELD * len(groups)))]
    held = np.isin(data.train.group, drawn)
    return replace(data, train=data.train.at(~held), val=data.train.at(held))
