"""train/CLASS/FILE and metadata.csv (or .jsonl), for Hugging Face's loader.

See https://huggingface.co/docs/datasets/image_dataset#imagefolder.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import PurePosixPath

import pandas as pd
import pyarrow as pa
import pyarrow.json

from imageclinic.cleaning.export.export_format import ExportFormat, by_split
from imageclinic.core import tables
from imageclinic.core.naming.class_order import of_manifest

#: Beside the images of a split. The second where the names of classes would not stay text in a CSV: "10" is a number.
METADATA, METADATA_LINES = "metadata.csv", "metadata.jsonl"


class Format(ExportFormat):
    """Folders with an index of their own."""

    def indexes(self, manifest: pd.DataFrame) -> dict[str, str]:
        """A metadata file in each split, which gives the columns `label` (a number) and `class`."""
        splits = by_split(manifest)
        every = self.classes(manifest)
        # A name that a spreadsheet would run as a formula can't be escaped: the loader takes cells as they are.
        named = _names_survive(splits) and all(tables.escape_cell(label) == label for label in every)
        # Exports of earlier versions have no lines.
        if not named and of_manifest(manifest) is not None and _survive_lines(every):
            return {f"{name}/{METADATA_LINES}": _lines(rows, every) for name, rows in splits.items()}
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


def _lines(rows: pd.DataFrame, every: list[str]) -> str:
    """The same as JSON lines, where text stays text."""
    number = {label: n for n, label in enumerate(every)}
    records = [
        {"file_name": str(PurePosixPath(*PurePosixPath(path).parts[1:])), "label": number[label], "class": label}
        for path, label in zip(rows["path"], rows["label"], strict=True)
    ]
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _survive_lines(every: list[str]) -> bool:
    """Whether class names stay text in JSON lines: the loader takes what looks like a date for one."""
    text = "".join(json.dumps({"class": label}) + "\n" for label in every)
    return pa.types.is_string(pyarrow.json.read_json(io.BytesIO(text.encode())).schema.field("class").type)


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
