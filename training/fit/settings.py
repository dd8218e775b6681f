"""How a training on an export is made."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imageclinic.core.errors import InputError
from imageclinic.training.models import augmentation, pretrained

BALANCES = ("auto", "none", "weights", "sampling")
MIRRORS = ("auto", "yes", "no")
#: What Keras and Optuna both take.
SEEDS = 1 << 31
#: Setting → its least value and what it has to stay below.
RANGES = {
    "epochs": (1, math.inf),
    "seed": (0, SEEDS),
    "size": (8, math.inf),
    "batch_size": (1, math.inf),
    "weight_decay": (0, math.inf),
    "dropout": (0, 1),
    "l1": (0, math.inf),
    "l2": (0, math.inf),
    "unfreeze": (0, math.inf),
    "warm_up": (0, math.inf),
    "patience": (1, math.inf),
}


@dataclass(frozen=True)
class Settings:
    """How to train. See `training.models.capacity_ladder.build` and `training.fit.fit_model.fit` for those that are not
    told here.

    `size`: side in pixels to which images are resized; None: a pretrained network's own, else see
    `training.fit.fit_model.natural_size`. `learning_rate`: None: 0.001, or 0.0001 where pretrained stages are trained
    as well. `mirror`: whether images may be mirrored: yes, no, or auto, which looks (`training.data.mirror_check`).
    `augment_starved`: a strength at which images of classes with few images (`training.models.augmentation.starved`)
    are changed on top. `balance`: ``weights`` makes classes count alike in the loss, ``sampling`` shows images of rare
    classes more often, until each class is seen as often as the largest; ``auto`` does what the export says
    (`training.data.export_balance`), and nothing when it says nothing.
    """

    model: str = "small_cnn"
    epochs: int = 30
    seed: int = 0
    size: int | None = None
    batch_size: int = 64
    learning_rate: float | None = None
    weight_decay: float = 1e-3
    optimizer: str = "adamw"
    dropout: float = 0.2
    l1: float = 0.0
    l2: float = 0.0
    augment: str = "light"
    augment_starved: str = "none"
    mirror: str = "auto"
    unfreeze: int = 0
    weights: str | None = None
    balance: str = "auto"
    schedule: str = "plateau"
    warm_up: int = 0
    patience: int = 5

    @property
    def rate(self) -> float:
        """The learning rate that is used."""
        return pretrained.learning_rate(self.unfreeze) if self.learning_rate is None else self.learning_rate


def check(settings: Settings) -> None:
    """Raises InputError for a number out of its range, or an unknown balance, mirroring or strength. (Models,
    optimizers and schedules are checked where they are made.)"""
    for name, (least, below) in RANGES.items():
        value = getattr(settings, name)
        if value is not None and not least <= value < below:
            raise InputError(
                f"{name.replace('_', ' ')} {value}",
                expected=f"a number from {least}" + ("" if below == math.inf else f", below {below:,}"),
            )
    if not 0 < settings.rate < math.inf:
        raise InputError(f"learning rate {settings.rate}", expected="a number above 0, such as 0.001")
    names = {
        "balance": BALANCES,
        "mirror": MIRRORS,
        "augment": tuple(augmentation.STRENGTHS),
        "augment_starved": tuple(augmentation.STRENGTHS),
    }
    for name, valid in names.items():
        if getattr(settings, name) not in valid:
            raise InputError(
                f"{name.replace('_', ' ')} {getattr(settings, name)!r}", expected=f"one of {', '.join(valid)}"
            )
