"""Image formats: their names' suffixes, their first bytes, and who opens them. The one list of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A format. `suffixes`: right for it, the usual one first. `signatures`: offset and bytes, any of which tells it;
    none where another format's tell it first. `sequence`: it may hold several pages or frames. `decoder`: Pillow's
    own, None where we have none. `browser`: a browser draws it."""

    suffixes: tuple[str, ...]
    signatures: tuple[tuple[int, bytes], ...] = ()
    sequence: bool = False
    decoder: bool = True
    browser: bool = False


_PPM = tuple((0, b"P%d" % n + space) for n in range(1, 7) for space in (b"\n", b" ", b"\r", b"\t"))
#: By Pillow's name. Order counts: the first that fits tells the format. ISO-BMFF (AVIF, HEIF) and RIFF (WebP) carry
#: their signatures at an offset; TGA at its end, and not always; an MPO begins as the JPEG that it is.
FORMATS = {
    "JPEG": Format((".jpg", ".jpeg", ".jpe", ".jfif"), ((0, b"\xff\xd8\xff"),), browser=True),
    "MPO": Format((".jpg", ".jpeg", ".mpo"), sequence=True, browser=True),
    "PNG": Format((".png",), ((0, b"\x89PNG\r\n\x1a\n"),), sequence=True, browser=True),
    "GIF": Format((".gif",), ((0, b"GIF87a"), (0, b"GIF89a")), sequence=True, browser=True),
    "TIFF": Format((".tif", ".tiff"), ((0, b"II*\x00"), (0, b"MM\x00*")), sequence=True),
    "WEBP": Format((".webp",), ((8, b"WEBP"),), sequence=True, browser=True),
    "AVIF": Format((".avif",), ((4, b"ftypavif"), (4, b"ftypavis")), sequence=True, browser=True),
    "HEIF": Format((".heic", ".heif"), ((4, b"ftypheic"), (4, b"ftypmif1")), decoder=False),
    "JPEG2000": Format((".jp2", ".j2k", ".jpx"), ((0, b"\x00\x00\x00\x0cjP  \r\n\x87\n"), (0, b"\xff\x4f\xff\x51"))),
    "BMP": Format((".bmp", ".dib"), ((0, b"BM"),), browser=True),
    "ICO": Format((".ico",), ((0, b"\x00\x00\x01\x00"),)),
    "PPM": Format((".ppm", ".pgm", ".pbm", ".pnm"), _PPM),
    "TGA": Format((".tga",)),
}
#: Every suffix that says image, in lower case.
SUFFIXES = frozenset(suffix for each in FORMATS.values() for suffix in each.suffixes)
#: Suffixes that `keras.utils.image_dataset_from_directory` lists (Keras 3.15), whatever the case.
KERAS_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")

_TGA_END = b"TRUEVISION-XFILE.\0"
_SIGNATURES = tuple((at, mark, name) for name, each in FORMATS.items() for at, mark in each.signatures)


def sniff(data: bytes) -> str | None:
    """Image format by signature (Pillow's names), from the whole file or its first 16 bytes; None if it is none we
    know."""
    if data.endswith(_TGA_END):
        return "TGA"
    return next((name for at, mark, name in _SIGNATURES if data[at : at + len(mark)] == mark), None)


def suffixes(kind: str | None) -> tuple[str, ...]:
    """Suffixes that are right for a format (Pillow's name), the usual one first; () for one we don't know."""
    return FORMATS[kind].suffixes if kind in FORMATS else ()
