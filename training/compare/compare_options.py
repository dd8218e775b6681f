"""How a comparison is made: the options of ``imageclinic compare``. Loads no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from imageclinic.core.option_fields import SEED, CheckedOptions, option
from imageclinic.training.option_ranges import EPOCHS, RUNS, SIDE, STAGES

FEATURES = "features"


class CompareKeywords(TypedDict, total=False):
    """The fields of `CompareOptions` as keyword arguments, for editors and type checkers."""

    model: str
    weights: str | None
    unfreeze: int
    size: int | None
    seeds: int
    epochs: int | None
    seed: int


@dataclass(frozen=True)
class CompareOptions(CheckedOptions):
    """How to compare.

    `model`: ``features``, a rung of the ladder (`training.models.capacity_ladder.is_rung`), or a ``.keras`` file.
    `weights`, `unfreeze`: of a pretrained network, see `training.models.capacity_ladder.build`. `size`: side in pixels
    of the images that a rung, or a model without a size of its own, sees; None: 32, or a pretrained network's own.
    `seeds`: paired runs an arm; below 2 there is no interval. `epochs`: most epochs of a run of a rung; None: 15;
    ``features`` has none. `seed`: the first of the seeds; the others follow it.
    """

    model: str = option(FEATURES, "features (fast), a model that train knows, or FILE.keras, with fresh weights.")
    weights: str | None = option(
        None,
        "Weights of a pretrained network. Default: Keras's cache; never downloaded.",
        metavar="<path>",
    )
    unfreeze: int = option(0, "Last stages of a pretrained network that are trained as well.", STAGES)
    size: int | None = option(None, "Side in pixels. Default: 32, or the network's own.", SIDE)
    seeds: int = option(5, "Paired runs of each arm.", RUNS)
    epochs: int | None = option(None, "Most epochs of a run.", EPOCHS)
    seed: int = option(0, "Seed of everything that is drawn at random.", SEED)
