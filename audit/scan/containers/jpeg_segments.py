"""The segments that a JPEG begins with: where its EXIF data are, and how coarsely it was quantised."""

from __future__ import annotations

from collections.abc import Iterator

#: Segments that stand before the picture's: APP0 to APP15, comments, quantisation tables.
_TABLES = 0xDB
_SEGMENTS = frozenset((*range(0xE0, 0xF0), 0xFE, _TABLES))
#: Sum of the luminance table of ITU-T T.81, Annex K, which quality 50 means in libjpeg.
_STANDARD = 3688


def exif(data: bytes) -> bytes | None:
    """The EXIF data of a JPEG: in one of the segments that it begins with."""
    for code, content in _segments(data):
        if code == 0xE1 and content.startswith(b"Exif\0\0"):
            return content
    return None


def quality(data: bytes) -> int | None:
    """How finely a JPEG was quantised, 1 (coarse) to 100 (fine), None where that can't be read.

    libjpeg's quality whose luminance table has this file's sum (below 25 a little more, where libjpeg cuts its tables
    off at 255). Programs with tables of their own have other scales, so
    it is no measure across programs; but files that one program wrote in one way have one number.
    """
    for code, content in _segments(data):
        at = 0
        while code == _TABLES and at < len(content):
            wide, number = content[at] >> 4, content[at] & 15
            table = content[at + 1 : at + 1 + (128 if wide else 64)]
            if number == 0 and len(table) == (128 if wide else 64):
                total = sum(table[1::2]) + 256 * sum(table[::2]) if wide else sum(table)
                percent = 100 * total / _STANDARD
                found = 100 - percent / 2 if percent <= 100 else 5000 / percent
                return min(100, max(1, round(found)))
            at += 1 + (128 if wide else 64)
    return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Code and content of each, up to the first of another kind."""
    at = 2
    while data[at : at + 1] == b"\xff" and len(data) >= at + 4 and data[at + 1] in _SEGMENTS:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : end]
        at = end
