"""Blur is found by the width of edges, whatever the contrast, the brightness and the shading."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter
from scipy.special import erf

from imageclinic.audit.checks import blurry
from imageclinic.audit.scan.pictures import image_statistics
from imageclinic.core import tables
from imageclinic.core.errors import NotApplicable

SIDE = 64


def sharpness(*pictures: np.ndarray) -> np.ndarray:
    return image_statistics.sharpness(np.stack(pictures).astype(np.float32))


def edge(sigma: float, height: float = 200) -> np.ndarray:
    """A vertical edge in the middle, blurred by a Gaussian, in whole grey levels."""
    x = np.arange(SIDE) - SIDE / 2 + 0.5
    return np.broadcast_to(np.round(20 + height * (1 + erf(x / sigma / np.sqrt(2))) / 2), (SIDE, SIDE))


def scene(seed: int) -> Image.Image:
    """Patches of grey with hard borders."""
    patches = np.random.default_rng(seed).integers(40, 216, (8, 8), dtype=np.uint8)
    return Image.fromarray(np.kron(patches, np.ones((SIDE // 8, SIDE // 8), np.uint8)))


def of_one_class(features: pd.DataFrame) -> pd.DataFrame:
    ids = features["image_id"]
    n = len(ids)
    return tables.frame(tables.DATASET, image_id=ids, label=["scene"] * n, bytes=[1] * n, mtime_ns=[0] * n)


def blurred(image: Image.Image, sigma: float) -> np.ndarray:
    return np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), dtype=np.float32)


@pytest.mark.parametrize("sigma", [1.5, 2, 3, 4])
def test_sharpness_is_the_width_of_an_edge(sigma: float) -> None:
    assert sharpness(edge(sigma))[0] == pytest.approx(1 / (2 * sigma**2), rel=0.15)


def test_contrast_brightness_and_shading_do_not_matter() -> None:
    picture = np.asarray(scene(0), dtype=np.float32)
    shade = np.linspace(0, 100, SIDE, dtype=np.float32)
    plain, dim, dark, shaded = sharpness(picture, 128 + (picture - 128) / 4, picture / 4, picture / 2 + shade)
    assert [dim, dark, shaded] == pytest.approx([plain] * 3, rel=0.1)
    assert sharpness(blurred(scene(0), 3))[0] < plain / 5


def test_a_flat_picture_has_none() -> None:
    assert sharpness(np.full((SIDE, SIDE), 7)).tolist() == [0]


def test_small_pictures_are_enlarged() -> None:
    small = np.asarray(scene(0).resize((32, 32), Image.Resampling.BOX), dtype=np.float32)
    large = np.asarray(Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC))
    assert sharpness(small)[0] == pytest.approx(sharpness(large)[0], rel=0.05)


def test_the_check_finds_the_blurred_ones() -> None:
    pictures = [blurred(scene(i), 0.5) for i in range(40)] + [blurred(scene(i), 3) for i in range(40, 44)]
    pictures += [np.round(p / 5) for p in pictures[:4]] + [np.full((SIDE, SIDE), 99.0)]
    n = len(pictures)
    zeros = {c.name: [0] * n for c in tables.FEATURES.columns if not c.nullable and c.name != "image_id"}
    features = tables.frame(
        tables.FEATURES,
        image_id=[f"{i:02}" for i in range(n)],
        **zeros | {"sharpness": sharpness(*pictures), "contrast": [p.std() / 255 for p in pictures]},
    )
    found = blurry.find(of_one_class(features), features)
    assert found["image_id"].tolist() == ["40", "41", "42", "43"]
    assert found["score"].between(0.8, 1).all()
    assert found["evidence"].str.contains(r"^Edges are \d\.\d times as wide as in the median image").all()


def test_no_edge_at_all_is_found_too() -> None:
    n = 30
    zeros = {c.name: [0] * n for c in tables.FEATURES.columns if not c.nullable and c.name != "image_id"}
    spread = [0.0, *np.linspace(2, 3, n - 1)]
    features = tables.frame(
        tables.FEATURES,
        image_id=[f"{i:02}" for i in range(n)],
        **zeros | {"sharpness": spread, "contrast": [0.2] * n},
    )
    found = blurry.find(of_one_class(features), features)
    assert found["image_id"].tolist() == ["00"]
    assert "100.0 times" in found["evidence"][0]


def test_smooth_objects_are_compared_with_their_like() -> None:
    """Thirty bottles, as smooth as a blurred house would be; one bottle and one house are blurred for good."""
    n = 300
    rng = np.random.default_rng(0)
    label = np.where(np.arange(n) % 10 == 0, "bottle", "house")
    spread = np.where(label == "bottle", 0.5, 3) * rng.uniform(0.9, 1.1, n)
    spread[[0, 1]] = [0.05, 0.4]
    zeros = {c.name: [0] * n for c in tables.FEATURES.columns if not c.nullable and c.name != "image_id"}
    ids = [f"{i:03}" for i in range(n)]
    features = tables.frame(tables.FEATURES, image_id=ids, **zeros | {"sharpness": spread, "contrast": [0.2] * n})
    dataset = tables.frame(tables.DATASET, image_id=ids, label=label, bytes=[1] * n, mtime_ns=[0] * n)
    assert blurry.find(dataset, features)["image_id"].tolist() == ["000", "001"]


def test_many_smooth_pictures_without_labels_are_a_kind_of_their_own() -> None:
    n = 300
    spread = np.where(np.arange(n) % 10 == 0, 0.3, 3) * np.random.default_rng(0).uniform(0.95, 1.05, n)
    zeros = {c.name: [0] * n for c in tables.FEATURES.columns if not c.nullable and c.name != "image_id"}
    features = tables.frame(
        tables.FEATURES,
        image_id=[f"{i:03}" for i in range(n)],
        **zeros | {"sharpness": spread, "contrast": [0.2] * n},
    )
    with pytest.raises(NotApplicable, match="30 of 300 images are smooth"):
        blurry.find(of_one_class(features).assign(label=None), features)
