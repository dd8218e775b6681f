"""What `wrong_extension` says of a file, held against what Keras's folder loader does with it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from imageclinic.audit.checks import wrong_extension
from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import scan
from imageclinic.core import tables
from imageclinic.core.run import create
from tests.parts import lacking

HEIGHT, WIDTH = 24, 32
STOPS, SKIPPED, CONTRADICTION, FINE = 1.0, 0.8, 0.6, 0.0


def picture() -> Image.Image:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return Image.fromarray(np.stack([x * 8, y * 10, (x + y) * 4], -1).astype(np.uint8))


def encoded(format: str, mode: str = "RGB", frames: int = 1, **options: object) -> bytes:
    image, out = picture().convert(mode), io.BytesIO()
    if frames > 1:
        options |= {"save_all": True, "append_images": [image.point(lambda v: 255 - v)] * (frames - 1)}
    image.save(out, format, **options)
    return out.getvalue()


def top_down_bmp() -> bytes:
    rows = np.asarray(picture())[:, :, ::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, -HEIGHT, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + header + rows


CASES: dict[str, tuple[bytes, float]] = {
    "jpeg.jpg": (encoded("JPEG"), FINE),
    "progressive.JPEG": (encoded("JPEG", progressive=True), FINE),
    "grey.jpg": (encoded("JPEG", "L"), FINE),
    "cmyk.jpg": (encoded("JPEG", "CMYK"), FINE),
    "two.jpg": (encoded("MPO", frames=2), FINE),
    "png.png": (encoded("PNG"), FINE),
    "palette.png": (encoded("PNG", "P"), FINE),
    "bit.png": (encoded("PNG", "1"), FINE),
    "alpha.png": (encoded("PNG", "RGBA"), FINE),
    "moving.png": (encoded("PNG", frames=2), FINE),
    "gif.gif": (encoded("GIF", "P"), FINE),
    "bmp.bmp": (encoded("BMP"), FINE),
    "grey.bmp": (encoded("BMP", "L"), FINE),
    "down.bmp": (top_down_bmp(), FINE),
    "png.jpg": (encoded("PNG"), CONTRADICTION),
    "jpeg.png": (encoded("JPEG"), CONTRADICTION),
    "gif.jpg": (encoded("GIF", "P"), CONTRADICTION),
    "bmp.png": (encoded("BMP"), CONTRADICTION),
    "webp.jpg": (encoded("WEBP", lossless=True), CONTRADICTION),
    "webp.webp": (encoded("WEBP"), SKIPPED),
    "tiff.tif": (encoded("TIFF"), SKIPPED),
    "avif.avif": (encoded("AVIF"), SKIPPED),
    "jpeg2000.jp2": (encoded("JPEG2000"), SKIPPED),
    "ppm.ppm": (encoded("PPM"), SKIPPED),
    "ico.ico": (encoded("ICO"), SKIPPED),
    "jpeg.jfif": (encoded("JPEG"), SKIPPED),
    "jpeg.jpe": (encoded("JPEG"), SKIPPED),
    "two.mpo": (encoded("MPO", frames=2), SKIPPED),
    "jpeg.webp": (encoded("JPEG"), SKIPPED),
    "jpeg": (encoded("JPEG"), SKIPPED),
    "avif.jpg": (encoded("AVIF"), STOPS),
    "tiff.png": (encoded("TIFF"), STOPS),
    "ppm.jpg": (encoded("PPM"), STOPS),
    "jpeg2000.jpg": (encoded("JPEG2000"), STOPS),
    "bit.bmp": (encoded("BMP", "1"), STOPS),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    for name, (data, _) in CASES.items():
        place = folder / name / name  # a class folder each
        place.parent.mkdir()
        place.write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def judged(folder: Path, tmp_path_factory) -> pd.DataFrame:
    run, listing = create(tmp_path_factory.mktemp("run") / "run"), image_listing.load(folder)
    dataset, features = scan.scan(run, listing.images, listing.root, workers=1)
    assert not dataset["read_error"].notna().any()
    found = wrong_extension.find(dataset, features)
    return found.assign(name=found["image_id"].str.split("/").str[-1]).set_index("name")


@pytest.mark.parametrize("name", CASES)
def test_scores(judged: pd.DataFrame, name: str) -> None:
    assert (judged.loc[name, "score"] if name in judged.index else FINE) == CASES[name][1]


@pytest.mark.parametrize("name", CASES)
def test_keras_does_what_the_score_says(folder: Path, name: str) -> None:
    def load() -> np.ndarray:
        images = keras.utils.image_dataset_from_directory(
            folder / name, labels=None, image_size=(HEIGHT, WIDTH), batch_size=1, verbose=False
        )
        return next(iter(images)).numpy()[0]

    score = CASES[name][1]
    if score == SKIPPED:
        with pytest.raises(ValueError, match="No images found"):
            load()
    elif score == STOPS:
        with pytest.raises(tf.errors.InvalidArgumentError):
            load()
    else:
        with Image.open(folder / name / name) as image:
            meant = np.asarray(image.convert("RGB"), dtype=np.float32)
        difference = np.abs(load() - meant).max()
        assert difference < 8


def test_the_evidence_says_what_to_do(judged: pd.DataFrame) -> None:
    assert not lacking(judged.loc["jpeg.jfif", "evidence"], "JPEG", "'.jfif'", "skips", "rename", ".jpg")
    assert not lacking(judged.loc["jpeg", "evidence"], "without an extension", "JPEG", "Keras")
    assert not lacking(judged.loc["avif.jpg", "evidence"], "'.jpg'", "AVIF", "stops", "convert", "PNG or JPEG")
    assert not lacking(judged.loc["png.jpg", "evidence"], "other loaders", "rename", ".png")


def table(**columns: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = columns.pop("image_id")
    frames = columns.pop("frames", None)
    n = len(names)  # type: ignore[arg-type]
    dataset = tables.frame(tables.DATASET, image_id=names, bytes=[1] * n, mtime_ns=[0] * n, **columns)
    zeros = {c.name: [0] * n for c in tables.FEATURES.columns if not c.nullable and c.name != "image_id"}
    return dataset, tables.frame(tables.FEATURES, image_id=names, **zeros, frames=frames)


def test_several_frames() -> None:
    # Not run: without channels, tf.io.decode_image 2.21 corrupts its memory on an animated WebP.
    dataset, features = table(
        image_id=["a.gif", "b.webp", "c.png", "d.gif"],
        format=["GIF", "WEBP", "WEBP", "GIF"],
        mode=["P", "RGB", "RGB", "P"],
        frames=[5, 5, 5, 1],
    )
    found = wrong_extension.find(dataset, features).set_index("image_id")
    assert found["score"].to_dict() == {"b.webp": SKIPPED, "c.png": STOPS}


def test_only_contradictions() -> None:
    names = ["a.jfif", "b.png", "c.webp", "d.jpg", "e"]
    dataset, features = table(image_id=names, format=["JPEG", "JPEG", "WEBP", "JPEG", "PNG"], mode=["RGB"] * 5)
    found = wrong_extension.find(dataset, features, keras=False)
    assert found["image_id"].tolist() == ["b.png", "e"]
    first, second = found["evidence"]
    assert not lacking(first, "'.png'", "JPEG", "rename", ".jpg") and "Keras" not in first
    assert not lacking(second, "without an extension", "PNG", "rename", ".png") and "Keras" not in second


def test_odd_names() -> None:
    names = ["x.d/y", ".jpg", "a.JPG", "a.jpg ", "a.b.png", "a."]
    dataset, features = table(image_id=names, format=["JPEG"] * 6, mode=[None] * 6)
    found = wrong_extension.find(dataset, features)
    assert dict(zip(found["image_id"], found["evidence"].str.split(",|:").str[0], strict=True)) == {
        "x.d/y": "Named without an extension",
        "a.jpg ": "Named '.jpg '",
        "a.b.png": "Named '.png'",
        "a.": "Named without an extension",
    }
