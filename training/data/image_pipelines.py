"""Image files → arrays and tf.data pipelines. It reads the paths that it is given and never walks a folder.

One path for every format: Pillow decodes, converts and resizes, so that a picture gives the same pixels
whatever its file format (TensorFlow's own decoders know few formats, and round differently from each other). Ordinary
JPEGs are decoded to the same pixels by `core.pictures.jpeg_pixels`.

- **Size**: every image is stretched to the wanted size (bilinear, with anti-aliasing): nothing is cut off, no
  border is invented, and the aspect ratio is not kept, as in ``keras.utils.image_dataset_from_directory``.
  Large JPEGs are decoded at a fraction of their size, but never at less than twice the wanted one.
- **Layout**: to 8 bits a channel, without alpha, by the rule that the audit shares (`core.pixels`). EXIF orientation
  is not applied.

TensorFlow is loaded where a pipeline of its own is made; files are read without it.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from imageclinic.core import pixels
from imageclinic.core.errors import InputError
from imageclinic.core.pictures import jpeg_pixels

if TYPE_CHECKING:
    import tensorflow as tf

_BATCH = 256
_AHEAD = 2
_MODES = {1: "L", 3: "RGB"}
#: Bytes of decoded images that a training may keep in memory between epochs.
KEPT_BYTES = 1 << 30


def read_image(path: Path, size: tuple[int, int] | None, *, channels: int = 3) -> npt.NDArray[np.uint8]:
    """Decode one image file.

    Args:
        path: the file; its format is recognised by its content.
        size: (height, width) in pixels; None for the image's own.
        channels: 3 for RGB, 1 for grey (ITU-R 601 luma).

    Returns:
        uint8, (height, width, channels), 0 to 255.

    Raises:
        InputError: when the file can't be decoded; names the file.
    """
    mode = _MODES[channels]
    try:
        decoded = jpeg_pixels.decode(path, size)
        if decoded is not None:
            picture = Image.fromarray(decoded).convert(mode)
        else:
            with pixels.open_file(path) as image:
                if size is not None:
                    image.draft(None, (jpeg_pixels.SPARE * size[1], jpeg_pixels.SPARE * size[0]))
                image.load()
                picture = pixels.plain(image).convert(mode)
    except pixels.DECODE_ERRORS as error:
        unknown = isinstance(error, UnidentifiedImageError)
        raise InputError(
            f"{path} can't be decoded: {'its content is no known image format' if unknown else error}",
            expected="a readable image",
            fix="leave it out of the dataset",
        ) from error
    if size is not None and picture.size != (size[1], size[0]):
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(picture.height, picture.width, channels)


def load_images(
    paths: Sequence[Path],
    size: tuple[int, int],
    *,
    channels: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.uint8]:
    """Decode all images into memory, for sets that fit (10,000 images of 96×96 take 276 MB).

    Args:
        paths: image files.
        size: (height, width) in pixels.
        channels: 3 for RGB, 1 for grey.
        progress: called with (images done, images in all).

    Returns:
        uint8, (n, height, width, channels), in the order of `paths`.

    Raises:
        InputError: when a file can't be decoded; names the file.
    """
    images = np.empty((len(paths), *size, channels), np.uint8)
    with ThreadPoolExecutor(workers()) as pool:
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            for i, image in enumerate(pool.map(lambda p: read_image(p, size, channels=channels), batch)):
                images[start + i] = image
            if progress is not None:
                progress(start + len(batch), len(paths))
    return images


def streamed(
    paths: Sequence[Path], size: tuple[int, int], *, batch_size: int, channels: int = 3
) -> Generator[npt.NDArray[np.uint8]]:
    """Batches of images in order, uint8 (batch, height, width, channels), the last one may be smaller. They are decoded
    in parallel, `_AHEAD` batches ahead of what is taken, so that memory holds a few.

    Raises:
        InputError: when a file can't be decoded; names the file.
    """
    pool = ThreadPoolExecutor(workers())
    try:
        waiting: deque[list[Future[npt.NDArray[np.uint8]]]] = deque()
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            waiting.append([pool.submit(read_image, path, size, channels=channels) for path in batch])
            if len(waiting) > _AHEAD:
                yield np.stack([each.result() for each in waiting.popleft()])
        while waiting:
            yield np.stack([each.result() for each in waiting.popleft()])
    finally:
        pool.shutdown(cancel_futures=True)


def dataset(
    paths: Sequence[Path],
    labels: Sequence[int] | None,
    *,
    size: tuple[int, int],
    batch_size: int,
    channels: int = 3,
    shuffle: bool = False,
    balanced: bool = False,
    seed: int = 0,
    cache: bool = False,
) -> tf.data.Dataset:
    """A batched pipeline over image files: decoded in parallel, prefetched, the last batch may be smaller.

    Args:
        paths: image files.
        labels: class numbers, one a path; None for images alone.
        size: (height, width) in pixels.
        batch_size: images a batch.
        channels: 3 for RGB, 1 for grey.
        shuffle: draw a new order of the whole set at each iteration; the same orders for the same `seed`.
        balanced: show images of rarer classes more than once, so that all classes are seen as often as the largest.
        seed: of the orders.
        cache: decode everything now and keep it in memory as uint8, for several passes over a set that fits.

    Returns:
        Batches of images, float32 (batch, height, width, channels) in [0, 255], and with `labels`, pairs of
        (images, int32 labels).

    Raises:
        InputError: when labels and paths differ in number, or there are none; with `cache`, when a file can't
            be decoded. Without it a bad file shows while iterating: TensorFlow wraps what a pipeline raises,
            so iterate inside `decode_errors`.
    """
    import tensorflow as tf

    if not paths:
        raise InputError("there are no images to read", expected="at least one")
    if labels is not None and len(labels) != len(paths):
        raise InputError(f"{len(paths)} images but {len(labels)} labels", expected="one label an image")
    order = oversampled(np.asarray(labels), seed) if balanced and labels is not None else np.arange(len(paths))
    indices = tf.data.Dataset.from_tensor_slices(order)
    if shuffle:
        indices = indices.shuffle(len(order), seed=seed, reshuffle_each_iteration=True)
    read = _from_memory(paths, size, channels) if cache else _from_files(paths, size, channels)
    targets = None if labels is None else tf.constant(np.asarray(labels), tf.int32)

    def load(index: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        images = tf.cast(read(index), tf.float32)
        return images if targets is None else (images, tf.gather(targets, index))

    return indices.batch(batch_size).map(load, num_parallel_calls=workers()).prefetch(tf.data.AUTOTUNE)


def oversampled(labels: npt.NDArray[np.integer], seed: int) -> npt.NDArray[np.int64]:
    """Positions of all images, those of rarer classes several times, so that each class has as many as the largest.
    Every image of a class is there equally often, up to one time more for some, which the seed draws."""
    random = np.random.default_rng(seed)
    numbers, counts = np.unique(labels, return_counts=True)
    found = []
    for number in numbers:
        rows = random.permutation(np.flatnonzero(labels == number))
        found.append(np.resize(rows, counts.max()))
    return np.concatenate(found).astype(np.int64)


@contextlib.contextmanager
def decode_errors() -> Iterator[None]:
    """Turn TensorFlow's wrapping of an undecodable file back into the InputError that names the file."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        marker = f"{InputError.__name__}: "
        message = str(error.message)
        if marker not in message:
            raise
        raise InputError(message.partition(marker)[2].partition("\nTraceback ")[0]) from error


def workers() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _from_files(paths: Sequence[Path], size: tuple[int, int], channels: int) -> Callable[[tf.Tensor], tf.Tensor]:
    import tensorflow as tf

    def decode(index: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return np.stack([read_image(paths[i], size, channels=channels) for i in index])

    def read(index: tf.Tensor) -> tf.Tensor:
        images = tf.numpy_function(decode, [index], tf.uint8)
        return tf.ensure_shape(images, (None, *size, channels))

    return read


def _from_memory(paths: Sequence[Path], size: tuple[int, int], channels: int) -> Callable[[tf.Tensor], tf.Tensor]:
    import tensorflow as tf

    with tf.device("/CPU:0"):
        images = tf.constant(load_images(paths, size, channels=channels))
    return lambda index: tf.gather(images, index)
