"""How a comparison is made: the options of ``imageclinic compare``. Loads no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from imageclinic.core.errors import InputError
from imageclinic.core.option_fields import option
from imageclinic.training.fit.settings import SEEDS

FEATURES = "features"


@dataclass(frozen=True)
class CompareOptions:
    """How to compare.

    `model`: ``features``, a rung of the ladder (`training.models.capacity_ladder.is_rung`), or a ``.keras`` file.
    `weights`, `unfreeze`: of a pretrained network, see `training.models.capacity_ladder.build`. `size`: side in pixels
    of the images that a rung, or a model without a size of its own, sees; None: 32, or a pretrained network's own.
    `seeds`: paired runs an arm; below 2 there is no interval. `epochs`: most epochs of a run of a rung; None: 15;
    ``features`` has none. `seed`: the first of the seeds; the others follow it.
    """

    model: str = option(FEATURES, "features (fast), a model that train knows, or FILE.keras, trained anew.")
    weights: str | None = option(
        None,
        "Weights of a pretrained network. Default: Keras's cache; never downloaded.",
        metavar="<path>",
    )
    unfreeze: int = option(0, "Last stages of a pretrained network that are trained as well.")
    size: int | None = option(None, "Side in pixels. Default: 32, or the network's own.")
    seeds: int = option(5, "Paired runs of each arm.")
    epochs: int | None = option(None, "Most epochs of a run.")
    seed: int = option(0, "Seed of everything that is drawn at random.", min=0, max=SEEDS - 1)


def check(options: CompareOptions) -> None:
    """Raises InputError for fewer than one seed. (Models and what fits them are checked where they are made.)"""
    if options.seeds < 1:
        raise InputError(f"{options.seeds} seeds", expected="at least 1, and at least 2 for an interval")
