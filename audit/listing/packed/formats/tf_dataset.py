"""A batched `tf.data.Dataset` of (images, labels). Ids are hashes of pixels: most such datasets are shuffled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import xxhash

from imageclinic.audit.listing.packed import pixel_arrays
from imageclinic.audit.listing.packed.packed_source import Event, Part, Picture, Reading, Source
from imageclinic.core.errors import InputError

PLACE = 60


def recognise(data: Any, reading: Reading) -> Source | None:
    """The tf.data.Dataset that `data` is, known by what it can do: TensorFlow is not imported here."""
    if not (hasattr(data, "as_numpy_iterator") and hasattr(data, "element_spec")):
        return None
    spec = data.element_spec
    if not (isinstance(spec, tuple | list) and len(spec) in (2, 3) and hasattr(spec[0], "shape")):
        raise InputError(
            f"a tf.data.Dataset of {spec}",
            expected="batches of (images, labels)",
            fix="give dataset.map(lambda …: (image, label)).batch(32)",
        )
    if spec[0].shape.rank not in (None, 4):
        raise InputError(
            f"a tf.data.Dataset with images of the shape {spec[0].shape}",
            expected="batches: (images, height, width, channels)",
            fix="give dataset.batch(32)",
        )
    if int(data.cardinality()) == -1:
        raise InputError("a tf.data.Dataset without end", expected="each image once", fix="give it without repeat()")
    classes = getattr(data, "class_names", None)
    part = Part("dataset", "", partial(_events, data, classes))
    return Source("tf-dataset", "a tf.data.Dataset", [part], layout="arrays")


def _events(data: Any, classes: list[str] | None) -> Iterator[Event]:
    how = None
    for x, y, *_ in data.as_numpy_iterator():
        now = pixel_arrays.check_pixels(x, "the images of a batch")
        # A dark batch of floats up to 255 must not count as one of 0 to 1: the first one decides, and a brighter one
        # that belies it is an error.
        how = how or now
        if how == "255 times" and now == "rounded":
            raise InputError(
                "batches of floats both up to 1 and above", expected="one range", fix="map the images to uint8"
            )
        for image, label in zip(x, pixel_arrays.labels(y, classes, len(x), "the labels of a batch"), strict=True):
            name = f"{xxhash.xxh128(image.tobytes()).hexdigest()}.png"
            yield Picture(name, partial(pixel_arrays.png, image, how), None, label)
