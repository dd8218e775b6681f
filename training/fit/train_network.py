"""One network from settings, built and trained on an export: for ``imageclinic train``, and each trial of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from imageclinic.training.data import image_pipelines
from imageclinic.training.fit.export_images import ExportImages, Part
from imageclinic.training.fit.fit_model import History, Progress, Watch, fit
from imageclinic.training.fit.settings import Settings
from imageclinic.training.models import augmentation, backbones
from imageclinic.training.models import capacity_ladder as ladder

_BATCH = 256


def run(
    images: ExportImages,
    settings: Settings,
    *,
    logs_to: Path | None = None,
    checkpoint: tuple[Path, str] | None = None,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> tuple[keras.Model, History]:
    """Train on the training images; the epoch is chosen on the validation images.

    Args:
        images: the export.
        settings: how. Its `size`, `mirror` and `balance` are those that the images were loaded with.
        logs_to, checkpoint, progress, watch: see `training.fit.fit_model.fit`.

    Raises:
        InputError, Failed: see `training.models.capacity_ladder.build` and `training.fit.fit_model.fit`.
    """
    with backbones.working_in(backbones.precision()):
        network = ladder.build(
            settings.model,
            (images.size, images.size, 3),
            len(images.classes),
            dropout=settings.dropout,
            l1=settings.l1,
            l2=settings.l2,
            augment=settings.augment,
            mirror=images.flip and (settings.augment != "none" or settings.mirror == "yes"),
            unfreeze=settings.unfreeze,
            weights=None if settings.weights is None else Path(settings.weights),
            seed=settings.seed,
        )
    train: Any = images.parts["train"].learnt_from(settings)
    few = starved(images, settings)
    if len(few):
        train = augmentation.strengthened(train, few, settings.augment_starved, seed=settings.seed)
    history = fit(
        network,
        train,
        images.parts["val"].judged_on(settings),
        settings,
        class_weight=images.class_weight,
        logs_to=logs_to,
        checkpoint=checkpoint,
        progress=progress,
        watch=watch,
    )
    return network, history


def starved(images: ExportImages, settings: Settings) -> npt.NDArray[np.integer]:
    """The class numbers whose images the settings change more than the others'."""
    if settings.augment_starved == "none":
        return np.array([], np.int64)
    return augmentation.starved(images.parts["train"].labels)


def correct(network: keras.Model, part: Part, settings: Settings) -> npt.NDArray[np.bool_]:
    """(n,) whether the network names the class of each image."""
    examples = part.judged_on(settings)
    batches: Any = (
        np.split(examples[0], range(_BATCH, len(part.labels), _BATCH))
        if isinstance(examples, tuple)
        else examples.map(lambda x, _: x)
    )
    # Called, not `predict`: that would trace a function for each network, and warn of it.
    with image_pipelines.decode_errors():
        probs = np.concatenate([np.asarray(network(batch, training=False)) for batch in batches])
    return np.asarray(probs.argmax(axis=1) == part.labels)
