"""Whether mirroring keeps a dataset's labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits

from imageclinic.training.data import mirror_check

pytestmark = pytest.mark.slow


def test_digits_are_not_mirrored() -> None:
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels[:600].reshape(-1, 8, 8, 1) * 15).astype(np.uint8)
    assert not mirror_check.keeps_labels(images, labels[:600], np.arange(600) % 5 == 0, 10)


def _ramps(labels: npt.NDArray[np.int64], *, sided: bool) -> npt.NDArray[np.uint8]:
    """Noisy images, bright above (class 0) or below (1), or on the left or the right where `sided`."""
    random = np.random.default_rng(0)
    ramp = np.linspace(0, 120, 8)
    lines = np.where(labels[:, None] == 0, ramp[::-1], ramp)
    images = lines[:, None, :] if sided else lines[:, :, None]
    noisy = np.broadcast_to(images, (len(labels), 8, 8)) + random.uniform(0, 120, (len(labels), 8, 8))
    return noisy[..., None].astype(np.uint8)


def test_left_and_right_are_not_but_above_and_below_are() -> None:
    labels = np.arange(300) % 2
    validation = np.arange(300) % 5 == 0
    assert not mirror_check.keeps_labels(_ramps(labels, sided=True), labels, validation, 2)
    assert mirror_check.keeps_labels(_ramps(labels, sided=False), labels, validation, 2)
