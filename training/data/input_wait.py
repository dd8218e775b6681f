"""How much of the training time is spent waiting for images: measured, not guessed.

Where it is much, a faster GPU or a smaller network helps nothing; the images must come faster.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import keras
import tensorflow as tf

from imageclinic.training.data import image_pipelines

#: Above this share the images are worth a thought.
MUCH = 0.2


class Waiting(keras.callbacks.Callback):
    """Sums up how long each step of a training asks its datasets (those that went through `watch`) for the next batch.

    The first epoch does not count where there are others: it builds the graphs, and pipelines fill their buffers.
    """

    def __init__(self) -> None:
        super().__init__()
        with tf.device("/CPU:0"):
            self._waited = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self._since, self._until = 0.0, 0.0
        self._first = 0

    def watch(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """The same batches; asking for one is timed.

        A zip asks its parts in order, and in the thread of whoever asks it: the first part takes the time, the second
        gives the batch when it is ready. So nothing behind it may be made parallel or prefetched, and there are threads
        to tell the time while all cores decode.
        """
        asked = tf.data.Dataset.counter().map(lambda _: tf.timestamp())

        def note(before: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
            self._waited.assign_add(tf.timestamp() - before)
            return batch

        options = tf.data.Options()
        options.experimental_optimization.map_parallelization = False
        options.experimental_optimization.inject_prefetch = False
        options.threading.private_threadpool_size = image_pipelines.workers() + 2
        return tf.data.Dataset.zip((asked, batches)).map(note).with_options(options)

    @property
    def share(self) -> float | None:
        """Time waited over all time, in [0, 1]; None before an epoch is done."""
        passed = self._until - self._since
        return min(1.0, float(self._waited.numpy()) / passed) if passed > 0 else None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._waited.assign(0.0)
        self._since = time.monotonic()
        self._first = -1

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if self._first < 0:
            self._first = epoch
        elif epoch == self._first + 1:
            self._waited.assign(0.0)
            self._since = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._until = time.monotonic()


def advice(share: float | None, *, in_memory: bool, side: int, images: int) -> str | None:
    """What to do about a training that waits for its images; None where it hardly does.

    Args:
        share: of the training time, in [0, 1].
        in_memory: whether the decoded images were kept in memory.
        side: side in pixels of the images as the network sees them.
        images: how many there are.
    """
    if share is None or share <= MUCH:
        return None
    waited = f"{share:.0%} of the training time was spent waiting for images, so a faster GPU would not help much. "
    if in_memory:
        return waited + "They were kept decoded in memory: train with larger batches (--batch-size), or on more cores."
    size = images * side * side * 3 / 2**30
    return waited + (
        f"Each epoch decodes them again, since all {images:,} take {size:,.1f} GiB at {side}×{side} pixels. Use more "
        "cores or a smaller --size, or store the images at about that size: large files take the longest."
    )
