"""Files as they lie on disks: encoded pictures, the same pictures encoded otherwise, and damaged files."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from PIL import Image, PngImagePlugin

from imageclinic.sample_data import draw

TEXT = b"Scans of forms 1 to 43, see the folder next door. Ask for the originals first.\n"
HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"


def encoded(picture: Image.Image, format_name: str, **options: Any) -> bytes:
    """A file of the format (in Pillow's terms) with Pillow's options."""
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    """A JPEG file."""
    return encoded(picture, "JPEG", quality=quality, optimize=True)


def png(picture: Image.Image) -> bytes:
    """A PNG file."""
    return encoded(picture, "PNG", optimize=True)


def webp(picture: Image.Image) -> bytes:
    """A WebP file."""
    return encoded(picture, "WEBP", quality=90)


def tiff(picture: Image.Image) -> bytes:
    """A TIFF file."""
    return encoded(picture, "TIFF", compression="tiff_adobe_deflate")


def with_comment(data: bytes) -> bytes:
    """The same JPEG stream with a comment segment after the start marker: other bytes, same pixels."""
    text = b"scanned twice"
    return data[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + data[2:]


def with_text(data: bytes) -> bytes:
    """The same PNG, compressed otherwise and with a comment: other bytes, same pixels."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "scanned twice")
    return encoded(Image.open(io.BytesIO(data)), "PNG", compress_level=4, pnginfo=info)


def zeroed(data: bytes) -> bytes:
    """A fifth of the file lost to zeros, after its middle: a bad sector."""
    start, length = len(data) * 6 // 10, len(data) // 5
    return data[:start] + bytes(length) + data[start + length :]


#: Near copies of a picture, as files.
NEAR: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg_q60": lambda p: jpeg(p, 60),
    "jpeg_q30": lambda p: jpeg(p, 30),
    "smaller": lambda p: jpeg(draw.resized(p, 0.86)),
    "larger": lambda p: jpeg(draw.resized(p, 1.14)),
    "brightened": lambda p: jpeg(draw.brightened(p, 1.15)),
    "cropped_5": lambda p: jpeg(draw.cropped(p, 0.05)),
    "mirrored": lambda p: jpeg(p.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "rotated_90": lambda p: jpeg(p.transpose(Image.Transpose.ROTATE_90)),
}
