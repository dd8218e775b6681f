"""Image files whose picture data ends early but cleanly: the container, its sizes and its checksums are all right.

As a program leaves them that closes its encoder before it has written every row. Each is made from a picture of
colourful grain, so that whatever a decoder fills in is not the picture.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np

from benchmarks.crafted import chunk, encoded, picture, segment

#: Rows and columns of the whole picture, and rows that are there.
SIZE, ROWS = (100, 100), 10


def short_files() -> dict[str, bytes]:
    """All files, by name."""
    return {name: make() for name, make in _MAKERS.items()}


def whole_files() -> dict[str, bytes]:
    """The same with all rows: intact files."""
    return {name: make(SIZE[1]) for name, make in _MAKERS.items()}


def png(rows: int = ROWS, mode: str = "RGB", *, interlaced: bool = False) -> bytes:
    """Rows without filter in one zlib stream, which ends with its right checksum."""
    array = np.asarray(picture(mode, SIZE))
    kind = {"L": 0, "RGB": 2, "P": 3, "LA": 4, "RGBA": 6}[mode]
    data = bytearray()
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        lines = [line for y, x, dy, dx in passes for line in array[y::dy, x::dx]]
    else:
        lines = list(array)
    for line in lines[: len(lines) * rows // SIZE[1]]:
        data += b"\0" + line.tobytes()
    header = struct.pack(">IIBBBBB", *SIZE, 8, kind, 0, 0, int(interlaced))
    palette = chunk(b"PLTE", np.random.default_rng(1).integers(1, 256, 768, np.uint8).tobytes()) if kind == 3 else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + palette
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def png_unfinished(rows: int = ROWS) -> bytes:
    """A zlib stream without end, in chunks with right checksums."""
    whole = png(SIZE[1])
    at = whole.index(b"IDAT")
    stream = whole[at + 4 : at + 4 + int.from_bytes(whole[at - 4 : at], "big")]
    part = stream[: len(stream) * rows // SIZE[1]]
    return whole[: at - 4] + chunk(b"IDAT", part) + chunk(b"IEND", b"")


def gif(rows: int = ROWS, *, interlaced: bool = False, end: bool = True, background: int = 0) -> bytes:
    """Pixels as LZW codes of nine bits, with the code that clears the table between, and the code of the end."""
    array = np.asarray(picture("L", SIZE))
    if interlaced:
        array = np.concatenate([array[0::8], array[4::8], array[2::4], array[1::2]])
    codes = []
    for at, value in enumerate(array[:rows].ravel().tolist()):
        if at % 200 == 0:
            codes.append(256)
        codes.append(value)
    bits = "".join(f"{code:09b}"[::-1] for code in [*codes, *([257] if end else [])])
    packed = bytes(int(bits[i : i + 8].ljust(8, "0")[::-1], 2) for i in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(part)]) + part for part in (packed[i : i + 255] for i in range(0, len(packed), 255)))
    palette = np.random.default_rng(1).integers(1, 256, 768, np.uint8).tobytes()
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, *SIZE, 0x40 if interlaced else 0)
    return b"GIF89a" + struct.pack("<HHBBB", *SIZE, 0xF7, background, 0) + palette + frame + b"\x08" + blocks + b"\0;"


def tiff(rows: int = ROWS, compression: str = "raw") -> bytes:
    """Strips of ten rows (JPEG: sixteen); the directory lists only those that are there."""
    per_strip = 16 if compression == "jpeg" else 10
    whole = encoded(picture("RGB", SIZE), "TIFF", compression=compression, tiffinfo={278: per_strip})
    return _fewer_strips(whole, -(-rows // per_strip))


def _fewer_strips(data: bytes, count: int) -> bytes:
    order = "<" if data[:2] == b"II" else ">"
    found = bytearray(data)
    at = struct.unpack(order + "I", data[4:8])[0]
    for entry in range(struct.unpack(order + "H", data[at : at + 2])[0]):
        where = at + 2 + 12 * entry
        tag, kind, n = struct.unpack(order + "HHI", data[where : where + 8])
        if tag in (273, 279):
            size = {3: 2, 4: 4}[kind]
            start = struct.unpack(order + "I", data[where + 8 : where + 12])[0] if n * size > 4 else where + 8
            values = data[start : start + count * size]
            found[where + 4 : where + 8] = struct.pack(order + "I", count)
            if count * size <= 4:
                found[where + 8 : where + 12] = values.ljust(4, b"\0")
    return bytes(found)


def tiff_short_strip(rows: int = ROWS, compression: str = "raw") -> bytes:
    """One strip whose data ends early: cleanly compressed, but of fewer rows than the header says."""
    width, height = SIZE
    array = np.asarray(picture("RGB", SIZE))[:rows]
    part = array.tobytes()
    data = {"raw": part, "deflate": zlib.compress(part), "packbits": _packbits(part)}[compression]
    code = {"raw": 1, "deflate": 8, "packbits": 32773}[compression]
    tags = [(256, 3, width), (257, 3, height), (258, 3, 8), (259, 3, code), (262, 3, 2), (277, 3, 3), (278, 3, height)]
    tags = sorted([*tags, (273, 4, 8), (279, 4, len(data)), (284, 3, 1)])
    # Three values of 8 bits don't fit into the entry.
    directory = struct.pack("<H", len(tags))
    end = 8 + len(data) + len(data) % 2
    for tag, kind, value in tags:
        n, raw = (3, struct.pack("<I", end + 2 + 12 * len(tags) + 4)) if tag == 258 else (1, struct.pack("<I", value))
        directory += struct.pack("<HHI", tag, kind, n) + raw
    body = data + b"\0" * (len(data) % 2)
    # What follows is longer than the missing rows: a decoder that does not heed the strip's length reads on.
    return (
        b"II*\0" + struct.pack("<I", end) + body + directory + bytes(4) + struct.pack("<HHH", 8, 8, 8) + bytes(40_000)
    )


def _packbits(data: bytes) -> bytes:
    return b"".join(bytes([len(part) - 1]) + part for part in (data[i : i + 128] for i in range(0, len(data), 128)))


def webp(rows: int = ROWS, *, lossless: bool = False) -> bytes:
    """The first part of a WebP's stream, with the sizes of chunk and file that belong to it."""
    whole = encoded(picture("RGB", SIZE), "WEBP", lossless=lossless, quality=90)
    kept = (len(whole) - 20) * rows // SIZE[1]
    body = whole[20 : 20 + kept + kept % 2]
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + whole[12:16] + struct.pack("<I", kept) + body


def bmp_rle(rows: int = ROWS) -> bytes:
    """Runs of one pixel, rows from the bottom, then the code that ends the picture."""
    array = np.asarray(picture("L", SIZE))[::-1][:rows]
    lines = b"".join(bytes(b for value in line.tolist() for b in (1, value)) + b"\0\0" for line in array)
    data = lines[:-2] + b"\0\1"
    palette = bytes(255 if n == 0 else n for n in range(256) for _ in range(4))
    header = struct.pack("<IiiHHIIiiII", 40, *SIZE, 1, 8, 1, len(data), 0, 0, 256, 0)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + palette + data


def bmp(rows: int = ROWS) -> bytes:
    """Rows without compression; the sizes in the header are of what is there."""
    whole = encoded(picture("RGB", SIZE), "BMP")
    found = bytearray(whole[: 54 + 300 * rows])
    found[2:6], found[34:38] = struct.pack("<I", len(found)), struct.pack("<I", 300 * rows)
    return bytes(found)


def jpeg(rows: int = ROWS, *, progressive: bool = False) -> bytes:
    """A baseline scan that ends early, and the marker of the end; progressive: the last scan does."""
    whole = encoded(picture("RGB", SIZE), "JPEG", quality=90, progressive=progressive)
    start = whole.rindex(b"\xff\xda") + 14
    stream = whole[start:-2]
    if rows < SIZE[1]:
        stream = stream[: len(stream) * rows // SIZE[1]].rstrip(b"\xff")
    return whole[:start] + stream + b"\xff\xd9"


def jpeg_scans(rows: int = ROWS, *, kept: int = 1) -> bytes:
    """A progressive JPEG of which whole scans are missing: the first `kept` are there, then comes the end."""
    whole = encoded(picture("RGB", SIZE), "JPEG", quality=90, progressive=True)
    if rows == SIZE[1]:
        return whole
    starts = [at for at in range(len(whole)) if whole[at : at + 2] == b"\xff\xda"]
    cut = starts[kept]
    while whole.rfind(b"\xff\xc4", starts[kept - 1], cut) > 0:  # the tables of the next scan go as well
        cut = whole.rfind(b"\xff\xc4", starts[kept - 1], cut)
    return whole[:cut] + b"\xff\xd9"


def jpeg_components(rows: int = ROWS) -> bytes:
    """A baseline JPEG in one scan per component, of which only the first is there (or all: `rows` is the height)."""
    one = b"\xff\xd8" + segment(0xDB, b"\0" + bytes([16] * 64))
    one += segment(0xC0, struct.pack(">BHHB", 8, 96, 96, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]))
    code = bytes([1] + [0] * 15) + b"\0"
    one += segment(0xC4, b"\0" + code + b"\x10" + code)
    for component in range(1, 4 if rows == SIZE[1] else 2):
        one += segment(0xDA, bytes([1, component, 0, 0, 63, 0])) + bytes(2 * 144 // 8)
    return one + b"\xff\xd9"


_MAKERS: dict[str, Callable[..., bytes]] = {
    "rows.png": png,
    **{f"rows-{m}.png": (lambda rows=ROWS, m=m: png(rows, m)) for m in ("L", "P", "LA", "RGBA")},
    "interlaced.png": lambda rows=ROWS: png(rows, interlaced=True),
    "last-row.png": lambda rows=SIZE[1] - 1: png(rows),
    "last-interlaced.png": lambda rows=SIZE[1] - 1: png(rows, interlaced=True),
    "unfinished.png": png_unfinished,
    "rows.gif": gif,
    "interlaced.gif": lambda rows=ROWS: gif(rows, interlaced=True),
    "background.gif": lambda rows=ROWS: gif(rows, background=7),
    "no-end-code.gif": lambda rows=ROWS: gif(rows, end=False),
    "last-row.gif": lambda rows=SIZE[1] - 1: gif(rows),
    "strips.tif": tiff,
    "strips-lzw.tif": lambda rows=ROWS: tiff(rows, "tiff_lzw"),
    "strips-deflate.tif": lambda rows=ROWS: tiff(rows, "tiff_adobe_deflate"),
    "strips-jpeg.tif": lambda rows=ROWS: tiff(rows, "jpeg"),
    "strip.tif": tiff_short_strip,
    "strip-deflate.tif": lambda rows=ROWS: tiff_short_strip(rows, "deflate"),
    "strip-packbits.tif": lambda rows=ROWS: tiff_short_strip(rows, "packbits"),
    "lossy.webp": webp,
    "lossless.webp": lambda rows=ROWS: webp(rows, lossless=True),
    "rle.bmp": bmp_rle,
    "rows.bmp": bmp,
    "baseline.jpg": jpeg,
    "progressive.jpg": lambda rows=ROWS: jpeg(rows, progressive=True),
    "first-scan.jpg": jpeg_scans,
    "most-scans.jpg": lambda rows=ROWS: jpeg_scans(rows, kept=7),
    "one-component.jpg": jpeg_components,
}
