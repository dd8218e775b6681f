"""Shards of records, for tf.data.TFRecordDataset.

What a record holds, `training.data.record_files` says. TensorFlow is loaded only when records are written or read.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic.cleaning.export.export_format import ExportFormat, ReadBack
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.proof.outcome import Proof, proof
from imageclinic.core.errors import InputError
from imageclinic.core.processes.temporary_folders import temporary_folder

_FEATURE = "tf.io.FixedLenFeature([], tf."


class Format(ExportFormat):
    """Images packed into records: a path in the manifest is a name within them."""

    def refusal(self, options: ExportOptions) -> InputError | None:
        """Links and samples want files."""
        if options.link != "copy":
            return InputError(
                f"--link {options.link} with --format tfrecord", expected="copy: records hold the images' bytes"
            )
        if options.balance.endswith("sample"):
            return InputError(
                f"--balance {options.balance} with --format tfrecord",
                expected="weights: records can't be named by a manifest",
            )
        return None

    def place(
        self,
        manifest: pd.DataFrame,
        sources: Sequence[Path],
        folder: Path,
        link: str,
        progress: Callable[[int, int], None],
    ) -> None:
        """Write the records."""
        _records_module().write(manifest, sources, folder, progress)

    @contextlib.contextmanager
    def as_files(self, out: Path) -> Iterator[ReadBack]:
        """A temporary copy of the export with files in the place of records."""
        with temporary_folder("imageclinic-records-") as scratch:
            records = _records_module().unpack(out, scratch)
            for file in out.iterdir():
                if file.suffix in (".csv", ".json"):
                    shutil.copy(file, scratch)
            yield ReadBack(scratch, records)

    def folder_names(self, manifest: pd.DataFrame) -> dict[str, str]:
        """None: there are no folders of classes."""
        return {}

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

    def own_proofs(self, manifest: pd.DataFrame, classes: Sequence[str], read: ReadBack) -> list[Proof]:
        """Every record says what the manifest says of its image, lies in a shard of its split, and is there once."""
        assert read.records is not None
        here = manifest[["path", "image_id", "label", "split"]]
        both = read.records.merge(here, on="path", how="left", suffixes=("", "_here"))
        number = both["label"].map({label: n for n, label in enumerate(classes)})
        right = (
            both["number"].eq(number)
            & both["class"].eq(both["label"])
            & both["image_id"].eq(both["image_id_here"])
            & ~both["path"].duplicated()
            & (both["shard"].str.split("-").str[0] == both["split"])
        )
        good = f"{len(both)} records fit the manifest"
        return [proof("records", both.loc[~right, "path"], good, "do not fit the manifest")]


def _records_module() -> Any:
    from imageclinic import training

    training.load_tensorflow()

    from imageclinic.training.data import record_files

    return record_files
