"""Image ids ⇄ paths."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\udc80-\udcff]")
_ESCAPE = re.compile(r"\\(\\|x[0-9a-f]{2})")


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
