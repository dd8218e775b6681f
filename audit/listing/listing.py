"""A listing: which images a dataset has, what it says of them, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic.audit.listing.folder_layout import in_words
from imageclinic.core.naming import label_sets
from imageclinic.core.naming.wording import few, shown

#: Of a listing's images: what the dataset says of them.
COLUMNS = ("image_id", "label", "split", "group", "given_labels")


@dataclass(frozen=True)
class Listing:
    """Which image files a dataset has.

    Attributes:
        root: the folder that image ids are relative to.
        images: the columns `COLUMNS` (all but image_id nullable), sorted by image_id. `given_labels` are the labels of
            an image that was given several, as a JSON list; its `label` is null.
        ignored: how many other files there are in the folders of the dataset.
        notes: things that the user should know.
        layout: what the levels of the folder tree were taken for, see `folder_layout`; "manifest".
        hidden: hidden and system folders that were passed over → images in them.
        other_files: suffix → number of files that are no images by name or content.
        empty_classes: folders where classes are, without any image → number of other files by suffix.
        manifest: the file that lists the images, if there is one.
        packed: where the images were unpacked from, see `packed.packed_source.Source.where`; None for files.
        annotations: image_id, annotator, label: who labelled which image as what; None: it is not known who did.
        label_separator: what separates the classes of a label; None: each image has one class.
    """

    root: Path
    images: pd.DataFrame
    ignored: int = 0
    notes: list[str] = field(default_factory=list)
    layout: str = "manifest"
    hidden: Mapping[str, int] = field(default_factory=dict)
    other_files: Mapping[str, int] = field(default_factory=dict)
    empty_classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    manifest: Path | None = None
    packed: str | None = None
    annotations: pd.DataFrame | None = None
    label_separator: str | None = None

    @property
    def name(self) -> str:
        """Name of the dataset: its folder's."""
        return self.root.name or "dataset"

    def facts(self) -> dict[str, Any]:
        """What was understood and what was left out, for run.json."""
        labels, splits = self._counts()
        return {
            "layout": self.layout,
            "classes": len(labels),
            "splits": splits,
            "unlabelled": int(self.images["label"].isna().sum()),
            "hidden_folders": dict(self.hidden),
            "other_files": dict(self.other_files),
            "classes_without_images": {name: dict(kinds) for name, kinds in self.empty_classes.items()},
        }

    def summary(self) -> str:
        """The classes and splits that were understood, in one line."""
        labels, splits = self._counts()
        return f"Layout {self.layout}: {in_words(labels, splits, int(self.images['label'].isna().sum()))}."

    def left_out(self) -> list[str]:
        """Sentences about what is no part of this audit, the gravest first; none when nothing was left out."""
        sentences = []
        if self.empty_classes:
            classes = [f"{shown(name)} ({_kinds(kinds)})" for name, kinds in self.empty_classes.items()]
            many, are = ("1 class has", "is") if len(classes) == 1 else (f"{len(classes):,} classes have", "are")
            sentences.append(
                f"WARNING: {many} no file that can be read as an image, and {are} left out: {few(classes)}. "
                "Convert these files to PNG or JPEG to have them audited."
            )
        if self.other_files:
            n = sum(self.other_files.values())
            files = "file is no image" if n == 1 else "files are no images"
            sentences.append(f"Left out: {n:,} {files} by name or content: {_kinds(self.other_files)}.")
        if self.hidden:
            names, n = [shown(name) for name in self.hidden], sum(self.hidden.values())
            many = "1 hidden or system folder" if len(names) == 1 else f"{len(names):,} hidden or system folders"
            sentences.append(f"Left out: {many} with {n:,} {'image' if n == 1 else 'images'}: {few(names)}.")
        without = self.images.loc[self.images["label"].isna(), "image_id"]
        if len(without):
            folders = without.str.rpartition("/")[0].value_counts()
            where = few(
                [f"{shown(str(name)) + '/' if name else 'the top folder'} {n:,}" for name, n in folders.items()]
            )
            sentences.append(
                f"{len(without):,} {'image has' if len(without) == 1 else 'images have'} no label ({where}): audited "
                "for damage, quality, copies and leaks; no part of checks of labels, counts of classes and exports."
            )
        return sentences

    def _counts(self) -> tuple[dict[str, int], dict[str, int]]:
        labels = label_sets.by_class(self.images[["label"]], self.label_separator)["label"].value_counts()
        splits = self.images["split"].value_counts()
        return {str(k): int(n) for k, n in labels.items()}, {str(k): int(n) for k, n in splits.items()}


def _kinds(kinds: Mapping[str, int]) -> str:
    """``20 .dcm, 3 .zip``, the most frequent first."""
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    return few([f"{n:,} {shown(suffix)}" for suffix, n in ordered])
