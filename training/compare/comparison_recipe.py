"""What a comparison trains: on which inputs, which network, how fast it learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import file_version
from imageclinic.training.compare.compare_options import FEATURES, CompareOptions
from imageclinic.training.fit.settings import usual_rate
from imageclinic.training.models import backbones, pretrained, user_network
from imageclinic.training.models import capacity_ladder as ladder
from imageclinic.training.models.rungs import LADDER

SIDE = 32  # pixels, for a network that any size fits, where the caller names none


@dataclass(frozen=True)
class Recipe:
    """`side` (height, width) and `channels` of the images; no side: embeddings, and a linear head instead of what
    `build` makes for a seed. `version` names the model, and the content of the file that it comes from."""

    side: tuple[int, int] | None
    channels: int
    version: str
    build: Callable[[int], keras.Model] | None
    learning_rate: float


def known(options: CompareOptions) -> None:
    """Raises InputError for an unknown model, or weights and stages where there are none. Reads no file."""
    model = options.model
    if (options.unfreeze or options.weights is not None) and not pretrained.is_one(model):
        raise InputError(
            f"weights or stages to unfreeze with the model {model}",
            expected=f"{pretrained.AUTO}, or one of {', '.join(backbones.BACKBONES)}",
        )
    if model != FEATURES and not model.endswith(".keras") and not ladder.is_rung(model):
        names = ", ".join([*LADDER, pretrained.AUTO, *backbones.BACKBONES])
        raise InputError(f"unknown model {model!r}", expected=f"{FEATURES} or one of {names}, or a .keras file")


def choose(options: CompareOptions, classes: int) -> Recipe:
    """The recipe that `options` name.

    Raises:
        InputError: an unknown model, or one that does not fit; weights that are not there.
    """
    known(options)
    model, size, unfreeze = options.model, options.size, options.unfreeze
    weights = None if options.weights is None else Path(options.weights)
    if model == FEATURES:
        return Recipe(None, 3, model, None, usual_rate(0))
    if model.endswith(".keras"):
        own = user_network.load(Path(model), classes, size or SIDE)
        return Recipe(own.side, own.channels, own.version, own.build, usual_rate(0))
    version, side = model, size or SIDE
    if pretrained.is_one(model):
        backbone = pretrained.find(model)
        side = size or backbone.side
        file = weights or backbones.weights_path(backbone)
        version = f"{backbone.name}, {unfreeze} stages"
        if file.is_file():  # else building says so
            version += f", {file_version(file)}"

    def build(seed: int) -> keras.Model:
        with backbones.working_in(backbones.precision()):
            return ladder.build(
                model,
                (side, side, 3),
                classes,
                augment="light",
                unfreeze=unfreeze,
                weights=weights,
                seed=seed,
            )

    build(0)  # what does not fit is reported before any image is read
    return Recipe((side, side), 3, version, build, usual_rate(unfreeze))
