"""How far random changes to training images may go, in strengths that have names."""

from __future__ import annotations

from dataclasses import dataclass


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
    "strong": Strength(shift=0.15, turn=0.05, zoom=0.2, brightness=0.2, contrast=0.4),
}
