"""File and folder names that are safe on every system, and unique. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from imageclinic.core.formats import suffixes
from imageclinic.core.reading.hashing import text_digest

#: Longest name in bytes; most file systems take 255.
LONGEST = 150
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe(name: str) -> str:
    """A name without separators, control and invisible characters, leading dots, or a meaning to Windows; at
    most `LONGEST` bytes, its suffix kept; never empty."""
    name = unicodedata.normalize("NFC", name)
    name = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in name)
    name = _FORBIDDEN.sub("_", name).strip(" ").rstrip(". ")
    name = re.sub(r"^[. ]+", "_", name) or "_"
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    suffix = PurePosixPath(name).suffix if len(PurePosixPath(name).suffix.encode()) <= 10 else ""
    stem = name.removesuffix(suffix) if suffix else name
    room = LONGEST - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + suffix


def unique(names: Sequence[str], of: Sequence[str]) -> list[str]:
    """Names that differ also where upper and lower case are one: those that collide get a piece of the hash
    of what they are the name `of` (distinct strings) before their suffix. Does not depend on the order."""
    result = list(names)
    for length in (8, 16, 64):
        counts = Counter(map(_key, result))
        if len(counts) == len(result):
            break
        result = [
            _with_hash(name, owner, length) if counts[_key(now)] > 1 else now
            for name, now, owner in zip(names, result, of, strict=True)
        ]
    return result


def with_suffix(name: str, format: str | None) -> str:
    """The name with a suffix that fits the file's format; unchanged when it fits already or the format has
    none."""
    usual = suffixes(format)
    path = PurePosixPath(name)
    if not usual or path.suffix.lower() in usual:
        return name
    return name + usual[0]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _with_hash(name: str, owner: str, length: int) -> str:
    digest = text_digest(owner, length)
    suffix = PurePosixPath(name).suffix
    return f"{name.removesuffix(suffix) if suffix else name}~{digest}{suffix}"
