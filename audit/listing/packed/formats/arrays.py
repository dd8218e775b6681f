"""Arrays in memory: (x, y), (x, y, class_names), or a dict of these by split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from imageclinic.audit.listing.folder_names import SPLIT_NAMES, split_of
from imageclinic.audit.listing.packed import pixel_arrays
from imageclinic.audit.listing.packed.packed_source import Event, Part, Picture, Reading, Source
from imageclinic.core.errors import InputError

PLACE = 50
_HASHED = 1024  # images at a time


def recognise(data: Any, reading: Reading) -> Source | None:
    """The arrays that `data` is."""
    if isinstance(data, Mapping) and data and all(_is_pair(each) for each in data.values()):
        named = {str(name): each for name, each in data.items()}
    elif _is_pair(data):
        named = {"": data}
    else:
        return None
    parts, notes = [], []
    for name, (x, y, *rest) in named.items():
        of = f"{name}: " if name else ""
        if name and split_of(name) is None:
            raise InputError(f"arrays of the split {name!r}", expected=f"one of {', '.join(SPLIT_NAMES)}")
        x = np.asarray(x)
        classes = [str(each) for each in rest[0]] if rest and rest[0] is not None else None
        how = pixel_arrays.check_pixels(x, f"{of}x")
        given = pixel_arrays.labels(y, classes, len(x), f"{of}y")
        if how != "as they are":
            times = "are taken for 0 to 1, and became" if how == "255 times" else "were rounded to"
            notes.append(f"{of}x: its {x.dtype} values {times} pixels of 0 to 255")
        part = name or "arrays"
        parts.append(Part(part, _key(x, given), partial(_events, x, given, how), int(x.size), split_of(name), x.nbytes))
    return Source("arrays", "arrays", parts, layout="arrays", notes=notes)


def _is_pair(data: Any) -> bool:
    return isinstance(data, tuple | list) and len(data) in (2, 3) and hasattr(data[0], "shape")


def _key(x: npt.NDArray[Any], labels: Sequence[str | None]) -> str:
    digest = xxhash.xxh128(repr((x.shape, str(x.dtype), labels)).encode("utf-8", "backslashreplace"))
    for start in range(0, len(x), _HASHED):
        digest.update(np.ascontiguousarray(x[start : start + _HASHED]).view(np.uint8).data)
    return digest.hexdigest()


def _events(x: npt.NDArray[Any], labels: Sequence[str | None], how: str) -> Iterator[Event]:
    for row, label in enumerate(labels):
        yield Picture(f"{row:08d}.png", partial(pixel_arrays.png, x[row], how), None, label)
