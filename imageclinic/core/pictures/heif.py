"""Lets Pillow open HEIC and HEIF (https://pillow-heif.readthedocs.io). The library is loaded by the first such file:
its import takes longer than most commands have to spare. `core.pixels` imports this, and so all who read pictures do.
"""

from __future__ import annotations

from typing import IO

from PIL import Image, ImageFile

from imageclinic.core.formats import sniff

# Of the first box, what says which brands a file is compatible with.
_BRANDS = 256


def _open(file: IO[bytes], name: str | bytes) -> ImageFile.ImageFile:
    begin = file.read(_BRANDS)
    file.seek(0)
    if sniff(begin) != "HEIF":
        raise SyntaxError("an AVIF under a brand that both formats share")  # Pillow asks its next decoder then
    from pillow_heif import HeifImageFile

    return HeifImageFile(file, name)  # type: ignore[no-untyped-call]


Image.register_open("HEIF", _open, lambda begin: sniff(begin) == "HEIF")
