"""Picture data that ends early but cleanly is found in every format; intact files are not reported."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.early_ends import jpeg_scans, png, short_files, whole_files
from imageclinic.audit.scan.decode import decode
from tests.conftest import picture

SHORT, WHOLE = short_files(), whole_files()


@pytest.mark.parametrize("name", SHORT)
def test_what_ends_early_is_found(name: str) -> None:
    error = decode(SHORT[name]).error
    assert error is not None
    assert error.startswith(("truncated: ", "damaged stream: "))


@pytest.mark.parametrize("name", WHOLE)
def test_the_same_with_all_rows_is_intact(name: str) -> None:
    assert decode(WHOLE[name]).error is None


def test_how_much_is_there_is_reported() -> None:
    assert decode(png(10)).error == "truncated: its stream ends after 10 of 100 rows"
    assert decode(png(99, "P")).error == "truncated: its stream ends after 99 of 100 rows"
    assert decode(SHORT["strips.tif"]).error == "truncated: it lists 1 of 10 strips"
    assert decode(SHORT["strip.tif"]).error == "truncated: strip 1 of 1 ends after 10 of 100 rows"
    reason = "truncated: it ends after {} scans, 3 of 3 components are not complete"
    assert decode(jpeg_scans(kept=2)).error == reason.format(2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_pillow_and_tensorflow_make_of_them() -> None:
    """Each of these files would give a model a picture that is not the one, or stop it."""
    import tensorflow as tf

    whole = {name: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for name, data in WHOLE.items()}
    for name, data in SHORT.items():
        try:
            with Image.open(io.BytesIO(data)) as image:
                changed = not np.array_equal(np.asarray(image.convert("RGB")), whole[name])
        except (OSError, ValueError):
            changed = True
        # The one file whose missing components are grey in any case.
        assert changed or name == "one-component.jpg", name
        if name.endswith((".png", ".gif", ".bmp")):
            with pytest.raises(tf.errors.InvalidArgumentError):
                tf.io.decode_image(data, expand_animations=False)


def black_below(mode: str, size: tuple[int, int] = (61, 47)) -> Image.Image:
    """A picture whose lower half is black, as films with bars are: Pillow fills missing rows so."""
    array = np.array(picture(3, size).convert("RGB"))
    array[size[1] // 2 :] = 0
    return Image.fromarray(array).convert(mode)


ENCODERS: list[tuple[str, str, dict[str, object]]] = [
    *(("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(("PNG", "RGB", {"compress_level": level}) for level in (0, 1, 9)),
    ("PNG", "P", {"bits": 4}),
    ("PNG", "RGB", {"save_all": True, "duration": 100}),
    *(("TIFF", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "YCbCr", "LAB")),
    *(
        ("TIFF", "RGB", {"compression": c})
        for c in ("tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg", "zstd", "lzma")
    ),
    *(("TIFF", "1", {"compression": c}) for c in ("group3", "group4", "tiff_ccitt", "packbits")),
    *(("TIFF", "RGB", {"tiffinfo": {278: rows}}) for rows in (1, 7, 47, 1000)),
    ("TIFF", "RGB", {"tiffinfo": {278: 7}, "compression": "tiff_lzw"}),
    *(("JPEG", mode, {"progressive": p}) for mode in ("L", "RGB", "CMYK") for p in (False, True)),
    *(("JPEG", "RGB", {"progressive": True, "quality": q, "subsampling": s}) for q in (5, 100) for s in (0, 1, 2)),
    ("JPEG", "RGB", {"optimize": True, "restart_marker_blocks": 2}),
    ("JPEG", "RGB", {"progressive": True, "restart_marker_rows": 1}),
    ("MPO", "RGB", {"save_all": True, "append_images": [black_below("RGB")], "progressive": True}),
    *(("GIF", mode, {"interlace": i}) for mode in ("1", "L", "P") for i in (0, 1)),
    ("WEBP", "RGBA", {"lossless": True}),
    ("WEBP", "RGBA", {}),
    *(("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
]


@pytest.mark.parametrize(("kind", "mode", "options"), ENCODERS)
@pytest.mark.parametrize("size", [(61, 47), (1, 1), (3, 80)])
def test_intact_files_of_many_encoders_pass(kind: str, mode: str, options: dict, size: tuple[int, int]) -> None:
    if mode in ("I;16", "F"):
        values = np.asarray(black_below("L", size), dtype=np.float32)
        image = Image.fromarray(values.astype({"I;16": np.uint16, "F": np.float32}[mode]))
    else:
        image = black_below("RGB" if mode in ("YCbCr", "LAB") else mode, size)
        if mode == "LAB":
            image = Image.merge("LAB", image.split())
        elif mode == "YCbCr":
            image = image.convert("YCbCr")
    buffer = io.BytesIO()
    if kind == "PNG" and "save_all" in options:
        options = {**options, "append_images": [image.rotate(180)]}
    image.save(buffer, kind, **options)
    assert decode(buffer.getvalue()).error is None
    blank = io.BytesIO()
    Image.new(image.mode, size).save(blank, kind, **options)
    assert decode(blank.getvalue()).error is None
