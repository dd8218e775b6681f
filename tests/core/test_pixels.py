"""One rule from any mode to 8-bit RGB (`core.pixels`): all who look at a picture see the same."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imageclinic.audit.scan.decode import decode
from imageclinic.cleaning.export import encode_images
from imageclinic.cleaning.review.dataset import browser_pictures
from imageclinic.core import pixels
from imageclinic.report import thumbnails
from imageclinic.training.data import image_pipelines

SIDE = 32
Y, X = np.mgrid[:SIDE, :SIDE]
GREY = (4 * (X + Y)).astype(np.uint8)
FADE = Image.merge("RGBA", [Image.fromarray(GREY)] * 3 + [Image.new("L", (SIDE, SIDE), 51)])
OVER_WHITE = GREY * 0.2 + 255 * 0.8
DEEP = GREY.astype(np.float64) / GREY.max()

BLOCKS = np.where(X < SIDE // 2, 255, 0).astype(np.uint8)  # halves, which JPEG keeps whole

#: File name → picture, grey that it means.
CASES: dict[str, tuple[Image.Image, np.ndarray]] = {
    "grey.png": (Image.fromarray(GREY), GREY),
    "rgb.bmp": (Image.fromarray(GREY).convert("RGB"), GREY),
    "palette.gif": (Image.fromarray(GREY).convert("P"), GREY),
    "cmyk.tif": (Image.fromarray(GREY).convert("RGB").convert("CMYK"), GREY),
    "one_bit.png": (Image.fromarray(BLOCKS).convert("1"), BLOCKS),
    "cmyk.jpg": (Image.fromarray(BLOCKS).convert("RGB").convert("CMYK"), BLOCKS),
    "lab.tif": (Image.merge("LAB", [Image.fromarray(BLOCKS), *[Image.new("L", (SIDE, SIDE), 128)] * 2]), BLOCKS),
    "alpha.png": (FADE, OVER_WHITE),
    "alpha.tif": (FADE, OVER_WHITE),
    "grey_alpha.png": (FADE.convert("LA"), OVER_WHITE),
    "eight_in_16.png": (Image.fromarray(GREY.astype(np.uint16)), GREY),
    "twelve.png": (Image.fromarray((DEEP * 4095).astype(np.uint16)), DEEP * 255),
    "sixteen.tif": (Image.fromarray((DEEP * 65535).astype(np.uint16)), DEEP * 255),
    "int.tif": (Image.fromarray((DEEP * 65535).astype(np.int32)), DEEP * 255),
    "unit.tif": (Image.fromarray(DEEP.astype(np.float32)), DEEP * 255),
    "signed.tif": (Image.fromarray((DEEP * 4000 - 1000).astype(np.float32)), DEEP * 255),
}


@pytest.mark.parametrize("name", CASES)
def test_all_see_the_same(name: str, tmp_path: Path) -> None:
    image, meant = CASES[name]
    path = tmp_path / name
    image.save(path)
    (tmp_path / "to").mkdir()
    encoded = encode_images.encode({"a": path}, "png", tmp_path / "to", lambda done, total: None)
    shown = browser_pictures._convert(path, tmp_path / "shown.png")
    tile = base64.b64decode(thumbnails.thumbnail(path).uri.partition(",")[2])
    assert shown is not None
    with Image.open(path) as opened:
        rule = pixels.rgb(opened)
    seen = {
        "rule": rule,
        "scan": decode(path.read_bytes()).colour,
        "training": image_pipelines.read_image(path, None),
        "encoded": np.asarray(Image.open(encoded["file"][0]).convert("RGB")),
        "App": np.asarray(Image.open(shown).convert("RGB")),
    }
    for who, found in seen.items():
        assert found is not None
        assert np.abs(found[..., 0].astype(float) - meant).max() <= 2, who
        np.testing.assert_array_equal(found, rule, err_msg=who)
    report = np.asarray(Image.open(io.BytesIO(tile)).convert("RGB"), float)
    assert np.abs(report - rule).mean() < 3


def test_floats_that_are_no_numbers() -> None:
    values = np.array([[np.nan, -np.inf, np.inf, 0.5]], np.float32)
    assert pixels.rgb(values)[0, :, 0].tolist() == [0, 0, 255, 128]
