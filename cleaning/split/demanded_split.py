"""What may be asked of a split: shares, or numbers of images."""

from __future__ import annotations

import math
from collections.abc import Sequence

from imageclinic.core import tables
from imageclinic.core.errors import InputError


def demanded(split: Sequence[float | None]) -> tuple[float | None, ...]:
    """Shares as parts of one, or counts (whole numbers, one of which may be None for the rest).

    Raises:
        InputError: when they are neither.
    """
    parts = tuple(split)
    numbers = [part for part in parts if part is not None]
    good = len(parts) == len(tables.SPLITS) and all(math.isfinite(n) and n >= 0 for n in numbers) and sum(numbers) > 0
    if (
        good
        and None not in parts
        and math.isclose(total := sum(numbers), 1 if max(numbers) <= 1 else 100, rel_tol=1e-6)
    ):
        return tuple(number / total for number in numbers)
    if good and len(numbers) >= len(parts) - 1 and all(number == int(number) for number in numbers):
        return tuple(None if part is None else int(part) for part in parts)
    raise InputError(
        f"the split {', '.join('rest' if part is None else f'{part:g}' for part in parts)}",
        expected="three shares that sum to 1, such as 0.8,0.1,0.1; or three numbers of images, such as 1000,100,200 "
        "or rest,100,200",
    )
