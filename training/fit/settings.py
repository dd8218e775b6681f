"""How a training is made: the options of ``imageclinic train``, which a search varies. Loads no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from imageclinic.core.errors import InputError
from imageclinic.core.option_fields import SEED, CheckedOptions, listed, option, whole
from imageclinic.training.models import optimizers
from imageclinic.training.models.augmentation_strengths import STRENGTHS
from imageclinic.training.models.rungs import LADDER
from imageclinic.training.option_ranges import BATCH, DROPOUT, EPOCHS, PENALTY, RATE, SIDE, STAGES

BALANCES = ("auto", "none", "weights", "sampling")
MIRRORS = ("auto", "yes", "no")


class TrainKeywords(TypedDict, total=False):
    """The fields of `Settings` as keyword arguments, for editors and type checkers."""

    model: str
    weights: str | None
    unfreeze: int
    epochs: int
    seed: int
    size: int | None
    batch_size: int
    learning_rate: float | None
    optimizer: str
    schedule: str
    warm_up: int
    patience: int
    weight_decay: float
    dropout: float
    l1: float
    l2: float
    augment: str
    augment_starved: str
    mirror: str
    balance: str


@dataclass(frozen=True)
class Settings(CheckedOptions):
    """How to train. See `training.models.capacity_ladder.build` and `training.fit.fit_model.fit` for those that are not
    explained here.

    `size`: side in pixels to which images are resized; None: a pretrained network's own, else see
    `training.fit.fit_model.natural_size`. `learning_rate`: None: 0.001, or 0.0001 where pretrained stages are trained
    as well. `mirror`: whether images may be mirrored: yes, no, or auto, which looks (`training.data.mirror_check`).
    `augment_starved`: a strength at which images of classes with few images (`training.models.augmentation.starved`)
    are changed on top. `balance`: ``weights`` makes classes count alike in the loss, ``sampling`` shows images of rare
    classes more often, until each class is seen as often as the largest; ``auto`` does what the export says
    (`training.data.export_balance`), and nothing when it says nothing.
    """

    model: str = option("small_cnn", f"{', '.join(LADDER)}, pretrained, or a network's name: resnet50v2, ….")
    weights: str | None = option(
        None,
        "Weights of a pretrained network. Default: Keras's cache; never downloaded.",
        metavar="<path>",
    )
    unfreeze: int = option(0, "Last stages of a pretrained network that are trained as well.", STAGES)
    epochs: int = option(30, "Most epochs.", EPOCHS)
    seed: int = option(0, "Seed of everything that is drawn at random.", SEED)
    size: int | None = option(None, "Side in pixels. Default: from the images.", SIDE)
    batch_size: int = option(64, "Images a step.", BATCH)
    learning_rate: float | None = option(
        None, "Of the optimizer, at its highest. Default: 0.001; 0.0001 with --unfreeze.", RATE
    )
    optimizer: str = option("adamw", f"{optimizers.in_words(optimizers.OFFERED)}.")
    schedule: str = option("plateau", "How the learning rate falls: plateau or cosine.")
    warm_up: int = option(0, "Epochs over which the learning rate rises first.", whole(0, 1_000_000))
    patience: int = option(5, "Epochs without progress before training stops.", EPOCHS)
    weight_decay: float = option(1e-3, "Of the optimizer, on kernels.", PENALTY)
    dropout: float = option(0.2, "Share of the last features dropped in training.", DROPOUT)
    l1: float = option(0.0, "L1 penalty on kernels.", PENALTY)
    l2: float = option(0.0, "L2 penalty on kernels.", PENALTY)
    augment: str = option("light", f"{listed(list(STRENGTHS))}.")
    augment_starved: str = option(
        "none", "Change images of classes with less than half the average number more: medium, strong."
    )
    mirror: str = option("auto", "Mirror images: yes, no, or auto, where that keeps their class.")
    balance: str = option(
        "auto", "Rare classes: auto (as the export says), none, weights (in the loss), sampling (shown more)."
    )

    @property
    def rate(self) -> float:
        """The learning rate that is used."""
        return usual_rate(self.unfreeze) if self.learning_rate is None else self.learning_rate


def usual_rate(unfreeze: int) -> float:
    """The usual learning rate, or a tenth of it where `unfreeze` pretrained stages are trained as well."""
    return 1e-4 if unfreeze else 1e-3


def check(settings: Settings) -> None:
    """Raises InputError for an unknown optimizer, balance, mirroring or strength. (Numbers are checked when the
    settings are made, models and schedules where they are.)"""
    optimizers.check(settings.optimizer, optimizers.OFFERED)
    names = {
        "balance": BALANCES,
        "mirror": MIRRORS,
        "augment": tuple(STRENGTHS),
        "augment_starved": tuple(STRENGTHS),
    }
    for name, valid in names.items():
        if getattr(settings, name) not in valid:
            raise InputError(
                f"{name.replace('_', ' ')} {getattr(settings, name)!r}", expected=f"one of {', '.join(valid)}"
            )
