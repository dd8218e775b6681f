"""Copies differ everywhere alike; what differs in one place, in colour, or in its grain is another picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_image

from benchmarks.alterations import ALTERATIONS
from imageclinic.audit.copies.local_differences import Differences, differences

PHOTOS = {name: Image.fromarray(load_sample_image(f"{name}.jpg")).resize((320, 214)) for name in ("china", "flower")}
#: Alterations that leave the picture where it is; crops are cut to the same part before pictures are compared.
ELSEWHERE = ("turned", "mirrored", "cropped", "tilted", "sheared", "framed", "screenshot", "wide", "in a")
UPRIGHT = [name for name in ALTERATIONS if not name.startswith(ELSEWHERE)]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def noisy(image: Image.Image, sigma: float, seed: int) -> Image.Image:
    values = np.asarray(image, dtype=float)
    noise = np.random.default_rng(seed).normal(0, sigma, values.shape[:2])[..., None]
    return Image.fromarray(np.clip(values + noise, 0, 255).astype(np.uint8))


def part(image: Image.Image, x: int, y: int) -> Image.Image:
    """What a camera sees that is moved by so many pixels."""
    return image.crop((8 + x, 8 + y, image.width - 8 + x, image.height - 8 + y))


def copy(found: Differences) -> bool:
    return found.inside <= 1 and not found.separate


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("name", UPRIGHT)
def test_alterations_of_a_whole_picture_are_no_difference(photo: str, name: str) -> None:
    alter, quality = ALTERATIONS[name]
    altered = jpeg(alter(PHOTOS[photo], np.random.default_rng(3)), quality)
    found = differences(PHOTOS[photo], altered)
    assert copy(found), found
    assert (found.anywhere > 1) == (name == "small logo"), "a logo is another picture at the margin"


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("shift", [(1, 0), (0, -1), (3, 2), (-5, 4)])
def test_a_shifted_copy_is_a_copy(photo: str, shift: tuple[int, int]) -> None:
    found = differences(jpeg(part(PHOTOS[photo], 0, 0), 90), jpeg(part(PHOTOS[photo], *shift), 90))
    assert copy(found), found
    assert found.anywhere <= 1


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("sigma", [2, 4, 8])
def test_two_shots_of_one_scene_are_no_copies(photo: str, sigma: float) -> None:
    one, two = (noisy(part(PHOTOS[photo], x, y), sigma, n) for n, (x, y) in enumerate([(0, 0), (2, -3)]))
    assert differences(one, two).separate
    assert not differences(one, jpeg(one, 90)).separate, "the same grain"
    assert not differences(one, jpeg(one, 30)).separate, "its grain was lost"


def test_a_scratch_is_a_difference() -> None:
    scratched = PHOTOS["china"].copy()
    ImageDraw.Draw(scratched).line((150, 90, 200, 120), fill=(0, 0, 0), width=2)
    found = differences(PHOTOS["china"], jpeg(scratched, 90))
    assert found.inside > 1, found


def test_a_moved_part_is_a_difference() -> None:
    moved = PHOTOS["flower"].copy()
    moved.paste(PHOTOS["flower"].crop((100, 60, 180, 130)), (106, 63))
    assert differences(PHOTOS["flower"], jpeg(moved, 92)).inside > 1


@pytest.mark.parametrize("turn", [60, 120, 200])
def test_another_colour_is_a_difference_and_no_colour_is_none(turn: int) -> None:
    """In photographs and in line drawings alike."""
    drawing = Image.new("RGB", (160, 160), "white")
    ImageDraw.Draw(drawing).ellipse((30, 40, 120, 110), outline=(200, 60, 40), width=4)
    for picture in (PHOTOS["flower"], drawing):
        values = np.array(picture.convert("HSV"))
        values[..., 0] += np.uint8(turn)
        turned = Image.fromarray(values, "HSV").convert("RGB")
        assert differences(picture, turned).inside > 1
        assert differences(picture, picture.convert("L")).anywhere <= 1


def test_another_contrast_and_gamma_are_no_difference() -> None:
    values = np.asarray(PHOTOS["china"]) / 255
    for altered in (values**0.8, 0.1 + 0.7 * values):
        found = differences(PHOTOS["china"], Image.fromarray((255 * altered).astype(np.uint8)))
        assert found.anywhere <= 1, found


def test_alike_things_on_plain_ground_are_not_alike_enough() -> None:
    """A bottle top and a sheet of paper, both bright and about as large, on white."""
    top, sheet = (Image.new("RGB", (200, 200), (236, 236, 236)) for _ in range(2))
    ImageDraw.Draw(top).ellipse((60, 60, 140, 140), fill=(120, 120, 125))
    ImageDraw.Draw(sheet).rectangle((64, 62, 138, 140), fill=(118, 121, 126))
    assert differences(noisy(top, 1, 1), noisy(sheet, 1, 2)).inside > 1


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (40, 9)])
def test_tiny_pictures_are_compared(size: tuple[int, int]) -> None:
    picture = PHOTOS["china"].resize(size)
    assert differences(picture, picture).anywhere <= 1


def test_flat_pictures_are_compared() -> None:
    grey, white = (Image.new("RGB", (64, 64), tone) for tone in ((90, 90, 90), (255, 255, 255)))
    assert differences(grey, grey) == Differences(0.0, 0.0, False)
    assert differences(grey, white).separate is False
