"""May images be mirrored left and right without changing their class? Photos of things may; digits may not."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from imageclinic.training.predict import linear_probe

Rows: TypeAlias = npt.NDArray[np.float32]
#: Nats of validation loss that mirrored training images may cost: less is noise.
ALLOWED = 0.02


def cost(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], validation: npt.NDArray[np.bool_], classes: int
) -> float:
    """What it costs a linear classifier on pixels, in nats of validation loss, to learn from mirrored images as well.

    Where a mirrored image keeps its class, twice the training images help or do nothing. Where it looks like another
    class, or like none, they teach what is wrong.

    Args:
        images: uint8 (n, height, width, channels), small: 16×16 is enough.
        labels: class numbers, (n,).
        validation: bool (n,): the images that are judged on, never mirrored.
        classes: number of classes.
    """
    rows = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    mirrored = images[~validation, :, ::-1].reshape(int((~validation).sum()), -1).astype(np.float32) / np.float32(255)
    alone = _loss(rows, labels, validation, classes)
    both = _loss(
        np.concatenate([rows, mirrored]).astype(np.float32),
        np.concatenate([labels, labels[~validation]]),
        np.concatenate([validation, np.zeros(len(mirrored), bool)]),
        classes,
    )
    return both - alone


def keeps_labels(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer], validation: npt.NDArray[np.bool_], classes: int
) -> bool:
    """Whether images may be mirrored: `cost` is at most `ALLOWED`."""
    return cost(images, labels, validation, classes) <= ALLOWED


def _loss(rows: Rows, labels: npt.NDArray[np.integer], validation: npt.NDArray[np.bool_], classes: int) -> float:
    head = linear_probe.fit(rows, labels, validation, classes)
    logits = head.logits(rows[validation])
    return float(-log_softmax(logits, axis=1)[np.arange(len(logits)), labels[validation]].mean())
