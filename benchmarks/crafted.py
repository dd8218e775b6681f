"""Image files made by hand: valid ones that no encoder writes, and broken ones."""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Size of the pictures that are not about their size.
SIDE = (96, 72)


@lru_cache
def picture(mode: str = "RGB", size: tuple[int, int] = SIDE) -> Image.Image:
    """A colourful picture with grain."""
    rng = np.random.default_rng(7)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = rng.normal(0, 12, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(coarse, dtype=float) + grain, 0, 255).astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file of Pillow's format `kind`."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def half(data: bytes) -> bytes:
    """The first half of the bytes."""
    return data[: len(data) // 2]


# JPEG


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def frame_at(data: bytes) -> int:
    """Where the start of frame (SOFn) of a JPEG begins."""
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """The bytes with some of them replaced."""
    return data[:at] + new + data[at + len(new) :]


def resized_header(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header claims another size."""
    return patched(data, frame_at(data) + 5, struct.pack(">HH", height, width))


# One Huffman code each: "0" is a coefficient of 0, or the end of the block.
_ONE_CODE = bytes([1] + [0] * 15) + b"\0"


def flat_jpeg(width: int, height: int, factors: tuple[tuple[int, int], ...] = ((1, 1),), frame: int = 0xC0) -> bytes:
    """A grey picture as baseline JPEG, one pair of sampling factors (horizontal, vertical) per component: a header,
    and two zero bits a block."""
    across, down = max(f[0] for f in factors), max(f[1] for f in factors)
    single = len(factors) == 1  # the blocks of a lone component are not grouped
    step_x, step_y = (8, 8) if single else (8 * across, 8 * down)
    blocks = 1 if single else sum(h * v for h, v in factors)
    bits = 2 * blocks * -(-width // step_x) * -(-height // step_y)
    parts = b"".join(struct.pack("BBB", i + 1, h << 4 | v, 0) for i, (h, v) in enumerate(factors))
    return (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + bytes([16] * 64))
        + segment(frame, struct.pack(">BHHB", 8, height, width, len(factors)) + parts)
        + segment(0xC4, b"\0" + _ONE_CODE + b"\x10" + _ONE_CODE)
        + segment(0xDA, bytes([len(factors)]) + b"".join(bytes([i + 1, 0]) for i in range(len(factors))) + b"\0\x3f\0")
        + bytes(bits // 8)
        + (bytes([0xFF >> bits % 8]) if bits % 8 else b"")
        + b"\xff\xd9"
    )


# Progressive: a four-bit code for "the next 2^r blocks or more hold nothing else", r = 0 to 14; r bits say how many.
_RUN_CODES = bytes([0, 0, 0, 15] + [0] * 12) + bytes(r << 4 for r in range(15))


def slow_jpeg(width: int, height: int, bits: int = 13) -> bytes:
    """A grey picture as progressive JPEG in one scan per coefficient and bit: valid, small, and long to decode."""
    blocks = -(-width // 8) * -(-height // 8)
    runs, left = "", blocks
    while left:
        size = min(left, 32767).bit_length() - 1
        length = min(left, 2 ** (size + 1) - 1)
        runs += f"{size:04b}" + (f"{length - 2**size:0{size}b}" if size else "")
        left -= length
    ends = _stuffed(runs)

    def scan(first: int, last: int, high: int, low: int, data: bytes) -> bytes:
        return segment(0xDA, bytes([1, 1, 0, first, last, high << 4 | low])) + data

    scans = [scan(0, 0, 0, 0, _stuffed("0" * blocks))]
    for coefficient in range(1, 64):
        steps = [(0, bits)] + [(bit, bit - 1) for bit in range(bits, 0, -1)]
        scans += [scan(coefficient, coefficient, high, low, ends) for high, low in steps]
    return (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + bytes([16] * 64))
        + segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
        + segment(0xC4, b"\0" + _ONE_CODE + b"\x10" + _RUN_CODES)
        + b"".join(scans)
        + b"\xff\xd9"
    )


def _stuffed(bits: str) -> bytes:
    """Bits as the bytes of a JPEG scan."""
    padded = bits + "1" * (-len(bits) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8, "big").replace(b"\xff", b"\xff\0")


# PNG


def chunk(kind: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    """A PNG chunk."""
    check = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(
    width: int, height: int, depth: int, colour: int, packed: bytes, *extra: bytes, after: bytes | None = None
) -> bytes:
    """A PNG of compressed rows `packed`, with more chunks behind the header, and ending in `after` (IEND)."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    end = chunk(b"IEND", b"") if after is None else after
    return SIGNATURE + header + b"".join(extra) + chunk(b"IDAT", packed) + end


def flat_png(width: int, height: int, depth: int = 1, colour: int = 0, *extra: bytes) -> bytes:
    """A black PNG of this size that compresses to almost nothing."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    row = bytes(1 + -(-width * depth * samples // 8))
    packer, parts = zlib.compressobj(9), []
    step = max(1, 1_000_000 // len(row))
    for start in range(0, height, step):
        parts.append(packer.compress(row * min(step, height - start)))
    return png(width, height, depth, colour, b"".join(parts) + packer.flush(), *extra)


# Where Adam7's seven passes begin, and how far apart their pixels are: x, y, step x, step y.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def interlaced_png(rgb: npt.NDArray[np.uint8]) -> bytes:
    """Pixels (height, width, 3) as interlaced PNG."""
    height, width = rgb.shape[:2]
    rows = b"".join(
        b"\0" + row.tobytes() for x, y, step_x, step_y in _PASSES for row in rgb[y::step_y, x::step_x] if row.size
    )
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1))
    return SIGNATURE + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# TIFF


def tiff(tags: dict[int, tuple[int, int, int]], data: bytes = b"", *, following: int = 0) -> bytes:
    """A little-endian TIFF with one directory at offset 8: tag → (type, count, value or offset), then `data`."""
    entries = b"".join(struct.pack("<HHII", tag, *value) for tag, value in sorted(tags.items()))
    return (
        b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + struct.pack("<I", following) + data
    )


def grey_tiff(width: int, height: int, *, stored: int | None = None, following: int = 0) -> bytes:
    """An uncompressed grey TIFF in one strip; `stored` bytes of pixels are there (default: all)."""
    size = width * height
    tags = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 8 + 2 + 9 * 12 + 4),
        277: (3, 1, 1),
        278: (4, 1, height),
        279: (4, 1, min(size, 0xFFFFFFFF)),
    }
    pixels = bytes(np.arange(min(size, 10**6) if stored is None else stored, dtype=np.uint8))
    return tiff(tags, pixels, following=following)


def float_tiff(width: int, height: int) -> bytes:
    """A float TIFF of this size that stores no pixels."""
    size = width * height * 4
    return tiff(
        {
            256: (4, 1, width),
            257: (4, 1, height),
            258: (3, 1, 32),
            259: (3, 1, 1),
            262: (3, 1, 1),
            273: (4, 1, 200),
            277: (3, 1, 1),
            278: (4, 1, height),
            279: (4, 1, size),
            339: (3, 1, 3),
        },
        bytes(300),
    )


# Others


def icon(packed: bytes, side: int) -> bytes:
    """An ICO that claims side × side and holds the PNG `packed`."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, side, side, 0, 0, 1, 32, len(packed), 22) + packed


def packed_bmp(width: int, height: int) -> bytes:
    """A BMP of 8 bits, run-length encoded: every row one run of its number."""
    rows = b"".join(bytes([width, y % 256, 0, 0]) for y in range(height)) + b"\0\1"
    palette = b"".join(bytes([i, i, i, 0]) for i in range(256))
    start = 14 + 40 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 2835, 2835, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + palette + rows


def gif_without_palette() -> bytes:
    """A GIF of 4 × 4 pixels that names no colours."""
    return b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + _gif_frame() + b";"


def gif_of_frames(n: int) -> bytes:
    """A GIF of 4 × 4 pixels and n equal frames."""
    palette = b"\0\0\0\xff\xff\xff\xff\0\0\0\xff\0"
    return b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x91, 0, 0) + palette + _gif_frame() * n + b";"


def _gif_frame() -> bytes:
    codes, bits, size = [], "", 3
    for pixel in range(16):
        if pixel % 2 == 0:
            codes.append(4)  # clear: so that codes stay 3 bits long
        codes.append(pixel % 4)
    codes.append(5)
    for code in codes:
        bits = f"{code:0{size}b}" + bits
    packed = int(bits, 2).to_bytes(-(-len(bits) // 8), "little")
    return b"," + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\2" + bytes([len(packed)]) + packed + b"\0"
