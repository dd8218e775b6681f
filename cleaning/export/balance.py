"""Balancing, after the split and on the training images only: what to weigh or how often to show, written beside them.
Validation and test stay as the world is. Pure."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from imageclinic.cleaning.export.export_format import ExportFormat, reading_line
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.schema import CLASS_WEIGHTS

BALANCES = ("none", "weights", "oversample", "undersample")


def files(manifest: pd.DataFrame, how: str, classes: Sequence[str], seed: int) -> dict[str, str]:
    """Name → content of the file that balances the training images; empty for ``none``.

    Args:
        manifest: tables.MANIFEST.
        how: one of `BALANCES`.
        classes: in the order of their numbers.
        seed: draws the images that are shown once more, or left out.
    """
    if how == "weights":
        weights = [round(weight, 6) for weight in class_weights(manifest, classes)]
        return {CLASS_WEIGHTS: json.dumps({"classes": list(classes), "weights": weights}, ensure_ascii=False) + "\n"}
    if how == "none":
        return {}
    table = sampling(manifest, how, seed)
    if table["class_index"].isna().any():  # an export of an earlier version
        table = table.drop(columns="class_index")
    texts = {name: table[name].map(tables.escape_cell) for name in ("image_id", "path", "label")}
    text = table.assign(**texts).to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return {tables.BALANCE.file: text}


def class_weights(manifest: pd.DataFrame, classes: Sequence[str]) -> list[float]:
    """A weight for each of `classes`, so that all count alike in training and the mean weight of an image is 1; 0 for
    one without training images, which no sound export has."""
    counts = manifest.loc[manifest["split"] == "train", "label"].value_counts()
    of_class = [int(counts.get(label, 0)) for label in classes]
    return [float(counts.sum() / (len(classes) * n)) if n else 0.0 for n in of_class]


def sampling(manifest: pd.DataFrame, how: str, seed: int) -> pd.DataFrame:
    """How often each training image is shown in an epoch, so that every class is shown as often as the largest
    (``oversample``: each image at least once) or the smallest (``undersample``: at most once).

    Returns:
        tables.BALANCE, in the manifest's order.
    """
    if how not in ("oversample", "undersample"):
        raise InputError(f"unknown balance {how!r}", expected=f"one of {', '.join(BALANCES)}")
    rows = manifest.loc[manifest["split"] == "train"].reset_index(drop=True)
    counts = rows["label"].value_counts()
    goal = int((counts.max() if how == "oversample" else counts.min()) if len(counts) else 0)
    random = np.random.default_rng(seed)
    times = np.zeros(len(rows), np.int64)
    for _, members in rows.groupby("label"):
        whole, more = divmod(goal, len(members))
        times[members.index] = whole
        times[random.permutation(members.index.to_numpy())[:more]] += 1
    columns = {name: rows[name] for name in ("image_id", "path", "label", "class_index") if name in rows}
    return tables.frame(tables.BALANCE, **columns, times=times)


def loading_code(format: ExportFormat, how: str, splits: Mapping[str, int], size: tuple[int, int]) -> str:
    """Python that loads an export with its balance: what the format gives, and ``class_weight`` for Keras's `fit`; or
    the images of balance.csv as ``x`` and ``y``, and what the format gives beside them.

    Args:
        format: of the export.
        how: one of `BALANCES`.
        splits: those that have images, and how many.
        size: (height, width) in pixels to which images are brought.
    """
    if how == "none":
        return format.loading_lines(splits, size)
    if how == "weights":
        return (
            f"{format.loading_lines(splits, size)}\n\n"
            'import json\nclass_weight = dict(enumerate(json.load(open("class_weights.json"))["weights"]))'
        )
    sample = (
        "import keras, numpy, pandas\n\n"
        'rows = pandas.read_csv("balance.csv").pipe(lambda rows: rows.loc[rows.index.repeat(rows["times"])])\n'
        f'x = numpy.stack([{reading_line(size)} for p in rows["path"]])\n'
        'y = rows["class_index"].to_numpy()'
    )
    others = format.lines_beside_a_sample(splits, size)
    return f"{sample}\n\n{others}" if others else sample
