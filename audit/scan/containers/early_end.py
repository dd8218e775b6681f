"""Picture data that ends early but cleanly: every size and checksum is right, and rows, strips or scans are missing.

Pillow fills up what is missing without a word; TensorFlow does for JPEG, and refuses PNG. Other cases, and other
formats (GIF, WebP, BMP, compressed TIFF), Pillow refuses itself: `benchmarks.early_ends` makes them all.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

# Horizontal and vertical start and step of the seven passes of an interlaced PNG (PNG specification, 8.2).
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _COUNTS, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS = 322, 323, 324
_OLD_JPEG, _JPEG, _YCBCR = 6, 7, 6
# What ends the coded data of a scan: a marker that is neither a stuffed byte, a restart, nor filling.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
_PROGRESSIVE = (0xC2, 0xCA)
_SCAN, _END = 0xDA, 0xD9


def early_end(image: Image.Image, data: bytes) -> str | None:
    """What is missing of a picture that Pillow has loaded without complaint; None when nothing is.

    Args:
        image: the picture, loaded, at its first frame.
        data: the file's bytes.

    Returns:
        A read error that begins with "truncated", or None, also for formats that are not looked at.
    """
    try:
        if image.format == "PNG":
            return _png(image, data)
        if image.format == "TIFF":
            return _tiff(image, data)
        if image.format in ("JPEG", "MPO"):
            return missing_scans(data)
    except (struct.error, IndexError, KeyError, TypeError, ZeroDivisionError, zlib.error):
        return None  # odd metadata, of which Pillow made sense
    return None


def missing_scans(data: bytes) -> str | None:
    """What the scans of a JPEG leave out: components without any; in progressive files coefficients that have no scan,
    or lack their last bits (ITU-T T.81, G.1.1). None when nothing is missing."""
    components: dict[int, list[int | None]] = {}
    scans, progressive = 0, False
    for marker, body in _segments(data):
        if marker in _FRAMES:
            progressive = marker in _PROGRESSIVE
            components = {body[6 + 3 * n]: [None] * 64 for n in range(body[5])}
        elif marker == _SCAN:
            scans += 1
            n = body[0]
            first, last, bits = body[1 + 2 * n : 4 + 2 * n] if progressive else (0, 63, 0)
            for component in body[1 : 1 + 2 * n : 2]:
                components[component][first : last + 1] = [bits & 15] * (last + 1 - first)
            if not progressive and n == len(components):
                return None
    lacking = [name for name, coefficients in components.items() if any(coefficients) or None in coefficients]
    if not scans or not lacking:
        return None
    return f"truncated: it ends after {scans} scans, {len(lacking)} of {len(components)} components are not complete"


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment of the first picture of a JPEG file, up to its end marker."""
    at = 2
    while match := _MARKER.search(data, at):
        marker, at = data[match.end() - 1], match.end()
        if marker == _END:
            return
        size = int.from_bytes(data[at : at + 2], "big")
        yield marker, data[at + 2 : at + size]
        at += size


def _png(image: Image.Image, data: bytes) -> str | None:
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    # What Pillow did not fill is zero. Only then is the stream read a second time.
    if not interlaced and any(image.crop((0, image.height - 1, image.width, image.height)).tobytes()):
        return None
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes if x < width and y < height]
    sizes = [(1 + -(-across * depth * _CHANNELS[colour] // 8), down) for across, down in rows]
    wanted = sum(size * down for size, down in sizes)
    found = _inflated(data, wanted)
    if found >= wanted:
        return None
    there = f"{found / wanted:.0%} of its data" if interlaced else f"{found // sizes[0][0]} of {height} rows"
    return f"truncated: its stream ends after {there}"


def _inflated(data: bytes, enough: int) -> int:
    """Bytes that the picture's stream holds; counted up to `enough`."""
    stream, found, at, view = zlib.decompressobj(), 0, 8, memoryview(data)
    while at + 12 <= len(data) and found < enough and not stream.eof:
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        part: bytes | memoryview = view[at + 8 : at + 8 + size] if name == b"IDAT" else b""
        while len(part) and found < enough and not stream.eof:
            found += len(stream.decompress(part, 1 << 20))
            part = stream.unconsumed_tail
        at += 12 + size
    return found


def _tiff(image: Image.Image, data: bytes) -> str | None:
    tags = image.tag_v2  # type: ignore[attr-defined]
    compression, planes = tags.get(_COMPRESSION, 1), tags.get(_SAMPLES, 1) if tags.get(_PLANAR, 1) == 2 else 1
    width, height = tags[_WIDTH], tags[_HEIGHT]
    if compression in (_OLD_JPEG, _JPEG):
        return None
    if _TILE_OFFSETS in tags:
        wanted = -(-width // tags[_TILE_WIDTH]) * -(-height // tags[_TILE_HEIGHT]) * planes
        found = len(tags[_TILE_OFFSETS])
        return f"truncated: it lists {found} of {wanted} tiles" if found < wanted else None
    rows = min(tags.get(_ROWS_PER_STRIP, height), height)
    wanted, starts = -(-height // rows) * planes, tags[_OFFSETS]
    if len(starts) < wanted:
        return f"truncated: it lists {len(starts)} of {wanted} strips"
    if compression != 1 or tags.get(_PHOTOMETRIC) == _YCBCR or _COUNTS not in tags:
        return None
    line = -(-width * sum(tags.get(_BITS, (1,))[: 1 if planes > 1 else None]) // 8)
    taken = {*starts, struct.unpack("<I" if data[:2] == b"II" else ">I", data[4:8])[0]}
    for n, (start, count) in enumerate(zip(starts, tags[_COUNTS], strict=False)):
        at = n % (wanted // planes) * rows
        size = line * min(rows, height - at)
        # Some writers give wrong counts, and the rows are there. Not where something else begins.
        if 0 < count < size and any(start + count <= other < start + size for other in taken):
            return f"truncated: strip {n + 1} of {wanted} ends after {count // line} of {size // line} rows"
    return None
