"""What ``imageclinic train`` does with an export: a .keras file, its metrics and a model card."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.training.compare import arms
from imageclinic.training.data import export_balance, image_pipelines, input_wait, mirror_check
from imageclinic.training.fit import metrics, model_card
from imageclinic.training.fit.fit_model import Progress, fit, natural_size
from imageclinic.training.fit.settings import Settings, check
from imageclinic.training.models import augmentation, backbones, pretrained
from imageclinic.training.models import capacity_ladder as ladder

_MEMORY = 1 << 30  # bytes of decoded images that are kept between epochs
_MIRROR_IMAGES, _MIRROR_SIDE = 2000, 16
Ints = npt.NDArray[np.int64]


def train(
    out: Path,
    *,
    to: Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train on an export and write ``model.keras``, ``metrics.json`` and ``MODEL_CARD.md`` into a folder beside it.

    The epoch is chosen on the validation images; the test images are scored once, at the end.

    Args:
        out: a folder that ``imageclinic export`` wrote: images and ``manifest.csv``.
        to: where the three files go; None: the export's name with ``-model``. Never into the export, which is
            proven to hold nothing else.
        settings: how to train; None: the defaults.
        progress: called with (epochs done, epochs).

    Returns:
        The content of metrics.json: `model, parameters, trained_parameters, multiply_adds, classes, size, images,
        settings, precision` (Keras's dtype policy), `not_validated` (classes without validation images), `starved` (the
        classes that are changed more), `input_bound` (the share of the training time that was spent waiting for images)
        and `advice` about it, `history, validation, test`; the last two as `training.fit.metrics.summary` gives them,
        `test` None when the export has no test images.

    Raises:
        InputError: no export, no training or validation images, one class, a class that training lacks, a
            file that can't be decoded, `to` within the export, settings that can't be.
        Failed: training broke down.
    """
    use = settings or Settings()
    check(use)
    folder = to if to is not None else out.absolute().with_name(f"{out.absolute().name}-model")
    if out.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise InputError(
            f"the folder {folder} lies in the export, which is proven to hold nothing else", expected="another folder"
        )
    manifest = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST)
    classes = classes_of(manifest, out)
    numbers = {name: i for i, name in enumerate(classes)}
    parts = {name: manifest[manifest["split"] == name] for name in tables.SPLITS}
    class_weight = None
    if use.balance == "auto":
        parts["train"], class_weight = export_balance.read(out, parts["train"], classes)
    paths = {name: [out / tables.to_path(p) for p in part["path"]] for name, part in parts.items()}
    truth: dict[str, Ints] = {
        name: np.array([numbers[label] for label in part["label"]], np.int64) for name, part in parts.items()
    }
    backbone = pretrained.find(use.model) if pretrained.is_one(use.model) else None
    side = use.size
    if side is None:
        side = natural_size(paths["train"]) if backbone is None else backbone.side
    flip = use.mirror == "yes" or (
        use.mirror == "auto" and use.augment != "none" and may_mirror(paths, truth, use.seed)
    )
    with backbones.working_in(backbones.precision()):
        network = ladder.build(
            use.model,
            (side, side, 3),
            len(classes),
            dropout=use.dropout,
            l1=use.l1,
            l2=use.l2,
            augment=use.augment,
            mirror=flip,
            unfreeze=use.unfreeze,
            weights=None if use.weights is None else Path(use.weights),
            seed=use.seed,
        )
    in_memory = len(manifest) * side * side * 3 <= _MEMORY
    batches = {
        name: image_pipelines.dataset(
            paths[name],
            truth[name].tolist(),
            size=(side, side),
            batch_size=use.batch_size,
            shuffle=name == "train",
            balanced=name == "train" and use.balance == "sampling",
            seed=use.seed,
            cache=in_memory,
        )
        for name, part in parts.items()
        if len(part)
    }
    starved = augmentation.starved(truth["train"]) if use.augment_starved != "none" else np.array([], np.int64)
    if len(starved):
        batches["train"] = augmentation.strengthened(batches["train"], starved, use.augment_starved, seed=use.seed)
    key = arms.digest({**asdict(use), "flip": flip, "size": side, "class_weight": class_weight}, *parts.values())
    unfinished = folder / "unfinished.npz"
    folder.mkdir(parents=True, exist_ok=True)
    history = fit(
        network,
        batches["train"],
        batches["val"],
        epochs=use.epochs,
        seed=use.seed,
        learning_rate=use.rate,
        weight_decay=use.weight_decay,
        optimizer=use.optimizer,
        patience=use.patience,
        class_weight=class_weights(truth["train"]) if use.balance == "weights" else class_weight,
        schedule=use.schedule,
        warm_up=use.warm_up,
        logs_to=folder / "logs",
        checkpoint=(unfinished, key),
        progress=progress,
    )
    scores = {}
    for name in ("val", "test"):
        if name in batches:
            with image_pipelines.decode_errors():
                probs = network.predict(batches[name].map(lambda x, _: x), verbose=0)
            scores[name] = metrics.summary(truth[name], probs, classes)
    result: dict[str, Any] = {
        "model": use.model if backbone is None else backbone.name.lower(),
        "parameters": network.count_params(),
        "trained_parameters": sum(int(v.shape.num_elements()) for v in network.trainable_variables),
        "multiply_adds": ladder.multiply_adds(network),
        "classes": classes,
        "size": side,
        "images": {name: len(part) for name, part in parts.items()},
        "settings": {**asdict(use), "mirror": flip, "learning_rate": use.rate},
        "precision": backbones.precision(),
        "not_validated": sorted(set(classes) - set(parts["val"]["label"])),
        "starved": [classes[i] for i in starved],
        "input_bound": None if history.waited is None else round(history.waited, 3),
        "advice": input_wait.advice(history.waited, in_memory=in_memory, side=side, images=len(manifest)),
        "history": {
            "epochs": history.epochs,
            "best_epoch": history.best_epoch,
            "stopped_early": history.stopped_early,
            "seconds": round(history.seconds, 1),
            **history.logs,
        },
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        "validation": scores["val"],
        "test": scores.get("test"),
    }
    _save(network, folder / "model.keras")
    tables.write_json(folder / "metrics.json", result)
    tables.write_text(folder / "MODEL_CARD.md", model_card.text(result))
    unfinished.unlink(missing_ok=True)
    return result


def class_weights(labels: npt.NDArray[np.integer]) -> dict[int, float]:
    """Class number → weight, so that all classes count alike and the mean weight of an image is 1."""
    numbers, counts = np.unique(labels, return_counts=True)
    return {int(n): len(labels) / (len(numbers) * int(c)) for n, c in zip(numbers, counts, strict=True)}


def may_mirror(paths: dict[str, list[Path]], truth: dict[str, Ints], seed: int) -> bool:
    """Whether mirrored images keep their class, by a look at some of the training and validation images."""
    every = [*paths["train"], *paths["val"]]
    labels = np.concatenate([truth["train"], truth["val"]])
    validation = np.arange(len(every)) >= len(paths["train"])
    chosen = np.sort(np.random.default_rng(seed).permutation(len(every))[:_MIRROR_IMAGES])
    if len(set(validation[chosen])) < 2:
        return False
    images = image_pipelines.load_images([every[i] for i in chosen], (_MIRROR_SIDE, _MIRROR_SIDE))
    return mirror_check.keeps_labels(images, labels[chosen], validation[chosen], int(labels.max()) + 1)


def classes_of(manifest: pd.DataFrame, out: Path) -> list[str]:
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
    return sorted(labels["train"])


def _save(model: keras.Model, path: Path) -> None:
    with tables.replacing(path) as temporary:
        named = temporary.with_suffix(".keras")  # Keras tells the format by the name
        try:
            # Without the optimizer: in mixed precision Keras writes one that it can't read.
            keras.Model(model.input, model.output, name=model.name).save(named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)
