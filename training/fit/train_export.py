"""What ``imageclinic train`` does with an export: a .keras file, its metrics and a model card."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
from imageclinic.core.predicted.tested_images import AFTER, TEST_PREDICTIONS
from imageclinic.training.compare import arms
from imageclinic.training.data import image_pipelines, input_wait
from imageclinic.training.fit import export_images, metrics, model_card, train_network
from imageclinic.training.fit.fit_model import Progress
from imageclinic.training.fit.settings import Settings, check
from imageclinic.training.models import backbones, pretrained
from imageclinic.training.models import capacity_ladder as ladder


def train(
    out: Path,
    *,
    to: Path | None = None,
    export: Path | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train on an export and write ``model.keras``, ``metrics.json`` and ``MODEL_CARD.md`` into a folder beside it, and
    with test images ``test_predictions.parquet``, what the model names for each.

    The epoch is chosen on the validation images; the test images are scored once, at the end.

    Args:
        out: a folder that ``imageclinic export`` wrote: images and ``manifest.csv``.
        to: where the three files go; None: the export's name with ``-model``. Never into the export, which is
            proven to hold nothing else.
        export: the export that metrics.json names; None: `out`, which of records is a copy as files.
        settings: how to train; None: the defaults.
        progress: called with (epochs done, epochs).

    Returns:
        The content of metrics.json: `model, parameters, trained_parameters, multiply_adds, classes, size, images,
        settings, precision` (Keras's dtype policy), `export` (its path from the folder), `not_validated` (classes
        without validation images), `starved` (the classes that are changed more), `input_bound` (the share of the
        training time that was spent waiting for images) and `advice` about it, `history, validation, test`; the last
        two as `training.fit.metrics.summary` gives them,
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
    images = export_images.load(out, use, as_arrays=False, mirror_seed=use.seed, augmented=use.augment != "none")
    side, parts = images.size, images.parts
    made_with = {**asdict(use), "flip": images.flip, "size": side, "class_weight": images.class_weight}
    key = arms.digest(made_with, *(part.rows for part in parts.values()))
    unfinished = folder / "unfinished.npz"
    folder.mkdir(parents=True, exist_ok=True)
    network, history = train_network.run(
        images, use, logs_to=folder / "logs", checkpoint=(unfinished, key), progress=progress
    )
    starved = train_network.starved(images, use)
    in_memory = parts["train"].in_memory
    scores = {}
    for name in ("val", "test"):
        if len(parts[name].paths):
            with image_pipelines.decode_errors():
                probs = network.predict(parts[name].pipeline(use, learning=False).map(lambda x, _: x), verbose=0)
            scores[name] = metrics.summary(parts[name].labels, probs, images.classes)
            if name == "test":
                predicted = _test_predictions(parts[name].rows, probs, images.classes, use.seed)
                tables.write(folder / TEST_PREDICTIONS.file, predicted, TEST_PREDICTIONS)
    result: dict[str, Any] = {
        "model": pretrained.find(use.model).name.lower() if pretrained.is_one(use.model) else use.model,
        "parameters": network.count_params(),
        "trained_parameters": sum(int(v.shape.num_elements()) for v in network.trainable_variables),
        "multiply_adds": ladder.multiply_adds(network),
        "classes": images.classes,
        "size": side,
        "images": images.counts,
        "settings": {**asdict(use), "mirror": images.flip, "learning_rate": use.rate},
        "precision": backbones.precision(),
        "export": _seen_from(folder, export or out),
        "not_validated": sorted(set(images.classes) - set(parts["val"].rows["label"])),
        "starved": [images.classes[i] for i in starved],
        "input_bound": None if history.waited is None else round(history.waited, 3),
        "advice": input_wait.advice(history.waited, in_memory=in_memory, side=side, images=sum(images.counts.values())),
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


def _test_predictions(
    rows: pd.DataFrame, probs: npt.NDArray[np.floating], classes: Sequence[str], seed: int
) -> pd.DataFrame:
    """Rows of TEST_PREDICTIONS, of one training on cleaned images."""
    best = probs.argmax(axis=1)
    return tables.frame(
        TEST_PREDICTIONS,
        image_id=rows["image_id"],
        side=AFTER,
        seed=[seed] * len(rows),
        label=rows["label"],
        reviewed_label=rows["label"],
        predicted=np.asarray(classes, dtype=object)[best],
        probability=np.clip(probs[np.arange(len(rows)), best].astype(np.float64), 0, 1),
    )


def _seen_from(folder: Path, export: Path) -> str:
    """The export's path from the model's folder: both may be moved together, and it names nobody's home folder."""
    try:
        return Path(os.path.relpath(export.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return export.absolute().as_posix()


def _save(model: keras.Model, path: Path) -> None:
    with tables.replacing(path) as temporary:
        named = temporary.with_suffix(".keras")  # Keras recognises the format by the name
        try:
            # Without the optimizer: in mixed precision Keras writes one that it can't read.
            keras.Model(model.input, model.output, name=model.name).save(named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)
