"""How files are scanned: options of ``imageclinic audit``. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from imageclinic.core.option_fields import CheckedOptions, Range, option, whole

#: Seconds of computing that a file may take.
TIMEOUT = 30.0
#: A picture with more pixels is not decoded ("decompression bomb"); Pillow refuses at the same number.
MAX_PIXELS = 178_956_970


@dataclass(frozen=True)
class ScanOptions(CheckedOptions):
    """How to scan.

    `workers`: processes; None: the cores at hand. `timeout`: seconds that a file may take before it is reported as
    hanging its decoder. `max_pixels`: larger pictures are reported as too large and not decoded. `rehash`: do not trust
    size and time: read every file, and reuse the rows of those with the same content.
    """

    workers: int | None = option(None, "Processes that scan. Default: all cores.", whole(1, 1024))
    timeout: float = option(
        TIMEOUT, "Seconds of computing after which a file is given up as hanging its decoder.", Range(1, 86_400)
    )
    max_pixels: int = option(MAX_PIXELS, "Larger pictures are not decoded.", whole(1, 10**11))
    rehash: bool = option(False, "Read every file, not only those whose size or time changed.", names=("--rehash",))
