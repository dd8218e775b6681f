"""Names of members ⇄ paths below a folder. Any name gets a path that is safe, and tells the name.

An ordinary name is its own path. What can't be one, or would lead elsewhere, is escaped: ``%2E%2E`` for ``..``,
``%2Fetc/hosts`` for ``/etc/hosts``, ``%00`` for NUL, ``%25`` for a percent sign that could be taken for an escape. A
component that is longer than file systems allow goes on in a folder: ``first…%/…rest``. The second member of a name, or
of one that differs in nothing but case, has ``%~2`` before its suffix.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator

#: The longest path below the folder, in bytes.
LONGEST = 2000
_LONGEST_PART = 200  # file systems allow 255 bytes, and a temporary name is longer
_LITERAL = re.compile(r"%(?=[0-9A-Fa-f]{2}|~[0-9]|$)")
_ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_AGAIN = re.compile(r"%~[0-9]+")
# NUL, and halves of surrogate pairs that stand for no byte.
_IMPOSSIBLE = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")


class MemberPaths:
    """The paths of the members of one part, each once whatever the file system makes of upper and lower case."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._times: dict[str, int] = {}

    def add(self, name: str) -> str | None:
        """A path for the next member of this name; None when it would be longer than `LONGEST`."""
        path = encode(name)
        if any(folder in self._files for folder in _folders(_key(path))):  # a file has the name of its folder
            path = _cut(path.replace("%/", "").replace("/", "%2F"))
        first = _key(path)
        taken, n = path, self._times.get(first, 1)
        while _key(taken) in self._files or _key(taken) in self._folders:
            n += 1
            taken = _tagged(path, n)
        self._times[first] = n
        if len(os.fsencode(taken)) > LONGEST:
            return None
        key = _key(taken)
        self._files.add(key)
        self._folders.update(_folders(key))
        return taken


def encode(name: str) -> str:
    """A relative path for a name; see `decode`. ``./`` and doubled slashes are left out."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    safe = [_component(part) for part in parts] or [name.replace(".", "%2E").replace("/", "%2F") or "%2E"]
    if parts and name.startswith("/"):
        safe[0] = "%2F" + safe[0]
    return "/".join(map(_cut, safe))


def decode(path: str) -> str:
    """The name that `encode` and `MemberPaths` made a path of."""
    if "%" not in path:
        return path
    joined = _AGAIN.sub("", path.replace("%/", ""))
    return _ESCAPED.sub(lambda m: bytes.fromhex(m[0].replace("%", "")).decode("utf-8", "surrogatepass"), joined)


def _component(part: str) -> str:
    if part == "..":
        return "%2E%2E"
    part = _LITERAL.sub("%25", part)
    if part.startswith(".") and part.endswith(".tmp"):  # our own temporary files are called so
        part = "%2E" + part[1:]
    return _IMPOSSIBLE.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode("utf-8", "surrogatepass")), part)


def _cut(part: str) -> str:
    """A component as folders of at most `_LONGEST_PART` bytes; no escape is cut."""
    if len(part) * 4 <= _LONGEST_PART or len(os.fsencode(part)) <= _LONGEST_PART:
        return part
    pieces, start, size = [], 0, 0
    for at, letter in enumerate(part):
        size += len(os.fsencode(letter))
        if size > _LONGEST_PART - 1:
            end = next((at - back for back in (1, 2) if part[at - back] == "%"), at)
            pieces.append(part[start:end])
            start, size = end, len(os.fsencode(part[end : at + 1]))
    return "%/".join([*pieces, part[start:]])


def _tagged(path: str, n: int) -> str:
    folder, slash, last = path.rpartition("/")
    dot = last.rfind(".")
    at = dot if dot > 0 else len(last)
    return f"{folder}{slash}{last[:at]}%~{n}{last[at:]}"


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _folders(path: str) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
