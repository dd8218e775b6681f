"""Sound files that nothing here decodes are not called damaged."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from imageclinic.audit.scan.decode import decode
from tests.conftest import picture

WIDTH, HEIGHT = 48, 40


def tiff(values: np.ndarray, kind: int = 1) -> bytes:
    """A TIFF of one strip: (height, width, bands) of unsigned (1) or signed (2) integers or floats (3)."""
    height, width, bands = values.shape
    data, extra = values.tobytes(), b""
    entries = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [values.itemsize * 8] * bands),
        (259, 3, [1]),
        (262, 3, [1]),
    ]
    entries += [(273, 4, [0]), (277, 3, [bands]), (278, 4, [height]), (279, 4, [len(data)]), (339, 3, [kind] * bands)]
    start = 8 + 2 + 12 * len(entries) + 4
    extras = sum(2 * len(v) for _, t, v in entries if t == 3 and len(v) > 2)
    directory = struct.pack("<H", len(entries))
    for tag, type_, numbers in entries:
        numbers = [start + extras] if tag == 273 else numbers
        packed = struct.pack(f"<{len(numbers)}{'H' if type_ == 3 else 'I'}", *numbers)
        if len(packed) > 4:
            extra, packed = extra + packed, struct.pack("<I", start + len(extra))
        directory += struct.pack("<HHI", tag, type_, len(numbers)) + packed.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", 8) + directory + b"\0\0\0\0" + extra + data


def values(bands: int, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, (HEIGHT, WIDTH, bands)).astype(dtype)


def saved(format: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture(1, (WIDTH, HEIGHT)).save(out, format, **options)
    return out.getvalue()


TGA = saved("TGA").removesuffix(b"\0\0\0\0\0\0\0\0TRUEVISION-XFILE.\0")
PFM = b"Pf\n8 4\n-1.0\n" + np.linspace(0, 1, 32, dtype="<f4").tobytes()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (tiff(values(13)), "unsupported: TIFF of 13 bands of 16-bit integers"),
        (tiff(values(2, "uint8")), "unsupported: TIFF of 2 bands of 8-bit integers"),
        (tiff(values(1, "float64"), 3), "unsupported: TIFF of 1 band of 64-bit floats"),
        (tiff(values(3, "float32"), 3), "unsupported: TIFF of 3 bands of 32-bit floats"),
        (b"\0\0\0\x1cftypheix\0\0\0\0mif1heixmiaf" + np.random.default_rng(0).bytes(3000),
         "unsupported: HEIF that libheif does not open"),
        (b"\xff\x0a" + bytes(range(99)), "unsupported: JPEG XL"),
        (bytes(range(1, 129)) + b"DICM" + bytes(99), "unsupported: DICOM"),
        (b"8BPS\0\1" + bytes(99), "unsupported: Photoshop"),
    ],
)  # fmt: skip
def test_what_has_no_decoder_is_unsupported(data: bytes, error: str) -> None:
    assert decode(data).error == error


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (saved("TIFF", big_tiff=True), "TIFF"),
        (TGA, "TGA"),
        (PFM, "PPM"),
        (saved("AVIF").replace(b"ftypavif", b"ftypmif1", 1), "AVIF"),
        (tiff(values(1, "uint8")), "TIFF"),
    ],
)
def test_what_has_a_decoder_is_read(data: bytes, format: str) -> None:
    found = decode(data)
    assert (found.format, found.error) == (format, None)


@pytest.mark.parametrize(
    "data",
    [
        tiff(values(13))[:-500],  # its strip is cut off
        tiff(values(13))[:90],  # its directory is
        TGA[: len(TGA) // 2],
        saved("AVIF")[:-100],
    ],
)
def test_what_is_cut_off_is_not_unsupported(data: bytes) -> None:
    assert (decode(data).error or "").startswith(("truncated", "header only", "damaged stream"))


def test_noise_is_no_tga() -> None:
    random = np.random.default_rng(1)
    errors = [decode(random.bytes(2000)).error or "" for _ in range(200)]
    assert all(error.startswith("not an image") for error in errors)
    assert Image.open(io.BytesIO(TGA)).size == (WIDTH, HEIGHT)
