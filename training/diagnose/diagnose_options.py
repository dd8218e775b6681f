"""How a diagnosis is made: the options of ``imageclinic diagnose``. Loads no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypedDict

from imageclinic.core.option_fields import SEED, CheckedOptions, Range, listed, option, whole
from imageclinic.training.models.augmentation_strengths import STRENGTHS
from imageclinic.training.models.optimizers import OPTIMIZERS
from imageclinic.training.models.rungs import LADDER
from imageclinic.training.option_ranges import BATCH, BUDGET, DROPOUT, EPOCHS, PENALTY, RATE

MINUTES = 5.0
#: What pixels may be multiplied by.
SCALE = Range(0, 1e6, above=True)
_RUNGS = list(LADDER)


class DiagnoseKeywords(TypedDict, total=False):
    """The fields of `DiagnoseOptions` as keyword arguments, for editors and type checkers."""

    model: str | None
    budget: float
    seeds: int
    seed: int
    learning_rate: float | None
    batch_size: int | None
    epochs: int | None
    optimizer: str | None
    dropout: float | None
    weight_decay: float | None
    augment: str | None
    scale: float | None
    label_column: str | None
    classes: int | None
    val_images: int | None
    mirror: bool | None
    loss: str | None
    from_logits: bool | None
    unfrozen: bool | None


@dataclass(frozen=True)
class DiagnoseOptions(CheckedOptions):
    """How to diagnose.

    `model`: a rung of the ladder, a ``.keras`` file or ``module:function`` (see `training.diagnose.user_model`); None:
    what ``imageclinic train`` did with this export, else its defaults. `budget`: minutes for the experiments. `seeds`:
    runs of each arm; below 5 intervals are much wider. `seed`: of the draw of images. `learning_rate` to `scale`, and
    `mirror` to `unfrozen` (for the Python API alone): fields of `training.diagnose.setup.Recipe`, where they are not as
    the model says. `label_column`: of a manifest. `classes`, `val_images`: their number, if known; for the history.
    """

    model: str | None = option(
        None,
        f"FILE.keras, module:function that returns a model, or a rung: {', '.join(_RUNGS[:2])}, …, {_RUNGS[-1]}. "
        "Default: as imageclinic train did with OUT.",
    )
    budget: float = option(MINUTES, "Minutes for the experiments.", BUDGET)
    seeds: int = option(5, "Runs of each arm, at least 2; below 5 intervals are much wider.", whole(2, 1000))
    seed: int = option(0, "Seed of everything that is drawn at random.", SEED)
    learning_rate: float | None = option(None, "As you train.", RATE)
    batch_size: int | None = option(None, "As you train.", BATCH)
    epochs: int | None = option(None, "As you train; fewer when the budget ends.", EPOCHS)
    optimizer: str | None = option(None, f"{listed(list(OPTIMIZERS))}.")
    dropout: float | None = option(None, "As you train.", DROPOUT)
    weight_decay: float | None = option(None, "As you train.", PENALTY)
    augment: str | None = option(None, f"{listed(list(STRENGTHS))}.")
    scale: float | None = option(None, "What your pipeline multiplies pixels, 0 to 255, by: 0.00392 for /255.", SCALE)
    label_column: str | None = option(None, "Of a manifest: the labels.")
    classes: int | None = option(None, "For a history: number of classes.", whole(2, 10**6))
    val_images: int | None = option(None, "For a history: number of validation images.", whole(1, 10**12))
    mirror: bool | None = None
    loss: str | None = None
    from_logits: bool | None = None
    unfrozen: bool | None = None

    @property
    def recipe(self) -> dict[str, Any]:
        """The fields of a recipe that were asked for."""
        others = ("budget", "seeds", "seed", "label_column", "classes", "val_images")
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in others}
        return {name: value for name, value in values.items() if value is not None}
