"""An export, ready for trainings: its images and labels, how they are balanced, and whether they may be mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.naming.class_order import of_manifest
from imageclinic.training.compare import arms
from imageclinic.training.data import export_balance, image_pipelines, mirror_check
from imageclinic.training.fit.fit_model import Examples, natural_size
from imageclinic.training.fit.settings import Settings
from imageclinic.training.models import pretrained

_MIRROR_IMAGES, _MIRROR_SIDE = 2000, 16
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """The images of one split: rows of the manifest, files, class numbers (n,) and the side in pixels.

    `shown`: the positions in which images are learnt from, those of rare classes several times; None: each once.
    `in_memory`: whether they fit into memory; `as_arrays`: whether they are learnt from as arrays, decoded once for
    many trainings, and not as a pipeline.
    """

    rows: pd.DataFrame
    paths: list[Path]
    labels: Ints
    side: int
    shown: Ints | None
    in_memory: bool
    as_arrays: bool

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """(n, side, side, 3), decoded at the first use."""
        return image_pipelines.load_images(self.paths, (self.side, self.side))

    def learnt_from(self, settings: Settings) -> Examples:
        """What `training.fit.fit_model.fit` learns from: shuffled, and balanced as the settings say."""
        if self.as_arrays and settings.augment_starved == "none":
            return (self.pixels, self.labels) if self.shown is None else (self._shown_pixels, self.labels[self.shown])
        return self.pipeline(settings, learning=True)

    def judged_on(self, settings: Settings) -> Examples:
        """The images once each, in their order."""
        return (self.pixels, self.labels) if self.as_arrays else self.pipeline(settings, learning=False)

    @cached_property
    def _shown_pixels(self) -> npt.NDArray[np.uint8]:
        return self.pixels[self.shown]

    def pipeline(self, settings: Settings, *, learning: bool) -> tf.data.Dataset:
        """Batches of (images, class numbers), decoded while they are used, or once where they fit into memory."""
        return image_pipelines.dataset(
            self.paths,
            self.labels.tolist(),
            size=(self.side, self.side),
            batch_size=settings.batch_size,
            shuffle=learning,
            balanced=learning and self.shown is not None,
            seed=settings.seed,
            cache=self.in_memory,
        )


@dataclass(frozen=True)
class ExportImages:
    """An export. `size`: side in pixels; `flip`: whether images may be mirrored; `parts`: train, val and test, of which
    none is decoded before it is used; `class_weight`: class number → weight in the loss; `digest`: equal for equal
    content, whatever the export is called and wherever it lies."""

    classes: list[str]
    size: int
    flip: bool
    parts: dict[str, Part]
    class_weight: dict[int, float] | None
    digest: str

    @property
    def counts(self) -> dict[str, int]:
        """Images of each split."""
        return {name: len(part.paths) for name, part in self.parts.items()}


def load(out: Path, settings: Settings, *, as_arrays: bool, mirror_seed: int, augmented: bool = True) -> ExportImages:
    """Read an export's manifest, its balance, and as many images as tell whether they may be mirrored.

    Args:
        out: a folder that ``imageclinic export`` wrote.
        settings: of these `model`, `size`, `mirror`, `balance` and `seed` count.
        as_arrays: learn from arrays where the images fit into memory: for many trainings.
        mirror_seed: draws the images by which ``mirror="auto"`` decides.
        augmented: whether images are changed at all; if not, ``mirror="auto"`` is no.

    Raises:
        InputError: see `training.fit.train_export.train`.
    """
    manifest = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST)
    classes = _classes(manifest, out)
    numbers = {name: i for i, name in enumerate(classes)}
    frames = {name: manifest[manifest["split"] == name] for name in tables.SPLITS}
    class_weight: dict[int, float] | None = None
    if settings.balance == "auto":
        frames["train"], class_weight = export_balance.read(out, frames["train"], classes)
    paths = {name: [out / tables.to_path(p) for p in frame["path"]] for name, frame in frames.items()}
    labels = {name: np.array([numbers[label] for label in frame["label"]], np.int64) for name, frame in frames.items()}
    shown = image_pipelines.oversampled(labels["train"], settings.seed) if settings.balance == "sampling" else None
    if settings.balance == "weights":
        class_weight = class_weights(labels["train"])
    side = settings.size
    if side is None and pretrained.is_one(settings.model):
        side = pretrained.find(settings.model).side
    elif side is None:
        side = natural_size(paths["train"])
    fits = len(manifest) * side * side * 3 <= image_pipelines.KEPT_BYTES
    parts = {
        name: Part(
            rows=frame,
            paths=paths[name],
            labels=labels[name],
            side=side,
            shown=shown if name == "train" else None,
            in_memory=fits,
            as_arrays=as_arrays and fits,
        )
        for name, frame in frames.items()
    }
    seen = [frames["train"] if shown is None else frames["train"].iloc[shown], frames["val"], frames["test"]]
    return ExportImages(
        classes=classes,
        size=side,
        flip=settings.mirror == "yes"
        or (settings.mirror == "auto" and augmented and _may_mirror(parts["train"], parts["val"], mirror_seed)),
        parts=parts,
        class_weight=class_weight,
        digest=arms.digest({} if class_weight is None else {"class_weight": class_weight}, _content(pd.concat(seen))),
    )


def class_weights(labels: npt.NDArray[np.integer]) -> dict[int, float]:
    """Class number → weight, so that all classes count alike and the mean weight of an image is 1."""
    numbers, counts = np.unique(labels, return_counts=True)
    return {int(n): len(labels) / (len(numbers) * int(c)) for n, c in zip(numbers, counts, strict=True)}


def _may_mirror(train: Part, val: Part, seed: int) -> bool:
    """Whether mirrored images keep their class, by a look at some of the training and validation images."""
    every = [*train.paths, *val.paths]
    labels = np.concatenate([train.labels, val.labels])
    validation = np.arange(len(every)) >= len(train.paths)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(every))[:_MIRROR_IMAGES])
    if len(set(validation[chosen])) < 2:
        return False
    images = image_pipelines.load_images([every[i] for i in chosen], (_MIRROR_SIDE, _MIRROR_SIDE))
    return mirror_check.keeps_labels(images, labels[chosen], validation[chosen], int(labels.max()) + 1)


def _classes(manifest: pd.DataFrame, out: Path) -> list[str]:
    """The class names of an export's training images, sorted.

    Raises:
        InputError: no training or validation images, one class, a class that training lacks.
    """
    labels = {name: set(manifest.loc[manifest["split"] == name, "label"]) for name in tables.SPLITS}
    for name in ("train", "val"):
        if not labels[name]:
            raise InputError(
                f"{out} has no {name} images",
                expected="training images, and validation images to choose the epoch on",
                fix="export with --split 0.8,0.1,0.1",
            )
    if len(labels["train"]) < 2:
        raise InputError(f"all training images of {out} are {min(labels['train'])!r}", expected="2 classes")
    for name in ("val", "test"):
        unknown = sorted(labels[name] - labels["train"])
        if unknown:
            raise InputError(
                f"{out}: the class {unknown[0]!r} has {name} images but no training images",
                expected="training images of every class",
                fix="export with another --split, or leave the class out",
            )
    return [name for name in of_manifest(manifest) or sorted(labels["train"]) if name in labels["train"]]


def _content(manifest: pd.DataFrame) -> pd.DataFrame:
    """What makes two exports the same to a search, whatever they are called and wherever they lie."""
    columns = ["sha256", "label", "split"]
    return manifest[columns].astype(str).sort_values(columns).reset_index(drop=True)
