"""Image files → arrays and pipelines (`training.data.image_pipelines`)."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from imageclinic.core.errors import InputError
from imageclinic.core.pictures import jpeg_pixels
from imageclinic.training.data import image_pipelines

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (8, 12, 3), np.uint8)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Ten 4×4 images; the i-th is of the grey value 20 i."""
    return [save(tmp_path / f"{i}.png", Image.new("RGB", (4, 4), (20 * i,) * 3)) for i in range(10)]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp"])
def test_same_pixels_whatever_the_format(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(PIXELS), **options)
    np.testing.assert_array_equal(image_pipelines.read_image(path, None), PIXELS)


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    path = save(tmp_path / "a.png", Image.fromarray(PIXELS), exif=exif)
    assert image_pipelines.read_image(path, None).shape == (8, 12, 3)


def test_size_is_height_then_width_and_stretches(tmp_path: Path) -> None:
    half = np.zeros((40, 80, 3), np.uint8)
    half[:, 40:] = 255
    image = image_pipelines.read_image(save(tmp_path / "a.png", Image.fromarray(half)), (10, 6))
    assert image.shape == (10, 6, 3)
    np.testing.assert_array_equal(image[:, 0], 0)
    np.testing.assert_array_equal(image[:, -1], 255)


def test_a_large_jpeg_read_small_is_the_large_one_shrunk(tmp_path: Path) -> None:
    smooth = np.add.outer(np.linspace(0, 120, 480), np.linspace(0, 120, 640)).astype(np.uint8)
    jpeg = save(tmp_path / "a.jpg", Image.fromarray(smooth), quality=95)
    png = save(tmp_path / "a.png", Image.fromarray(smooth))
    difference = image_pipelines.read_image(jpeg, (32, 32)).astype(int) - image_pipelines.read_image(png, (32, 32))
    assert np.abs(difference).max() <= 2


def test_layouts(tmp_path: Path) -> None:
    def value(name: str, image: Image.Image, channels: int = 3) -> list[int]:
        return image_pipelines.read_image(save(tmp_path / name, image), None, channels=channels)[0, 0].tolist()

    size = (2, 2)
    assert value("rgba.png", Image.new("RGBA", size, (0, 0, 0, 51))) == [204, 204, 204]
    assert value("la.png", Image.new("LA", size, (0, 0)), 1) == [255]
    assert value("palette.png", Image.new("RGB", size, (10, 20, 30)).quantize(4)) == [10, 20, 30]
    assert value("bits.png", Image.new("1", size, 1)) == [255, 255, 255]
    assert value("grey.png", Image.new("L", size, 77)) == [77, 77, 77]
    assert value("red.png", Image.new("RGB", size, (255, 0, 0)), 1) == [76]
    assert value("cmyk.tiff", Image.new("CMYK", size, (0, 255, 255, 0))) == [255, 0, 0]
    assert value("deep.png", Image.fromarray(np.full((2, 2), 0x80FF, np.uint16))) == [128, 128, 128]
    assert value("unit.tiff", Image.fromarray(np.full((2, 2), 0.2, np.float32))) == [51, 51, 51]
    assert value("eight.tiff", Image.fromarray(np.full((2, 2), 99, np.int32))) == [99, 99, 99]
    assert value("wide.tiff", Image.fromarray(np.array([[-5.0, 5.0]], np.float32))) == [0, 0, 0]


@pytest.mark.parametrize("layout", [{"subsampling": n} for n in range(3)] + [{"progressive": True}, {"quality": 30}])
def test_jpegs_have_the_pixels_that_pillow_decodes(tmp_path: Path, layout: dict[str, Any]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (61, 47, 3), np.uint8)
    path = save(tmp_path / "a.jpg", Image.fromarray(noise), **layout)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    decoded = jpeg_pixels.decode(path, (40, 40))
    assert decoded is not None
    np.testing.assert_array_equal(decoded, expected)
    np.testing.assert_array_equal(image_pipelines.read_image(path, None), expected)


def test_pillow_reads_what_is_no_ordinary_jpeg(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    whole = save(tmp_path / "whole.jpg", noise)
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:-200])
    others = [save(tmp_path / f"{mode}.jpg", noise.convert(mode)) for mode in ("L", "CMYK")]
    for path in (tmp_path / "cut.jpg", save(tmp_path / "a.png", noise), *others):
        assert jpeg_pixels.decode(path, None) is None
    assert jpeg_pixels.decode(whole, (16, 16)) is None, "Pillow decodes half of it"
    assert jpeg_pixels.decode(whole, (17, 16)) is not None
    with pytest.raises(InputError, match=r"cut\.jpg can't be decoded.*truncated"):
        image_pipelines.read_image(tmp_path / "cut.jpg", None)


def test_images_stream_in_order_and_no_further_than_they_are_taken(paths: list[Path], tmp_path: Path) -> None:
    batches = list(image_pipelines.streamed(paths, (4, 5), batch_size=4, channels=1))
    assert [batch.shape for batch in batches] == [(4, 4, 5, 1), (4, 4, 5, 1), (2, 4, 5, 1)]
    assert np.concatenate(batches)[:, 0, 0, 0].tolist() == [20 * i for i in range(10)]
    stream = image_pipelines.streamed([*paths, tmp_path / "missing.png"], (4, 4), batch_size=2)
    next(stream)
    stream.close()
    with pytest.raises(InputError, match=r"missing\.png can't be decoded"):
        list(image_pipelines.streamed([*paths, tmp_path / "missing.png"], (4, 4), batch_size=2))


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (3, 3), color) for color in ("red", "blue")]
    path = save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert image_pipelines.read_image(path, None)[0, 0].tolist() == [255, 0, 0]


def test_load_images_keeps_the_order_and_reports(paths: list[Path]) -> None:
    seen: list[tuple[int, int]] = []
    images = image_pipelines.load_images(paths, (2, 3), channels=1, progress=lambda done, of: seen.append((done, of)))
    assert images.dtype == np.uint8
    assert images.shape == (10, 2, 3, 1)
    assert images[:, 0, 0, 0].tolist() == [20 * i for i in range(10)]
    assert seen == [(10, 10)]


@pytest.mark.parametrize("cache", [False, True])
def test_dataset_pairs_images_with_their_labels(paths: list[Path], cache: bool) -> None:
    pipeline = image_pipelines.dataset(paths, list(range(10)), size=(4, 4), batch_size=4, shuffle=True, cache=cache)
    passes = [[(images.numpy(), labels.numpy()) for images, labels in pipeline] for _ in range(2)]
    for batches in passes:
        assert [len(labels) for _, labels in batches] == [4, 4, 2]
        for images, labels in batches:
            assert images.dtype == np.float32
            np.testing.assert_array_equal(images[:, 0, 0, 0], 20 * labels)
    orders = [np.concatenate([labels for _, labels in batches]).tolist() for batches in passes]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))


def test_dataset_order_follows_the_seed(paths: list[Path]) -> None:
    def order(seed: int) -> list[float]:
        pipeline = image_pipelines.dataset(paths, None, size=(4, 4), batch_size=10, shuffle=True, seed=seed)
        return next(iter(pipeline)).numpy()[:, 0, 0, 0].tolist()

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_dataset_shape_is_known_to_keras(paths: list[Path]) -> None:
    pipeline = image_pipelines.dataset(paths, None, size=(4, 5), batch_size=4, channels=1)
    assert pipeline.element_spec == tf.TensorSpec((None, 4, 5, 1), tf.float32)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b""),
        ("text.jpg", b"no image"),
        ("header.png", b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 13, b"IHDR")),
    ],
)
def test_undecodable_files_are_named(tmp_path: Path, paths: list[Path], name: str, content: bytes) -> None:
    bad = tmp_path / name
    bad.write_bytes(content)
    with pytest.raises(InputError, match=name):
        image_pipelines.load_images([*paths, bad], (4, 4))
    with pytest.raises(InputError, match=name), image_pipelines.decode_errors():
        list(image_pipelines.dataset([*paths, bad], None, size=(4, 4), batch_size=4))


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"a\.jpg can't be decoded"):
        image_pipelines.read_image(path, (8, 8))


def test_dataset_refuses_what_does_not_fit(paths: list[Path]) -> None:
    with pytest.raises(InputError, match="10 images but 1 labels"):
        image_pipelines.dataset(paths, [0], size=(4, 4), batch_size=4)
    with pytest.raises(InputError, match="no images"):
        image_pipelines.dataset([], None, size=(4, 4), batch_size=4)
