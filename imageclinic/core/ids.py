"""Image ids ⇄ paths."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from imageclinic.core.errors import InputError

#: What `to_image_id` makes of a path: no NUL, no other escapes than its own. Also for RE2.
PATTERN = r"(?s)^(?:[^\\\x00]|\\\\|\\x[89a-f][0-9a-f])+$"
_SURROGATE = re.compile("[\udc80-\udcff]")
_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")
_PATTERN = re.compile(PATTERN)


def to_image_id(relative: str) -> str:
    r"""Escape a path (as ``os.fsdecode`` gives it) into valid Unicode, reversibly: bytes that are not UTF-8
    become ``\xNN`` and a backslash becomes two."""
    return _SURROGATE.sub(lambda m: f"\\x{ord(m[0]) - 0xDC00:02x}", relative.replace("\\", "\\\\"))


def to_path(image_id: str) -> str:
    """Undo `to_image_id`."""
    if "\\" not in image_id:
        return image_id
    return _ESCAPE.sub(
        lambda m: "\\" if m[1] == "\\" else chr(0xDC00 + int(m[1][1:], 16)),
        image_id,
    )


def require_unicode(path: Path, what: str) -> None:
    """Raises InputError for a path that is not UTF-8, or not in this locale: it could not be written down in JSON, CSV
    or HTML."""
    try:
        str(path).encode("utf-8")
        return
    except UnicodeEncodeError:
        raw = os.fsencode(path)
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            f"the path of {what}, {to_image_id(str(path))}, is not UTF-8",
            expected="a name that can be written down",
            fix="rename that folder, or give a link to it (names of images may be any bytes)",
        ) from None
    raise InputError(
        f"the path of {what}, {name!a}, can't be read in this locale: Python takes names of files as "
        f"{sys.getfilesystemencoding()}",
        expected="a locale of UTF-8",
        fix="set PYTHONUTF8=1, or LC_ALL=C.UTF-8, and run it again",
    )


def is_below(image_id: str) -> bool:
    """Whether an id, or another path that `to_image_id` made, leads to something below the folder that it is relative
    to. (Links in the folder may lead on: they are the user's.)"""
    return bool(_PATTERN.match(image_id)) and image_id[0] != "/" and ".." not in image_id.split("/")


class ImagePaths(Sequence[Path]):
    """The files of images below a root, each made when it is asked for: a million `Path`s take 0.4 GB."""

    def __init__(self, root: Path, ids: Sequence[str]) -> None:
        self._root, self._ids = root, ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> Path: ...

    @overload
    def __getitem__(self, at: slice) -> ImagePaths: ...

    def __getitem__(self, at: int | slice) -> Path | ImagePaths:
        if isinstance(at, slice):
            return ImagePaths(self._root, self._ids[at])
        return self._root / to_path(self._ids[at])
