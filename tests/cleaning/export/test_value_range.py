"""One range of values for all deep pictures that are re-encoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imageclinic.cleaning.export import encode_images
from imageclinic.cleaning.export.losses import value_range
from imageclinic.core.errors import InputError


def save(folder: Path, name: str, values: np.ndarray) -> Path:
    Image.fromarray(values).save(folder / name)
    return folder / name


def twelve_bits(seed: int, top: int = 4095) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, top, (64, 64)).astype(np.uint16)


def test_equal_values_stay_equal(tmp_path: Path) -> None:
    dim, light = twelve_bits(0, 2000), twelve_bits(1)
    dim[0, 0] = light[0, 0] = 1500
    light[1, 1], dim[1, 1] = 4100, 100
    sources = {"dim": save(tmp_path, "a.png", dim), "light": save(tmp_path, "b.tif", light)}
    ranges = value_range.measure(sources)
    found = ranges["integers"]
    assert (found.low, found.high, found.images, found.highest) == (100, 4100, 2, "light")
    assert found.levels_before > 1000 and 100 < found.levels_after <= 256
    (tmp_path / "to").mkdir()
    made = encode_images.encode(sources, "png", tmp_path / "to", lambda done, total: None, ranges)
    one, two = (np.asarray(Image.open(file)) for file in made["file"])
    assert one[0, 0] == two[0, 0] == round(1400 / 4000 * 255)
    assert one[1, 1] == 0 and two[1, 1] == 255


def test_an_outlier_that_would_cost_the_others_their_levels_is_named(tmp_path: Path) -> None:
    sources = {f"{n}": save(tmp_path, f"{n}.png", twelve_bits(n)) for n in range(3)}
    hot = twelve_bits(9)
    hot[5, 5] = 65535
    sources["hot"] = save(tmp_path, "hot.png", hot)
    with pytest.raises(InputError, match=r"keeps 1\d of its .* grey levels, for hot reaches 65535"):
        value_range.measure(sources)


def test_floats_have_a_range_of_their_own(tmp_path: Path) -> None:
    share = np.linspace(-1, 1, 4096, dtype=np.float32).reshape(64, 64)
    sources = {"f": save(tmp_path, "f.tif", share), "i": save(tmp_path, "i.png", twelve_bits(1))}
    ranges = value_range.measure({**sources, "gone": tmp_path / "gone.png"})
    assert (ranges["floats"].low, ranges["floats"].high) == (-1, 1)
    assert ranges["integers"].images == 1
