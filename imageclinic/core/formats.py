"""Image formats: their names' suffixes, their first bytes, and who opens them. The one list of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A format. `suffixes`: right for it, the usual one first. `signatures`: offset and bytes, any of which identifies
    it; none where another format's do so first. `sequence`: it may hold several pages or frames. `browser`: a
    browser draws it."""

    suffixes: tuple[str, ...]
    signatures: tuple[tuple[int, bytes], ...] = ()
    sequence: bool = False
    browser: bool = False


_PPM = (*((0, b"P%d" % n + space) for n in range(1, 7) for space in (b"\n", b" ", b"\r", b"\t")), (0, b"Pf\n"))
# https://nokiatech.github.io/heif/technical.html and https://aomediacodec.github.io/av1-avif/: brands of one format
# only; "mif1" and "msf1" are brands of both, and what a file is compatible with tells them apart.
_AVIF = (b"avif", b"avis")
_HEIF = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs")
_EITHER = (b"mif1", b"msf1", b"mif2")
_TIFF = tuple((0, mark) for mark in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"))  # + is BigTIFF


def _boxed(brands: tuple[bytes, ...]) -> tuple[tuple[int, bytes], ...]:
    return tuple((4, b"ftyp" + brand) for brand in brands)


#: By Pillow's name. Order counts: the first that fits is the format. ISO-BMFF (AVIF, HEIF) and RIFF (WebP) carry
#: their signatures at an offset; TGA at its end, and not always; an MPO begins as the JPEG that it is.
FORMATS = {
    "JPEG": Format((".jpg", ".jpeg", ".jpe", ".jfif"), ((0, b"\xff\xd8\xff"),), browser=True),
    "MPO": Format((".jpg", ".jpeg", ".mpo"), sequence=True, browser=True),
    "PNG": Format((".png",), ((0, b"\x89PNG\r\n\x1a\n"),), sequence=True, browser=True),
    "GIF": Format((".gif",), ((0, b"GIF87a"), (0, b"GIF89a")), sequence=True, browser=True),
    "TIFF": Format((".tif", ".tiff"), _TIFF, sequence=True),
    "WEBP": Format((".webp",), ((8, b"WEBP"),), sequence=True, browser=True),
    "AVIF": Format((".avif",), _boxed(_AVIF), sequence=True, browser=True),
    "HEIF": Format((".heic", ".heif", ".hif"), _boxed(_HEIF + _EITHER), sequence=True),
    "JPEG2000": Format((".jp2", ".j2k", ".jpx"), ((0, b"\x00\x00\x00\x0cjP  \r\n\x87\n"), (0, b"\xff\x4f\xff\x51"))),
    "BMP": Format((".bmp", ".dib"), ((0, b"BM"),), browser=True),
    "ICO": Format((".ico",), ((0, b"\x00\x00\x01\x00"),)),
    "PPM": Format((".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), _PPM),
    "TGA": Format((".tga",)),
}
#: Every suffix that says image, in lower case.
SUFFIXES = frozenset(suffix for each in FORMATS.values() for suffix in each.suffixes)
#: Suffixes that `keras.utils.image_dataset_from_directory` lists (Keras 3.15), whatever the case.
KERAS_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")

_TGA_END = b"TRUEVISION-XFILE.\0"
_SIGNATURES = tuple((at, mark, name) for name, each in FORMATS.items() for at, mark in each.signatures)


def sniff(data: bytes) -> str | None:
    """Image format by signature (Pillow's names), from the whole file or its first bytes (16, and 256 to tell AVIF
    from HEIF under a brand of both); None if it is none we know."""
    if data.endswith(_TGA_END):
        return "TGA"
    name = next((name for at, mark, name in _SIGNATURES if data[at : at + len(mark)] == mark), None)
    if name == "HEIF" and data[8:12] in _EITHER:
        # The first box: its size, its name, the main brand and its version, and then the brands it is compatible with.
        end = min(int.from_bytes(data[:4], "big"), 256)
        compatible = [data[at : at + 4] for at in range(16, end - 3, 4)]
        return "AVIF" if any(b in _AVIF for b in compatible) and not any(b in _HEIF for b in compatible) else "HEIF"
    return name


def is_tga(data: bytes) -> bool:
    """Whether a file that has no signature begins with a sound TGA header (Truevision, TGA specification 2.0): the
    format has its signature at its end, and many files don't have it."""
    if len(data) < 19:
        return False
    table, kind, depth = data[1], data[2], data[16]
    size = int.from_bytes(data[12:14], "little") * int.from_bytes(data[14:16], "little")
    if size == 0 or kind not in (1, 2, 3, 9, 10, 11):
        return False
    if kind in (1, 9):
        return table == 1 and depth in (8, 16) and data[7] in (15, 16, 24, 32)
    return table == 0 and not any(data[3:8]) and depth in ((8, 16) if kind in (3, 11) else (15, 16, 24, 32))


def suffixes(kind: str | None) -> tuple[str, ...]:
    """Suffixes that are right for a format (Pillow's name), the usual one first; () for one we don't know."""
    return FORMATS[kind].suffixes if kind in FORMATS else ()
