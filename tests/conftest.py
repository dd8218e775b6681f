"""Small real datasets that several tests use."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# On a busy machine an example takes long for reasons of its own.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Hundreds of processes are started. Where Python keeps nothing that it compiled, each compiles TensorFlow again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell that runs the tests in the background ignores Ctrl-C for them, and for every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and so does nohup with the end of a terminal

#: Checks that embed or predict: an audit without them takes half a second, and no TensorFlow.
LEARNING = ("mislabeled", "outlier", "overlapping_classes", "split_shift")


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A smooth colourful picture with detail; other seeds give unlike ones."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = rng.normal(0, 12, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(coarse, dtype=float) + noise, 0, 255).astype(np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Class folders cat and dog with 8 unlike PNG pictures each."""
    root = tmp_path / "pets"
    for at, label in enumerate(("cat", "dog")):
        (root / label).mkdir(parents=True)
        for n in range(8):
            picture(100 * at + n).save(root / label / f"{n}.png")
    return root


@pytest.fixture(scope="session")
def exhausted() -> Exception:
    """What TensorFlow raises when memory runs out. (It takes ten seconds to give up: so once.)"""
    import tensorflow as tf

    with pytest.raises(tf.errors.ResourceExhaustedError) as caught:
        tf.zeros([1 << 50])  # more than any machine has
    return caught.value


@pytest.fixture
def make_picture() -> Callable[..., Image.Image]:
    return picture
