"""Why is accuracy not improving? So far from a history of training alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.history import Source


def diagnose(*, history: Source, classes: int | None = None, val_images: int | None = None) -> dict[str, Any]:
    """Say what the curves of one training run show, what each sign may mean, and what curves can't tell.

    Args:
        history: a ``.csv`` of Keras's CSVLogger, the ``metrics.json`` of ``imageclinic train``, a frame, or
            `History.history`.
        classes: number of classes, if known.
        val_images: number of validation images, if known.

    Returns:
        `epochs, signs, unknown`; see `training.curves.judge`. No sign does not mean healthy.

    Raises:
        InputError: see `training.history.read`.
    """
    from training import curves
    from training import history as histories

    return curves.judge(histories.read(history), classes=classes, val_images=val_images)
