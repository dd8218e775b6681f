"""CVAT's and Datumaro's ImageNet lists: synsets.txt with the classes, SUBSET.txt with ``PATH NUMBER`` lines, images/.

A path with spaces is written in quotes, without its suffix: ``"a b".jpg 3``. Source: Datumaro's documentation and its
reader of ``imagenet_txt``.
"""

from __future__ import annotations

import re
from pathlib import Path

from imageclinic.audit.listing.annotation_exports.export_source import Export, Given, Named
from imageclinic.audit.listing.annotation_exports.one_label import one_of
from imageclinic.core.errors import InputError

PLACE = 50
_CLASSES = "synsets.txt"
_LINE = re.compile(r'(?:"([^"]*)"(\S*)|(\S+))((?:\s+\d+)*)\s*$')
_LARGEST = 1 << 30


def recognise(given: Given) -> Export | None:
    """The lists in the given folder; None where a line of one is no path with numbers: that is another text."""
    folder = given.place
    if given.file(_CLASSES) is None:
        return None
    lists = [file for file in given.files_in("", ".txt") if file.name != _CLASSES]
    parts = {file: rows for file in lists if (rows := _rows(file))}
    if not parts:
        return None
    names = [line.strip() for line in _lines(folder / _CLASSES)]
    images: list[Named] = []
    labels: dict[str, list[str]] = {}
    for file, rows in parts.items():
        for path, numbers in rows:
            if any(number >= len(names) for number in numbers):
                raise InputError(f"{file} has the class {max(numbers)}", expected=f"0 to {len(names) - 1} ({_CLASSES})")
            labels[path] = [names[number] for number in numbers]
            images.append(Named(path, next(iter(labels[path]), None), file.stem, ("images", "", file.stem)))
    return Export("ImageNet", given.root, images, notes=one_of(str(folder), labels, 0))


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > _LARGEST:
            return []
        text = file.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}", fix="make it readable") from error
    return [line for line in text.splitlines() if line.strip()]


def _rows(file: Path) -> list[tuple[str, list[int]]] | None:
    """(path, numbers of classes) of each line; None where one is something else, or none has a class."""
    matches = [_LINE.match(line) for line in _lines(file)]
    rows = [(m[3] or f"{m[1]}{m[2]}", [int(n) for n in m[4].split()]) for m in matches if m is not None]
    return rows if len(rows) == len(matches) and any(numbers for _, numbers in rows) else None
