"""train/data/CLASS/FILE and labels.json, for FiftyOneImageClassificationDataset.

See https://docs.voxel51.com/user_guide/import_datasets.html#fiftyoneimageclassificationdataset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import pandas as pd

from imageclinic.cleaning.export import safe_names
from imageclinic.cleaning.export.export_format import ExportFormat, by_split, reading_line

#: Beside the folder of a split's images.
LABELS = "labels.json"


class Format(ExportFormat):
    """Folders, and an index that names images without their suffixes."""

    inner = "data"

    def unique(self, names: Sequence[str], of: Sequence[str]) -> list[str]:
        """Unique also without suffixes."""
        parts = [PurePosixPath(name) for name in names]
        stems = safe_names.unique([part.stem for part in parts], of)
        return [stem + part.suffix for stem, part in zip(stems, parts, strict=True)]

    def indexes(self, manifest: pd.DataFrame) -> dict[str, str]:
        """A labels.json in each split."""
        every = self.classes(manifest)
        return {f"{name}/{LABELS}": _labels(rows, every) for name, rows in by_split(manifest).items()}

    def loading_lines(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """The training images as ``x`` and ``y``."""
        return (
            "import fiftyone, keras, numpy\n\n"
            'data = fiftyone.Dataset.from_dir("train", fiftyone.types.FiftyOneImageClassificationDataset)\n'
            f'x = numpy.stack([{reading_line(size)} for p in data.values("filepath")])\n'
            'y = numpy.array([data.default_classes.index(c) for c in data.values("ground_truth.label")])'
        )


def _labels(rows: pd.DataFrame, every: list[str]) -> str:
    """Names without suffixes → numbers of classes."""
    number = {label: n for n, label in enumerate(every)}
    stems = [str(PurePosixPath(path.split("/data/", 1)[-1]).with_suffix("")) for path in rows["path"]]
    labels = dict(zip(stems, (number[label] for label in rows["label"]), strict=True))
    return json.dumps({"classes": every, "labels": labels}, ensure_ascii=False, indent=1) + "\n"
