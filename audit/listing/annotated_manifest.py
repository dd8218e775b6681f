"""Manifests in which several people label each image: a row per image and annotator, or a column per annotator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imageclinic.audit.labels import annotator_model
from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few, shown

#: A column of one annotator's labels is called so, followed by the annotator's name; a column of names is called LONG.
PREFIX, LONG = "annotator:", "annotator"


@dataclass(frozen=True)
class Columns:
    """Where a manifest holds the labels of annotators: `by_name` (name → column), or `names` and `labels`, columns with
    a row per label."""

    by_name: Mapping[str, str]
    names: str | None = None
    labels: str | None = None


def recognise(table: pd.DataFrame, columns: Mapping[str, str], where: str) -> Columns | None:
    """Which columns hold the labels of annotators; None: the manifest has one label per image.

    Args:
        table: the manifest.
        columns: what the user named: ``annotators``, columns separated by commas; ``annotator``, a column of names;
            ``label``, the labels beside it. Not named, columns ``annotator:NAME`` and a column ``annotator`` are found.
        where: what errors call the manifest.

    Raises:
        InputError: columns that are not there, that come twice, or of both kinds.
    """
    named = [name.strip() for name in columns.get("annotators", "").split(",") if name.strip()]
    wide = named or [c for c in table.columns if isinstance(c, str) and c.startswith(PREFIX) and c != PREFIX]
    long = columns.get("annotator") or (LONG if LONG in table.columns and not wide else None)
    if "annotators" in columns and not named:
        raise InputError("--annotators is empty", expected="names of columns, separated by commas")
    if wide and long:
        raise InputError(
            f"{where}: labels of annotators in columns of their own ({few(wide)}) and in rows ({long!r})",
            expected="one of the two",
            fix="--annotators names columns, --annotator-column the column of a manifest with a row per label",
        )
    if not wide and not long:
        return None
    wanted = wide or [str(long), columns.get("label", "label")]
    if missing := [name for name in wanted if name not in table.columns]:
        raise InputError(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {few(list(map(repr, table.columns)), 20)}",
            expected="a column of labels for each annotator"
            if wide
            else "a column of annotators and a column of labels",
            fix="name them: --annotators A,B,C; or --annotator-column and --label-column for a row per label",
        )
    if twice := [name for name in wanted if list(table.columns).count(name) > 1 or wanted.count(name) > 1]:
        raise InputError(f"{where}: the column {twice[0]!r} comes twice", expected="each column once")
    if wide:
        names = [name.removeprefix(PREFIX).strip() for name in wide]
        if again := [name for name in names if names.count(name) > 1]:
            raise InputError(f"{where} has two annotators called {again[0]!r}", expected="each name once")
        return Columns(dict(zip(names, wide, strict=True)))
    return Columns({}, wanted[0], wanted[1])


def collect(rows: pd.DataFrame, where: str, remarks: list[str]) -> pd.DataFrame:
    """Each annotator's label of each image, once.

    Args:
        rows: image_id, annotator, label as the manifest has them, of any number; annotator and label may be null.
        where: what errors call the manifest.
        remarks: gets a sentence on labels that are left out.

    Returns:
        image_id, annotator, label, sorted. Where one annotator gives an image several labels, none of these counts.

    Raises:
        InputError: a label by nobody; no label at all.
    """
    labelled = rows[rows["label"].notna()]
    nobody = labelled.index[labelled["annotator"].isna()]
    if len(nobody):
        raise InputError(
            f"{where}, row {nobody[0] + 2}: a label without an annotator ({len(nobody):,} such rows)",
            expected="who gave the label; or an empty label, for an image that nobody labelled",
        )
    if labelled.empty:
        raise InputError(f"{where} has no label by any annotator", expected="labels")
    once = labelled[["image_id", "annotator", "label"]].drop_duplicates()
    torn = once.duplicated(["image_id", "annotator"], keep=False)
    if torn.any():
        pairs = once[torn].groupby(["image_id", "annotator"])["label"].agg(list).reset_index()
        named = zip(pairs["image_id"], pairs["annotator"], pairs["label"], strict=True)
        some = few([f"{shown(who)} on {shown(i)}: {', '.join(map(shown, names))}" for i, who, names in named], 5, "; ")
        remarks.append(
            f"WARNING: {len(pairs):,} times an annotator gives one image several labels, none of which counts: {some}"
        )
    return once[~torn].sort_values(["image_id", "annotator"], ignore_index=True).astype("str")


def consensus(annotations: pd.DataFrame, remarks: list[str]) -> dict[str, str]:
    """image_id → the likeliest label by what all annotators say and how often each is right; no model looks.

    Args:
        annotations: see `collect`.
        remarks: gets sentences on what was done.
    """
    image, images = pd.factorize(annotations["image_id"])
    annotator, who = pd.factorize(annotations["annotator"], sort=True)
    label, classes = pd.factorize(annotations["label"], sort=True)
    labels = annotator_model.Labels(image, annotator, label, len(images), len(who), len(classes))
    found = annotator_model.fit(labels).probabilities.argmax(axis=1)
    several = np.bincount(image) > 1
    differ = annotations.groupby("image_id", sort=False)["label"].nunique().reindex(images).gt(1)
    remarks.append(
        f"{len(annotations):,} labels by {len(who):,} {'annotator' if len(who) == 1 else 'annotators'}: "
        f"{several.sum():,} of {len(images):,} images have several, and of {differ.sum():,} they differ. An image's "
        "label is its annotators' consensus, the likeliest by how often each of them is right."
    )
    return dict(zip(images, classes[found], strict=True))
