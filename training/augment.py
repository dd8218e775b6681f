"""Random changes to training images that keep their label: Keras layers, in named strengths.

The layers work on float images in [0, 255], before any rescaling, and do nothing at inference.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras

from audit.errors import InputError


@dataclass(frozen=True)
class Strength:
    """How far an image may be changed. Shift and zoom as fractions of the size, turn as a fraction of a full
    circle, brightness and contrast as fractions of the range."""

    shift: float
    turn: float
    zoom: float
    brightness: float
    contrast: float


#: From nothing to as much as photos and digits bear. A turn of 0.03 is 11 degrees: a 6 stays a 6.
STRENGTHS: dict[str, Strength | None] = {
    "none": None,
    "light": Strength(shift=0.08, turn=0.0, zoom=0.0, brightness=0.0, contrast=0.0),
    "medium": Strength(shift=0.1, turn=0.03, zoom=0.1, brightness=0.1, contrast=0.2),
}


def layers(strength: str, *, mirror: bool = False) -> list[keras.Layer]:
    """The layers of a strength, to put in front of a model (`training.model.build` does).

    Args:
        strength: a name in `STRENGTHS`.
        mirror: also mirror left and right. Only for classes that mean the same mirrored: photos of things do,
            digits, letters and left-or-right diagnoses do not.

    Returns:
        Keras layers, in the order in which they apply; empty for ``none`` without mirroring.

    Raises:
        InputError: for an unknown strength; lists the known ones.
    """
    if strength not in STRENGTHS:
        raise InputError(f"unknown augmentation {strength!r}", expected=f"one of {', '.join(STRENGTHS)}")
    chosen = STRENGTHS[strength]
    found: list[keras.Layer] = [keras.layers.RandomFlip("horizontal")] if mirror else []
    if chosen is None:
        return found
    if chosen.shift:
        found.append(keras.layers.RandomTranslation(chosen.shift, chosen.shift, fill_mode="nearest"))
    if chosen.turn:
        found.append(keras.layers.RandomRotation(chosen.turn, fill_mode="nearest"))
    if chosen.zoom:
        found.append(keras.layers.RandomZoom(chosen.zoom, fill_mode="nearest"))
    if chosen.brightness:
        found.append(keras.layers.RandomBrightness(chosen.brightness, value_range=(0, 255)))
    if chosen.contrast:
        found.append(keras.layers.RandomContrast(chosen.contrast, value_range=(0, 255)))
    return found
