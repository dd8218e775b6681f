"""train/CLASS/FILE and metadata.csv, for Hugging Face's loader.

See https://huggingface.co/docs/datasets/image_dataset#imagefolder.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import PurePosixPath

import pandas as pd

from imageclinic.cleaning.export.export_format import ExportFormat, by_split
from imageclinic.core import tables

#: Beside the images of a split.
METADATA = "metadata.csv"


class Format(ExportFormat):
    """Folders with an index of their own."""

    def indexes(self, manifest: pd.DataFrame) -> dict[str, str]:
        """A metadata.csv in each split."""
        splits = by_split(manifest)
        every = self.classes(manifest)
        # A name that a spreadsheet would run as a formula can't be escaped: the loader takes cells as they are.
        named = _names_survive(splits) and all(tables.escape_cell(label) == label for label in every)
        return {f"{name}/{METADATA}": _metadata(rows, every, named) for name, rows in splits.items()}

    def loading_lines(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """The training images as ``x`` and ``y``."""
        height, width = size
        return (
            "import datasets, keras, numpy\n\n"
            'data = datasets.load_dataset("imagefolder", data_dir=".")["train"]\n'
            f'x = numpy.stack([keras.utils.img_to_array(i.convert("RGB").resize(({width}, {height}))) '
            'for i in data["image"]])\n'
            'y = numpy.array(data["label"])'
        )


def _metadata(rows: pd.DataFrame, every: list[str], named: bool) -> str:
    """file_name, label (a number), and, where it may, class (its name).

    Nothing is escaped: the loader takes cells as they are. A path that a spreadsheet would run as a formula begins
    with "./".
    """
    number = {label: n for n, label in enumerate(every)}
    table = pd.DataFrame(
        {
            "file_name": [_plain(str(PurePosixPath(*PurePosixPath(path).parts[1:]))) for path in rows["path"]],
            "label": rows["label"].map(number).to_numpy("int64"),
            **({"class": rows["label"].to_numpy(object)} if named else {}),
        }
    )
    return table.to_csv(index=False, lineterminator="\n")


def _plain(path: str) -> str:
    return path if tables.escape_cell(path) == path else f"./{path}"


def _names_survive(splits: Mapping[str, pd.DataFrame]) -> bool:
    """Whether class names stay text in a CSV that is read by guessing: the loader would take "01" for a number and "NA"
    for nothing, and refuse splits whose guesses differ."""
    for rows in splits.values():
        labels = pd.DataFrame({"class": sorted(rows["label"].unique())})
        try:
            back = pd.read_csv(io.StringIO(labels.to_csv(index=False, lineterminator="\n")))["class"]
        except pd.errors.ParserError:
            return False
        if back.tolist() != labels["class"].tolist():
            return False
    return True
