"""TFRecord files: the images of an export as records, and back. An export's DATASET.md has lines that load them.

Each record is a `tf.train.Example` of ``image`` (the file's bytes), ``label`` (the class's number in sorted order),
``class`` (its name), ``image_id`` and ``path`` (as in the manifest).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from imageclinic.core.errors import InputError
from imageclinic.core.reading.regular_files import open_regular

_FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "class": tf.io.FixedLenFeature([], tf.string),
    "image_id": tf.io.FixedLenFeature([], tf.string),
    "path": tf.io.FixedLenFeature([], tf.string),
}


def write(shard: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records to a new file.

    Args:
        shard: the file.
        records: ``image``, ``number`` (of the class), ``class``, ``image_id`` and ``path`` each.

    Raises:
        OSError: it can't be written.
    """
    try:
        with tf.io.TFRecordWriter(str(shard)) as writer:
            for record in records:
                writer.write(_example(record))
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message, str(shard)) from error


def _example(record: Mapping[str, Any]) -> bytes:
    feature = {name: _bytes(record[name].encode()) for name in ("class", "image_id", "path")}
    feature["image"] = _bytes(record["image"])
    feature["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[record["number"]]))
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return bytes(example.SerializeToString(deterministic=True))


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def read(shard: Path) -> Iterator[dict[str, Any]]:
    """What `write` wrote. Raises InputError when the file is damaged or a record lacks a part."""
    try:
        open_regular(shard).close()  # TensorFlow would wait for the other end of a pipe
    except OSError as error:
        raise InputError(f"can't read {shard}: {error.strerror}", fix="export again") from error
    try:
        for raw in tf.data.TFRecordDataset(str(shard)):
            parts = tf.io.parse_single_example(raw, _FEATURES)
            yield {
                "image": parts["image"].numpy(),
                "number": int(parts["label"].numpy()),
                **{name: parts[name].numpy().decode("utf-8", "replace") for name in ("class", "image_id", "path")},
            }
    except tf.errors.OpError as error:
        raise InputError(f"{shard} is damaged: {' '.join(error.message.split())}", fix="export again") from error
