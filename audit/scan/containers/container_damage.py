"""Damage to PNG and GIF files that Pillow passes and that TensorFlow's decoders refuse: a walk along the blocks."""

from __future__ import annotations

import zlib


def damage(kind: str, data: bytes) -> str | None:
    """What is wrong with the container of an image file; None when nothing is, or when `kind` is not walked.

    PNG: every critical chunk's checksum, and the end chunk (PNG specification, 5.2–5.6). GIF: the chain of blocks to
    the trailer (GIF89a, appendix A). The answer begins with one of `audit.scan.decode.KINDS`.
    """
    if kind == "PNG":
        return _png(data)
    if kind == "GIF":
        return _gif(data)
    return None


def _png(data: bytes) -> str | None:
    at, view = 8, memoryview(data)
    while at + 12 <= len(data):
        name, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        if name == b"IEND":
            return None
        # A capital first letter marks the chunks that a decoder can't do without.
        if name[:1].isupper() and zlib.crc32(view[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return f"damaged stream: wrong checksum of {name.decode('latin-1')}"
        at = end + 4
    return "truncated: it ends before its end chunk" if b"IDAT" in data else "header only: no picture data"


def _gif(data: bytes) -> str | None:
    def table(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    if len(data) < 14:
        return "header only: no frame"
    at, frames = 13 + table(data[10]), 0
    try:
        while data[at] != 0x3B:
            if data[at] == 0x2C:  # an image
                frames += 1
                at += 11 + table(data[at + 9])
            elif data[at] == 0x21:  # an extension
                at += 2
            else:
                return f"damaged stream: byte {data[at]:#x} where a block should begin"
            while data[at]:
                at += data[at] + 1
            at += 1
    except IndexError:
        return "truncated: it ends within a block" if frames else "header only: no frame"
    return None
