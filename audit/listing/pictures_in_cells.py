"""Tables that hold images themselves, as Hugging Face's Parquet files do, in place of paths of images."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from imageclinic.core.errors import InputError
from imageclinic.core.formats import sniff

# Longer than any path: Linux allows 4,096 bytes.
_LONGEST_PATH = 4096
#: So many cells are looked at.
_LOOKED_AT = 100


def refuse_pictures(column: pd.Series, where: str) -> None:
    """Raises InputError when cells of a column of paths hold images: bytes, or a record of bytes and path."""
    cells = [cell for cell in column.head(_LOOKED_AT) if _is_picture(cell)]
    if not cells:
        return
    kind = "a record of bytes and path, as Hugging Face writes them" if isinstance(cells[0], Mapping) else "bytes"
    raise InputError(
        f"the column {column.name!r} of {where} holds the images themselves ({kind}), and not their paths",
        expected="images as files, and a column with their paths",
        fix="imageclinic audit takes a Parquet file of such a table as it is (write a frame with to_parquet first); "
        "give the run that it writes to the other commands",
    )


def _is_picture(cell: object) -> bool:
    if isinstance(cell, Mapping):
        return True
    if not isinstance(cell, bytes | bytearray | memoryview):
        return False
    data = bytes(cell)
    return sniff(data[:16]) is not None or b"\0" in data or len(data) > _LONGEST_PATH
