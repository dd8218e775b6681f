"""TFRecord files: the images of an export as records, and back. An export's DATASET.md has lines that load them.

Each record is a `tf.train.Example` of ``image`` (the file's bytes), ``label`` (the class's number in sorted order),
``class`` (its name), ``image_id`` and ``path`` (as in the manifest).
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.ids import is_below
from imageclinic.core.naming.class_order import of_manifest
from imageclinic.core.reading.regular_files import open_regular

#: Bytes of images a shard, about: TensorFlow advises 100 MB and more.
SHARD = 128 << 20
_FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "class": tf.io.FixedLenFeature([], tf.string),
    "image_id": tf.io.FixedLenFeature([], tf.string),
    "path": tf.io.FixedLenFeature([], tf.string),
}


def write(
    manifest: pd.DataFrame,
    files: Sequence[Path],
    folder: Path,
    progress: Callable[[int, int], None],
    *,
    shard: int = SHARD,
) -> None:
    """Write ``SPLIT-00000-of-00002.tfrecord`` and so on, in an order that the contents' hashes give: shuffled, and
    always the same.

    Args:
        manifest: tables.MANIFEST.
        files: the image of each row; only read.
        folder: takes the shards.
        progress: called with (done, total) images.
        shard: bytes of images after which a shard is full.

    Raises:
        InputError: a file is gone or changed since the audit.
        OSError: the folder can't be written.
    """
    classes = of_manifest(manifest) or sorted(manifest["label"].unique())
    number = {label: n for n, label in enumerate(classes)}
    source = pd.Series(list(files), manifest.index, dtype=object)
    rows = manifest.sort_values(["sha256", "image_id"])
    done = 0
    for split in tables.SPLITS:
        part = rows[rows["split"] == split]
        start = np.cumsum([0, *(_size(source[at]) for at in part.index)])[:-1]
        number_of = pd.factorize(start // shard)[0]
        for n in range(len(set(number_of))):
            inside = part.index[number_of == n]
            path = folder / f"{split}-{n:05}-of-{len(set(number_of)):05}.tfrecord"
            try:
                with tf.io.TFRecordWriter(str(path)) as writer:
                    for at in inside:
                        writer.write(_example(part.loc[at], source[at], number))
                        done += 1
                        progress(done, len(rows))
            except tf.errors.OpError as error:
                raise OSError(errno.EIO, error.message, str(path)) from error


def unpack(out: Path, folder: Path) -> pd.DataFrame:
    """Write the image of every record of an export to its path in `folder`.

    Returns:
        One row a record: shard, path, image_id, class, number.

    Raises:
        InputError: a shard is damaged, or a record lacks a part or names a path outside of the folder.
    """
    rows = []
    for shard in sorted(out.glob("*.tfrecord")):
        for record in _records(shard):
            if not is_below(record["path"]):
                raise InputError(f"{shard} names the path {record['path']!r}", expected="a path inside of the export")
            target = folder / tables.to_path(record["path"])
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(record.pop("image"))
            except OSError as error:
                raise InputError(
                    f"{shard} names the path {record['path'][:300]!r}, which can't be written: {error.strerror}",
                    expected="a path inside of the export",
                    fix="export again",
                ) from error
            rows.append({"shard": shard.name, **record})
    return pd.DataFrame(rows, columns=["shard", "path", "image_id", "class", "number"])


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        raise InputError(f"the image {file} is gone since the audit", fix="audit again") from None
    except OSError as error:
        raise InputError(f"can't read the image {file}: {error.strerror}", fix="audit again") from error


def _example(row: pd.Series, file: Path, number: dict[str, int]) -> bytes:
    try:
        with open_regular(file) as opened:
            content = opened.read()
    except OSError as error:
        raise InputError(f"can't read the image {file}: {error.strerror}", fix="audit again") from error
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise InputError(f"the image {file} changed since the audit", fix="audit again")
    texts = {"class": row["label"], "image_id": row["image_id"], "path": row["path"]}
    feature = {name: _bytes(text.encode()) for name, text in texts.items()}
    feature["image"] = _bytes(content)
    feature["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[number[row["label"]]]))
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return bytes(example.SerializeToString(deterministic=True))


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _records(shard: Path) -> Iterator[dict[str, Any]]:
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
