"""Every file below a folder, once: links, loops, pipes and folders that can't be read included.

Real folders come before those behind links, so that a link never takes a real folder's place; hidden and system folders
come last, so that links to what lies in them are followed. Nothing is opened.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from imageclinic.audit.listing.folder_names import is_system
from imageclinic.core.tables import to_image_id

#: What went wrong → the paths that it happened to.
Trouble = dict[str, list[str]]
#: So many paths are named for each kind of trouble.
NAMED = 5


def walk(root: Path, trouble: Trouble) -> Iterator[tuple[str, list[str]]]:
    """Yield (folder, names of the files in it), in no particular order.

    Folders are POSIX paths relative to `root`, which must be resolved; "" is `root`. Names are sorted and as
    `os.fsdecode` gives them. A link counts as what it points to, a broken one as a file, as reading it shows. A folder
    that is reached twice is listed once. What is passed over is added to `trouble`.
    """
    seen = {(status.st_dev, status.st_ino) for status in (parent.stat() for parent in root.parents)}
    real, links, last = [""], deque[str](), deque[str]()
    while real or links or last:
        folder = real.pop() if real else links.popleft() if links else last.popleft()
        place = f"{root}/{folder}"
        found: dict[str, list[str]] = {"file": [], "folder": [], "link": [], "special": []}
        try:
            status = os.stat(place)  # noqa: PTH116 - a Path costs as much as the call
            if (status.st_dev, status.st_ino) in seen:
                _add(
                    trouble,
                    "a link to a folder that is already listed, or that holds the dataset; not followed",
                    folder,
                )
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(place) as entries:
                for entry in entries:
                    found[_kind(entry)].append(entry.name)
        except OSError as error:
            _add(trouble, f"can't be listed ({error.strerror})", folder)
        prefix = f"{folder}/" if folder else ""
        real += [prefix + name for name in found["folder"] if not is_system(name)]
        last += [prefix + name for name in sorted(found["folder"]) if is_system(name)]
        links += [prefix + name for name in sorted(found["link"])]
        for name in sorted(found["special"]):
            _add(trouble, "a pipe, a socket or a device; not opened", prefix + name)
        if found["file"]:
            yield folder, sorted(found["file"])


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_file(follow_symlinks=False):
            return "file"
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        if entry.is_dir():
            return "link"
        if entry.is_file():
            return "file"
        entry.stat()  # raises for a broken link
    except OSError:
        return "file"
    return "special"


def _add(trouble: Trouble, what: str, path: str) -> None:
    trouble.setdefault(what, []).append(path)


def notes(trouble: Mapping[str, list[str]]) -> list[str]:
    """Sentences for the user: the first paths of each kind of trouble, and how many more there are."""
    lines = []
    for what, paths in sorted(trouble.items()):
        lines += [f"{to_image_id(path) or '.'}: {what}" for path in sorted(paths)[:NAMED]]
        if len(paths) > NAMED:
            lines.append(f"… and {len(paths) - NAMED:,} more: {what}")
    return lines
