"""One training of a search: images that are decoded once, and a network from settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core import tables
from imageclinic.training.compare import arms
from imageclinic.training.data import export_balance, image_pipelines
from imageclinic.training.fit.fit_model import Examples, History, Watch, fit, natural_size
from imageclinic.training.fit.settings import Settings
from imageclinic.training.fit.train_export import class_weights, classes_of, may_mirror
from imageclinic.training.models import backbones, pretrained
from imageclinic.training.models import capacity_ladder as ladder

_MEMORY = 1 << 30  # bytes of decoded images that are kept between trials
_BATCH = 256
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """The images of one split: files, class numbers (n,), the group of each (n,), and, when they fit into memory, uint8
    pixels (n, side, side, 3)."""

    paths: list[Path]
    labels: Ints
    groups: npt.NDArray[np.object_]
    pixels: npt.NDArray[np.uint8] | None

    def examples(self, size: int, settings: Settings, *, shuffled: bool) -> Examples:
        """What `training.fit.fit_model.fit` learns from."""
        if self.pixels is not None:
            return self.pixels, self.labels
        return image_pipelines.dataset(
            self.paths,
            self.labels.tolist(),
            size=(size, size),
            batch_size=settings.batch_size,
            shuffle=shuffled,
            seed=settings.seed,
        )


@dataclass(frozen=True)
class Task:
    """An export, ready for many trainings. The test images are not among `parts` until `test` reads them. Training
    images that balancing shows several times are there as often; `class_weight`: class number → weight."""

    classes: list[str]
    size: int
    flip: bool
    parts: dict[str, Part]
    counts: dict[str, int]
    class_weight: dict[int, float] | None
    digest: str
    unread: tuple[list[Path], Ints, npt.NDArray[np.object_]]

    def test(self) -> Part:
        """The test images. To be scored once, at the end."""
        return _part(*self.unread, self.size, fits=True)


def load(out: Path, settings: Settings) -> Task:
    """Read an export's manifest and its training and validation images.

    Args:
        out: a folder that ``imageclinic export`` wrote.
        settings: of these `size`, `mirror`, `augment`, `balance` and `seed` count.

    Raises:
        InputError: see `training.fit.train_export.train`.
    """
    manifest = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST)
    classes = classes_of(manifest, out)
    numbers = {name: i for i, name in enumerate(classes)}
    listed: dict[str, tuple[list[Path], Ints, npt.NDArray[np.object_]]] = {}
    frames = {name: manifest[manifest["split"] == name] for name in tables.SPLITS}
    frames["train"], class_weight = _balanced(out, frames["train"], classes, settings)
    for name, part in frames.items():
        labels = np.array([numbers[label] for label in part["label"]], np.int64)
        paths = [out / tables.to_path(p) for p in part["path"]]
        listed[name] = (paths, labels, part["split_group"].to_numpy(object))
    side = settings.size
    if side is None and pretrained.is_one(settings.model):
        side = pretrained.find(settings.model).side
    elif side is None:
        side = natural_size(listed["train"][0])
    fits = len(manifest) * side * side * 3 <= _MEMORY
    flip = settings.mirror == "yes" or (
        settings.mirror == "auto"
        and may_mirror({n: p for n, (p, _, _) in listed.items()}, {n: y for n, (_, y, _) in listed.items()}, 0)
    )
    return Task(
        classes=classes,
        size=side,
        flip=flip,
        parts={name: _part(*listed[name], side, fits=fits) for name in ("train", "val")},
        counts={name: len(paths) for name, (paths, _, _) in listed.items()},
        class_weight=class_weight,
        digest=arms.digest(
            {} if class_weight is None else {"class_weight": class_weight}, _content(pd.concat(frames.values()))
        ),
        unread=listed["test"],
    )


def run(task: Task, settings: Settings, *, watch: Watch | None = None) -> tuple[keras.Model, History]:
    """Train one network on the task's training images; its epoch is chosen on the validation images."""
    keras.backend.clear_session()  # the last trial's network is garbage
    with backbones.working_in(backbones.precision()):
        network = ladder.build(
            settings.model,
            (task.size, task.size, 3),
            len(task.classes),
            dropout=settings.dropout,
            l1=settings.l1,
            l2=settings.l2,
            augment=settings.augment,
            mirror=task.flip and (settings.augment != "none" or settings.mirror == "yes"),
            seed=settings.seed,
        )
    history = fit(
        network,
        task.parts["train"].examples(task.size, settings, shuffled=True),
        task.parts["val"].examples(task.size, settings, shuffled=False),
        epochs=settings.epochs,
        seed=settings.seed,
        batch_size=settings.batch_size,
        learning_rate=settings.rate,
        weight_decay=settings.weight_decay,
        optimizer=settings.optimizer,
        patience=settings.patience,
        schedule=settings.schedule,
        warm_up=settings.warm_up,
        class_weight=task.class_weight,
        watch=watch,
    )
    return network, history


def correct(network: keras.Model, part: Part, size: int, settings: Settings) -> npt.NDArray[np.bool_]:
    """(n,) whether the network names the class of each image."""
    examples = part.examples(size, settings, shuffled=False)
    batches: Any = (
        np.split(examples[0], range(_BATCH, len(part.labels), _BATCH))
        if isinstance(examples, tuple)
        else examples.map(lambda x, _: x)
    )
    # Called, not `predict`: that would trace a function for each network, and warn of it.
    with image_pipelines.decode_errors():
        probs = np.concatenate([np.asarray(network(batch, training=False)) for batch in batches])
    return np.asarray(probs.argmax(axis=1) == part.labels)


def _balanced(
    out: Path, train: pd.DataFrame, classes: list[str], settings: Settings
) -> tuple[pd.DataFrame, dict[int, float] | None]:
    """Training rows, repeated, and class weights, as the settings or the export balance them."""
    if settings.balance == "auto":
        return export_balance.read(out, train, classes)
    labels = train["label"].map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
    if settings.balance == "sampling":
        return train.iloc[image_pipelines.oversampled(labels, settings.seed)], None
    return train, class_weights(labels) if settings.balance == "weights" else None


def _part(paths: list[Path], labels: Ints, groups: npt.NDArray[np.object_], side: int, *, fits: bool) -> Part:
    return Part(paths, labels, groups, image_pipelines.load_images(paths, (side, side)) if fits else None)


def _content(manifest: pd.DataFrame) -> pd.DataFrame:
    """What makes two exports the same to a search, whatever they are called and wherever they lie."""
    columns = ["sha256", "label", "split"]
    return manifest[columns].astype(str).sort_values(columns).reset_index(drop=True)
