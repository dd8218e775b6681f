"""Image formats by their first bytes."""

from __future__ import annotations

# First bytes of image formats. ISO-BMFF (AVIF, HEIC) and RIFF (WebP) carry theirs at an offset.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (8, b"WEBP", "WEBP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"ftypheic", "HEIF"),
    (4, b"ftypmif1", "HEIF"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (0, b"BM", "BMP"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    *((0, b"P%d" % n + space, "PPM") for n in range(1, 7) for space in (b"\n", b" ", b"\r", b"\t")),
)


def sniff(data: bytes) -> str | None:
    """Image format by signature (Pillow's names), from the whole file or its first 16 bytes; None if it is none we
    know. TGA has its signature at the end, and not always."""
    if data.endswith(b"TRUEVISION-XFILE.\0"):
        return "TGA"
    return next((name for at, mark, name in _SIGNATURES if data[at : at + len(mark)] == mark), None)
