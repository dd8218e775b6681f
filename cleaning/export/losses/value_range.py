"""One range of values for all pictures of more than 8 bits a pixel that are re-encoded: the dataset's own, so that
equal values stay equal in all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imageclinic.core import pixels
from imageclinic.core.errors import InputError

#: Pictures whose grey levels are counted, at most.
SAMPLE = 200
#: The usual picture may not lose more than half of its grey levels and be left with fewer than this.
FEWEST_LEVELS = 64


@dataclass(frozen=True)
class ValueRange:
    """What becomes 0 and 255. `levels_before` and `levels_after`: grey levels of the usual (median) picture;
    `highest`: the image with the greatest value."""

    low: float
    high: float
    images: int
    levels_before: int
    levels_after: int
    highest: str

    def sentence(self, kind: str) -> str:
        """What was done, for people."""
        return (
            f"{self.images:,} images of more than 8 bits ({kind}) are brought to 8 bits over one range, "
            f"{self.low:.6g} to {self.high:.6g}: the usual one keeps {self.levels_after:,} of its "
            f"{self.levels_before:,} grey levels."
        )


def measure(sources: Mapping[str, Path]) -> dict[str, ValueRange]:
    """The range of the values of all deep pictures (`core.pixels.deep`) among the sources: the usual one of the rule of
    `core.pixels`, where they fill half of it, and else from their least to their greatest value.

    Args:
        sources: image_id → file; files that can't be decoded are left out, and so are pictures that are not deep.

    Returns:
        ``integers`` and ``floats``, of those that there are: their units are not the same.

    Raises:
        InputError: over the one range the usual picture would lose most of its grey levels.
    """
    ends: dict[str, dict[str, tuple[float, float]]] = {}
    for image_id, file in sources.items():
        image = pixels.load(file)
        if image is not None and pixels.deep(image.mode):
            ends.setdefault(kind_of(image.mode), {})[image_id] = pixels.extremes(np.asarray(image))
    return {kind: _of(kind, each, sources) for kind, each in sorted(ends.items())}


def kind_of(mode: str) -> str:
    """Which range a picture of a deep mode goes by."""
    return "floats" if mode == "F" else "integers"


def _of(kind: str, ends: Mapping[str, tuple[float, float]], sources: Mapping[str, Path]) -> ValueRange:
    low, high = min(low for low, _ in ends.values()), max(high for _, high in ends.values())
    usual = pixels.rule_range(low, high, real=kind == "floats")
    # Black stays black where the values fill at least half of one of the usual ranges (`core.pixels`).
    low, high = usual if 2 * (high - low) >= usual[1] - usual[0] else (low, max(high, low + 1))
    ids, levels = list(ends), []
    for at in np.unique(np.linspace(0, len(ends) - 1, min(SAMPLE, len(ends))).astype(int)):
        image = pixels.load(sources[ids[at]])
        if image is not None:
            plain = pixels.plain(image, (low, high))
            levels.append((len(np.unique(np.asarray(image))), len(np.unique(np.asarray(plain)))))
    before, after = (int(np.median(numbers)) for numbers in zip(*levels, strict=True)) if levels else (0, 0)
    highest = max(ends, key=lambda image_id: ends[image_id][1])
    found = ValueRange(low, high, len(ends), before, after, highest)
    if after < min(FEWEST_LEVELS, before / 2):
        raise InputError(
            f"{found.sentence(kind)[:-1]}, for {highest} reaches {high:.6g}",
            expected="images whose values fill one range",
            fix=f"drop {highest} if it is an outlier, export with --reencode none, or bring the images to 8 bits first",
        )
    return found
