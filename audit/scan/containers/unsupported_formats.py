"""Files that nothing here decodes though nothing is wrong with them: which format or variant they are."""

from __future__ import annotations

import io
from typing import Any

from PIL import TiffImagePlugin

#: Offset and bytes → a format of pictures that we have no decoder for.
_FOREIGN = (
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"8BPS", "Photoshop"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"DDS ", "DirectDraw surface"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"PF\n", "PFM in colour"),
    (0, b"qoif", "QOI"),
    (128, b"DICM", "DICOM"),
    (4, b"ftypcrx ", "camera raw"),
    (0, b"FUJIFILMCCD-RAW", "camera raw"),
    (0, b"IIRO", "camera raw"),
    (0, b"IIU\0", "camera raw"),
    (0, b"FOVb", "camera raw"),
)
# TIFF 6.0, section 8; 324 and 325: section 15.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _SAMPLE_FORMAT = 256, 257, 258, 259, 277, 339
_OFFSETS, _COUNTS, _UNCOMPRESSED = (273, 324), (279, 325), 1
_NUMBERS = {1: "-bit integers", 2: "-bit signed integers", 3: "-bit floats"}


def foreign(data: bytes) -> str | None:
    """The format of pictures that a file is in, where it is one that we have no decoder for; None for all others."""
    return next((name for at, mark, name in _FOREIGN if data[at : at + len(mark)] == mark), None)


def tiff_layout(data: bytes) -> str | None:
    """The layout of a sound TIFF, such as "13 bands of 16-bit integers"; None if the file is not sound: if its first
    page's directory can't be read, or names data that are not there.

    To be asked where Pillow does not know the layout: it does not tell that from a damaged header.
    """
    try:
        tags = _first_directory(data)
        offsets, counts = (
            next(values for tag in names if (values := _numbers(tags, tag))) for names in (_OFFSETS, _COUNTS)
        )
        [width], [height] = _numbers(tags, _WIDTH), _numbers(tags, _HEIGHT)
        samples = (_numbers(tags, _SAMPLES) or [1])[0]
        bits = _numbers(tags, _BITS) or [1]
        compression = (_numbers(tags, _COMPRESSION) or [_UNCOMPRESSED])[0]
        numbers = _NUMBERS.get((_numbers(tags, _SAMPLE_FORMAT) or [1])[0], " bits of another kind")
    except Exception:  # Pillow's parser raises anything on damaged data
        return None
    if len(offsets) != len(counts) or any(o + c > len(data) for o, c in zip(offsets, counts, strict=True)):
        return None
    if compression == _UNCOMPRESSED and sum(counts) * 8 < width * height * samples * min(bits):
        return None
    packed = "" if compression == _UNCOMPRESSED else f", compression {compression}"
    return f"{samples} band{'s' * (samples != 1)} of {max(bits)}{numbers}{packed}"


def _first_directory(data: bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
    big = data[2:3] == b"+" or data[3:4] == b"+"
    stream = io.BytesIO(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(16 if big else 8))
    stream.seek(tags.next)
    tags.load(stream)
    return tags


def _numbers(tags: Any, tag: int) -> list[int]:
    value = tags.get(tag, ())
    return [int(number) for number in (value if isinstance(value, tuple) else (value,))]


def boxes_end_early(data: bytes) -> bool:
    """Whether a file of boxes (ISO/IEC 14496-12: HEIF, AVIF) ends before its boxes do. Not if what follows is no box:
    the name of one is four letters or digits."""
    at = 0
    while at + 8 <= len(data):
        if not data[at + 4 : at + 8].isalnum():
            return False
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 0:  # to the end of the file
            return False
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return False
        at += size
    return at != len(data)
