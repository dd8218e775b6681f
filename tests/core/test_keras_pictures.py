"""What Keras's loaders make of a file, held against them."""

from __future__ import annotations

import io
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from imageclinic.audit.scan.decode import decode
from imageclinic.core import pixels
from imageclinic.core.pictures import keras_pictures

pytestmark = pytest.mark.slow

SIDE = 64
Y, X = np.mgrid[:SIDE, :SIDE]
GREY = (2 * (X + Y)).astype(np.uint8)
BLOCKS = np.where(X < SIDE // 2, 255, 0).astype(np.uint8)  # halves, which JPEG keeps whole
RGB = Image.fromarray(np.stack([GREY, BLOCKS, 255 - GREY], axis=-1))
FADE = Image.merge("RGBA", [*RGB.split(), Image.new("L", (SIDE, SIDE), 51)])
LINE_ART = Image.merge("RGBA", [Image.new("L", (SIDE, SIDE), 0)] * 3 + [Image.fromarray(BLOCKS)])

#: File name → picture, how it is saved.
SAVED: dict[str, tuple[Image.Image, dict[str, object]]] = {
    "plain.png": (RGB, {}),
    "plain.jpg": (RGB, {"quality": 95, "subsampling": 0}),
    "grey.png": (Image.fromarray(GREY), {}),
    "one_bit.png": (Image.fromarray(BLOCKS).convert("1"), {}),
    "cmyk.jpg": (Image.fromarray(BLOCKS).convert("RGB").convert("CMYK"), {}),
    "cmyk.tif": (RGB.convert("CMYK"), {}),
    "line_art.png": (LINE_ART, {}),
    "alpha.png": (FADE, {}),
    "alpha.tif": (FADE, {}),
    "grey_alpha.png": (FADE.convert("LA"), {}),
    "opaque.png": (RGB.convert("RGBA"), {}),
    "hidden.png": (Image.fromarray(BLOCKS).convert("RGB"), {"transparency": (0, 0, 0)}),
    "hidden_grey.png": (Image.fromarray(BLOCKS), {"transparency": 0}),
    "palette.png": (Image.fromarray(BLOCKS).convert("P"), {"transparency": 0}),
    "palette.gif": (Image.fromarray(GREY).convert("P"), {}),
    "holed.gif": (Image.fromarray(BLOCKS).convert("P"), {"transparency": 0}),
    "alpha.webp": (FADE, {"lossless": True}),
    "plain.webp": (RGB, {"lossless": True}),
    "palette.bmp": (RGB.quantize(64), {}),
    "grey.bmp": (Image.fromarray(GREY), {}),
    "one_bit.bmp": (Image.fromarray(BLOCKS).convert("1"), {}),
    "eight_in_16.png": (Image.fromarray(GREY.astype(np.uint16)), {}),
    "twelve.png": (Image.fromarray(GREY.astype(np.uint16) * 16), {}),
    "sixteen.png": (Image.fromarray(GREY.astype(np.uint16) * 257), {}),
    "sixteen.tif": (Image.fromarray(GREY.astype(np.uint16) * 257), {}),
    "int.tif": (Image.fromarray(GREY.astype(np.int32) * 257), {}),
    "unit.tif": (Image.fromarray(GREY.astype(np.float32) / 255), {}),
}


def by_tensorflow(data: bytes) -> np.ndarray | None:
    """What `image_dataset_from_directory` decodes; None when it raises."""
    try:
        return tf.io.decode_image(data, channels=3, expand_animations=False).numpy().astype(int)
    except tf.errors.InvalidArgumentError:
        return None


@pytest.mark.parametrize("name", SAVED)
def test_keras_sees_what_is_described(name: str, tmp_path: Path) -> None:
    picture, options = SAVED[name]
    path = tmp_path / name
    picture.save(path, **options)
    data = path.read_bytes()
    folder, loaded = by_tensorflow(data), keras.utils.img_to_array(keras.utils.load_img(path)).astype(int)
    with Image.open(path) as opened:
        opened.load()
        kind = opened.format or ""
        views = keras_pictures.views(opened, kind)
        clear = keras_pictures.transparent(opened)
        misread = keras_pictures.keras_misreads(kind, opened.mode, transparent=clear)
        person = pixels.rgb(opened).astype(int)
    assert (folder is None) == (keras_pictures.keras_refuses(kind, picture.mode) is not None)
    assert (folder is None) == ("image_dataset_from_directory" not in views)
    assert np.abs(np.asarray(views["load_img"], int) - loaded).max() == 0
    others = [loaded]
    if folder is not None:
        others.append(folder)
        assert np.abs(np.asarray(views["image_dataset_from_directory"], int) - folder).mean() < 1
    real = max(float(np.abs(other - person).mean()) for other in others) / 255
    assert real < 0.004 or misread, "another picture, without a word"
    # The scan measures it on a sample.
    measured = decode(data).keras_difference
    assert real < 0.004 if measured is None else abs(measured - real) < 0.02


def test_a_person_sees_the_turn_the_profile_and_the_ground(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = RGB.resize((SIDE, SIDE // 2))
    wide.save(tmp_path / "turned.png", exif=exif)
    wide.convert("RGBA").save(tmp_path / "turned.tif", exif=exif)
    for name in ("turned.png", "turned.tif"):
        with pixels.open_file(tmp_path / name) as image:
            seen = pixels.as_seen(image)
        assert (np.asarray(seen.convert("RGB")) == np.asarray(wide.transpose(Image.Transpose.ROTATE_270))).all(), name
    LINE_ART.save(tmp_path / "art.png")
    with Image.open(tmp_path / "art.png") as image:
        assert (np.asarray(pixels.as_seen(image).convert("L")) == 255 - BLOCKS).all()


def test_a_profile_that_does_not_work_is_as_none() -> None:
    image = RGB.convert("CMYK")
    image.info["icc_profile"] = b"no profile"
    assert np.array_equal(np.asarray(pixels.as_seen(image)), np.asarray(image.convert("RGB")))


def test_values_over_one_range() -> None:
    values = np.array([[0, 1000, 2000, 4000]], np.uint16)
    assert np.asarray(pixels.plain(Image.fromarray(values), (1000.0, 2000.0))).tolist() == [[0, 0, 255, 255]]


def test_heif_is_read(tmp_path: Path) -> None:
    import pillow_heif

    made = pillow_heif.from_pillow(RGB)
    made.save(tmp_path / "a.heic", quality=95)
    data = (tmp_path / "a.heic").read_bytes()
    for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        found = decode(data.replace(b"ftypheic", b"ftyp" + brand, 1))
        assert (found.format, found.error) == ("HEIF", None), brand
    assert decode(data[: len(data) // 2]).error == "truncated: it ends within a box"
    out = io.BytesIO()
    RGB.save(out, "AVIF")
    found = decode(out.getvalue().replace(b"ftypavif", b"ftypmif1", 1))
    assert (found.format, found.error) == ("AVIF", None)
