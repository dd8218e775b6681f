"""Streams image files through an embedder, a batch at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from imageclinic.training.data import image_pipelines
from imageclinic.training.embed.embedder import Floats, Halving, Ready, checked
from imageclinic.training.models import backbones

_BATCH = {"CPU": 32, "GPU": 256}


def most_at_once() -> int:
    """Images in a batch on this machine's device."""
    return _BATCH["GPU" if backbones.has_gpu() else "CPU"]


def in_batches(ready: Ready, name: str) -> Callable[[Sequence[Path], Callable[[int], None]], Floats]:
    """A function that streams files through an embedder, with a callback for the number of images done.

    It raises InputError when an image can't be decoded, and for vectors of another shape or that are not finite.
    """
    take, most = Halving(ready.vectors), most_at_once()

    def embed_them(paths: Sequence[Path], report: Callable[[int], None]) -> Floats:
        found = np.empty((len(paths), ready.width), np.float32)
        images = image_pipelines.streamed(paths, ready.size, batch_size=most, channels=ready.channels)
        with contextlib.closing(images):
            for number, batch in enumerate(images):
                at = slice(number * most, number * most + len(batch))
                found[at] = checked(take(batch.astype(ready.takes, copy=False)), len(batch), name)
                report(at.stop)
        return found

    return embed_them
