"""Shards of records, for tf.data.TFRecordDataset.

What a record holds, `training.data.record_files` says. TensorFlow is loaded only when records are written or read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imageclinic.cleaning.export.packed.packed_format import PackedFormat

_FEATURE = "tf.io.FixedLenFeature([], tf."


class Format(PackedFormat):
    """Records of TensorFlow's."""

    suffix = ".tfrecord"

    def write_records(self, shard: Path, records: Iterator[dict[str, Any]], classes: Sequence[str]) -> None:
        """Write the records."""
        _records_module().write(shard, records)

    def read_records(self, shard: Path) -> Iterator[dict[str, Any]]:
        """The records."""
        yield from _records_module().read(shard)

    def loading_lines(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """A `tf.data.Dataset` for each split."""
        height, width = size
        named = ", ".join(splits)
        # Without its length, Keras warns after every epoch that a dataset ran out of data.
        counted = ", ".join(f'("{split}", {n})' for split, n in splits.items())
        return (
            "import tensorflow as tf\n\n"
            f'parts = {{"image": {_FEATURE}string), "label": {_FEATURE}int64)}}\n'
            "load = lambda e: (tf.image.resize(tf.io.decode_image(e['image'], 3, expand_animations=False), "
            f"({height}, {width})), e['label'])\n"
            f'[{named}] = [tf.data.TFRecordDataset(tf.io.gfile.glob(f"{{name}}-*.tfrecord"))'
            ".map(lambda r: load(tf.io.parse_single_example(r, parts)))"
            ".apply(tf.data.experimental.assert_cardinality(n)).batch(32) "
            f"for name, n in [{counted}]]"
        )


def _records_module() -> Any:
    from imageclinic import training

    training.load_tensorflow()

    from imageclinic.training.data import record_files

    return record_files
