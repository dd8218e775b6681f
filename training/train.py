"""What ``imageclinic train`` does with an export: a .keras file, its metrics and a model card."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from audit import tables
from audit.errors import InputError
from training import arms, backbones, balanced, card, data, metrics, mirror
from training import model as ladder
from training.fit import Progress, fit, natural_size

_MEMORY = 1 << 30  # bytes of decoded images that are kept between epochs
_MIRROR_IMAGES, _MIRROR_SIDE = 2000, 16
Ints = npt.NDArray[np.int64]
BALANCES = ("auto", "none", "weights", "sampling")
MIRRORS = ("auto", "yes", "no")


@dataclass(frozen=True)
class Settings:
    """How to train. See `training.model.build` and `training.fit.fit` for those that are not told here.

    `size`: side in pixels to which images are resized; None: see `training.fit.natural_size`. `mirror`: whether images
    may be mirrored: yes, no, or auto, which looks (`training.mirror`). `balance`: ``weights`` makes classes count alike
    in the loss, ``sampling`` shows images of rare classes more often, until each class is seen as often as the largest;
    ``auto`` does what the export says (`training.balanced`), and nothing when it says nothing.
    """

    model: str = "small_cnn"
    epochs: int = 30
    seed: int = 0
    size: int | None = None
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    dropout: float = 0.2
    l1: float = 0.0
    l2: float = 0.0
    augment: str = "light"
    mirror: str = "auto"
    balance: str = "auto"
    schedule: str = "plateau"
    warm_up: int = 0
    patience: int = 5


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
        The content of metrics.json: `model, parameters, multiply_adds, classes, size, images, settings,
        history, validation, test`; the last two as `training.metrics.summary` gives them, `test` None when
        the export has no test images.

    Raises:
        InputError: no export, no training or validation images, one class, a class that training lacks, a
            file that can't be decoded, unknown names.
        Failed: training broke down.
    """
    use = settings or Settings()
    for name, value, valid in (("balance", use.balance, BALANCES), ("mirror", use.mirror, MIRRORS)):
        if value not in valid:
            raise InputError(f"{name} {value!r}", expected=f"one of {', '.join(valid)}")
    manifest = tables.read_csv(out / tables.MANIFEST.file, tables.MANIFEST)
    classes = _classes(manifest, out)
    numbers = {name: i for i, name in enumerate(classes)}
    parts = {name: manifest[manifest["split"] == name] for name in tables.SPLITS}
    weights = None
    if use.balance == "auto":
        parts["train"], weights = balanced.read(out, parts["train"], classes)
    paths = {name: [out / tables.to_path(p) for p in part["path"]] for name, part in parts.items()}
    truth: dict[str, Ints] = {
        name: np.array([numbers[label] for label in part["label"]], np.int64) for name, part in parts.items()
    }
    side = natural_size(paths["train"]) if use.size is None else use.size
    flip = use.mirror == "yes" or (
        use.mirror == "auto" and use.augment != "none" and _may_mirror(paths, truth, use.seed)
    )
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(backbones.precision())
    try:
        network = ladder.build(
            use.model,
            (side, side, 3),
            len(classes),
            dropout=use.dropout,
            l1=use.l1,
            l2=use.l2,
            augment=use.augment,
            mirror=flip,
            seed=use.seed,
        )
    finally:
        keras.config.set_dtype_policy(before)
    batches = {
        name: data.dataset(
            paths[name],
            truth[name].tolist(),
            size=(side, side),
            batch_size=use.batch_size,
            shuffle=name == "train",
            balanced=name == "train" and use.balance == "sampling",
            seed=use.seed,
            cache=len(manifest) * side * side * 3 <= _MEMORY,
        )
        for name, part in parts.items()
        if len(part)
    }
    folder = to if to is not None else out.absolute().with_name(f"{out.absolute().name}-model")
    key = arms.digest({**asdict(use), "flip": flip, "size": side, "weights": weights}, *parts.values())
    unfinished = folder / "unfinished.npz"
    folder.mkdir(parents=True, exist_ok=True)
    history = fit(
        network,
        batches["train"],
        batches["val"],
        epochs=use.epochs,
        seed=use.seed,
        learning_rate=use.learning_rate,
        weight_decay=use.weight_decay,
        patience=use.patience,
        class_weight=class_weights(truth["train"]) if use.balance == "weights" else weights,
        schedule=use.schedule,
        warm_up=use.warm_up,
        logs_to=folder / "logs",
        checkpoint=(unfinished, key),
        progress=progress,
    )
    scores = {}
    for name in ("val", "test"):
        if name in batches:
            with data.decode_errors():
                probs = network.predict(batches[name].map(lambda x, _: x), verbose=0)
            scores[name] = metrics.summary(truth[name], probs, classes)
    result: dict[str, Any] = {
        "model": use.model,
        "parameters": network.count_params(),
        "multiply_adds": ladder.multiply_adds(network),
        "classes": classes,
        "size": side,
        "images": {name: len(part) for name, part in parts.items()},
        "settings": {**asdict(use), "mirror": flip},
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
    tables.write_text(folder / "MODEL_CARD.md", card.text(result))
    unfinished.unlink(missing_ok=True)
    return result


def class_weights(labels: npt.NDArray[np.integer]) -> dict[int, float]:
    """Class number → weight, so that all classes count alike and the mean weight of an image is 1."""
    numbers, counts = np.unique(labels, return_counts=True)
    return {int(n): len(labels) / (len(numbers) * int(c)) for n, c in zip(numbers, counts, strict=True)}


def _may_mirror(paths: dict[str, list[Path]], truth: dict[str, Ints], seed: int) -> bool:
    """Whether mirrored images keep their class, by a look at some of the training and validation images."""
    every = [*paths["train"], *paths["val"]]
    labels = np.concatenate([truth["train"], truth["val"]])
    validation = np.arange(len(every)) >= len(paths["train"])
    chosen = np.sort(np.random.default_rng(seed).permutation(len(every))[:_MIRROR_IMAGES])
    if len(set(validation[chosen])) < 2:
        return False
    images = data.load_images([every[i] for i in chosen], (_MIRROR_SIDE, _MIRROR_SIDE))
    return mirror.keeps_labels(images, labels[chosen], validation[chosen], int(labels.max()) + 1)


def _classes(manifest: pd.DataFrame, out: Path) -> list[str]:
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
            model.save(named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)
