"""classes.txt beside class folders: the names of classes whose folders are called otherwise. torchvision's ImageFolder
does not read it; its users do.

A line is a name, ``FOLDER NAME`` or ``NUMBER NAME``. Names alone are those of the folders 0, 1, 2 … or 1, 2, 3 … by
number, else of the folders in the order of their names, which is the order of ImageFolder's classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.tables import to_image_id

FILE = "classes.txt"
_LARGEST = 1 << 24
_PAIR = re.compile(r"(\S+?)[\s,:;=]+(.+)")


def read(root: Path, folders: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What classes.txt calls the classes, and notes.

    Args:
        root: the dataset's folder.
        folders: the classes that there are, by the names of their folders.

    Returns:
        Folder → name, for all of `folders` or for none; what the user should know of how the file was understood.

    Raises:
        InputError: it gives two folders one name.
    """
    lines = _lines(root / FILE)
    if not lines or not folders:
        return {}, []
    known = set(folders)
    plain = set(lines)
    if known <= plain:
        spare = sorted(plain - known)
        return {}, [f"{FILE} also lists {few([shown(to_image_id(name)) for name in spare])}: no image"] * bool(spare)
    names = _pairs(lines, folders) or _numbered(lines, folders) or _in_order(lines, folders)
    if names is None:
        return {}, [
            f"{FILE} has {len(lines):,} lines, and there are {len(folders):,} class folders: the names of the folders "
            "are the classes"
        ]
    if len(set(names.values())) < len(names):
        raise InputError(
            f"{root / FILE} gives several folders one name",
            expected="a name for each class",
            fix="correct it, or remove it: the names of the folders are the classes then",
        )
    examples = few([f"{shown(to_image_id(folder))} is {shown(to_image_id(names[folder]))}" for folder in sorted(names)])
    return names, [f"{FILE} names the classes: {examples}"]


def _lines(file: Path) -> list[str]:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return []
        text = file.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError:
        return []  # who lists the folder says what can't be read
    return [line.strip().replace("\0", "") for line in text.splitlines() if line.strip()]


def _pairs(lines: Sequence[str], folders: Sequence[str]) -> dict[str, str] | None:
    """Names by the folder, or by the number, that begins each line."""
    found = {m[1]: m[2].strip() for line in lines if (m := _PAIR.fullmatch(line))}
    if len(found) != len(lines):
        return None
    if set(folders) <= found.keys():
        return {folder: found[folder] for folder in folders}
    if set(folders) <= set(found.values()):
        return {folder: folder for folder in folders}
    return None


def _numbered(lines: Sequence[str], folders: Sequence[str]) -> dict[str, str] | None:
    """Names of folders that are called by number, from 0 or from 1."""
    if not all(name.isascii() and name.isdigit() for name in folders):
        return None
    numbers: Mapping[str, int] = {name: int(name) for name in folders}
    first = 0 if 0 in numbers.values() else 1
    if len(set(numbers.values())) < len(numbers) or max(numbers.values()) - first >= len(lines):
        return None
    return {name: lines[number - first] for name, number in numbers.items()}


def _in_order(lines: Sequence[str], folders: Sequence[str]) -> dict[str, str] | None:
    return dict(zip(sorted(folders), lines, strict=True)) if len(lines) == len(folders) else None
