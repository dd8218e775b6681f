"""Frames are found in what a decoder leaves of them; plain grounds and plain pictures are none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from imageclinic.audit.scan.containers import jpeg_segments
from imageclinic.audit.scan.decode import decode
from imageclinic.audit.scan.pictures.plain_bars import bars, border
from tests.conftest import picture


def grey(image: Image.Image, quality: int = 75) -> np.ndarray:
    """What the scan sees of a photograph."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    seen = decode(buffer.getvalue()).grey
    assert seen is not None
    return seen[None]


@pytest.mark.parametrize("colour", ["black", "white", (120, 120, 120), (200, 30, 30)])
@pytest.mark.parametrize("quality", [50, 95])
def test_a_frame_of_any_colour(colour: str | tuple[int, int, int], quality: int) -> None:
    framed = ImageOps.expand(picture(1, (224, 160)), (16, 12), colour)
    assert bars(grey(framed, quality))[0] == pytest.approx([4, 4, 4, 4], abs=1)
    assert border(grey(framed, quality))[0] == pytest.approx(1 - (56 / 64) ** 2, abs=0.06)


def test_a_letterbox_and_one_bar() -> None:
    shown = picture(2, (256, 192))
    assert bars(grey(ImageOps.pad(shown, (256, 256))))[0].tolist() == [8, 8, 0, 0]
    low = Image.new("RGB", (256, 224))
    low.paste(shown, (0, 0))
    found = bars(grey(low))[0]
    assert found[1] == pytest.approx(9, abs=1) and found[[0, 2, 3]].tolist() == [0, 0, 0]


def test_what_is_no_frame() -> None:
    plain = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(plain).ellipse((70, 60, 190, 200), "black")
    for image in (picture(3, (256, 256)), plain, Image.new("RGB", (256, 256))):
        assert border(grey(image)).tolist() == [0]


def test_pictures_do_not_depend_on_each_other() -> None:
    together = np.concatenate([grey(picture(n, (200, 200))) for n in range(4)] + [np.zeros((1, 64, 64), np.uint8)])
    together[2, :5] = 9
    assert bars(together).tolist() == [bars(one[None])[0].tolist() for one in together]
    assert bars(together)[2, 0] == 5


@pytest.mark.parametrize("quality", [25, 50, 75, 95, 100])
def test_jpeg_quality_is_what_it_was_written_with(quality: int) -> None:
    buffer = io.BytesIO()
    picture(4, (64, 64)).save(buffer, "JPEG", quality=quality, exif=b"Exif\0\0" + b"\0" * 500)
    assert jpeg_segments.quality(buffer.getvalue()) == pytest.approx(quality, abs=1)
    assert decode(buffer.getvalue()).jpeg_quality == jpeg_segments.quality(buffer.getvalue())
    assert jpeg_segments.exif(buffer.getvalue()) == b"Exif\0\0" + b"\0" * 500


def test_a_header_that_is_cut_anywhere_has_no_quality_or_the_right_one() -> None:
    buffer = io.BytesIO()
    picture(5, (16, 16)).save(buffer, "JPEG", quality=60)
    whole = jpeg_segments.quality(buffer.getvalue())
    assert {jpeg_segments.quality(buffer.getvalue()[:n]) for n in range(200)} == {None, whole}
