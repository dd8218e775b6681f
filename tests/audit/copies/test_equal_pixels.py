"""Equal pixels are those that a viewer shows, however they are stored; alpha counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from imageclinic.audit.copies import full_decode_match
from tests.conftest import picture

WHOLE = (0.0, 1.0, 0.0, 1.0)
RGB = picture(1, (60, 40)).quantize(64).convert("RGB")


def _other(image: Image.Image) -> Image.Image:
    changed = image.copy()
    red, green, blue = changed.getpixel((59, 39))
    changed.putpixel((59, 39), (red, green, blue ^ 1))
    return changed


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        ((RGB, {}), (RGB, {}), True),
        ((RGB, {}), (_other(RGB), {}), False),
        ((RGB, {}), (RGB.quantize(64), {}), True),
        ((RGB, {}), (RGB.convert("RGBA"), {}), True),
        ((RGB, {"transparency": RGB.getpixel((0, 0))}), (RGB, {}), False),
        ((RGB, {"transparency": RGB.getpixel((0, 0))}), (RGB, {"transparency": RGB.getpixel((0, 0))}), True),
        ((RGB.convert("L"), {}), (RGB.convert("L").convert("RGB"), {}), True),
    ],
    ids=["same", "a bit", "palette", "opaque", "transparent colour", "both transparent", "grey"],
)
def test_pixels_are_compared_as_they_are_shown(
    one: tuple[Image.Image, dict[str, object]], two: tuple[Image.Image, dict[str, object]], equal: bool, tmp_path: Path
) -> None:
    paths = tmp_path / "one.png", tmp_path / "two.png"
    for path, (image, options) in zip(paths, (one, two), strict=True):
        image.save(path, **options)
    assert full_decode_match.compare([full_decode_match.Pair(*paths, 0, True, WHOLE)])[0].equal is equal
