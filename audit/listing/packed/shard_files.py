"""The files of packed data: one, or the shards in a folder; what they are called, and what names their content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import xxhash

from imageclinic.audit.listing.folder_names import is_system, split_and_rest, split_of
from imageclinic.core.errors import InputError
from imageclinic.core.formats import SUFFIXES
from imageclinic.core.tables import to_image_id

_NUMBERED = re.compile(r"[-_.]?\d+[-_]of[-_]\d+|[-_.]?\{?\d+\}?$")
# Of a file so much at its start and at its end is read to tell whether it has changed.
_ENDS = 1 << 16


@dataclass(frozen=True)
class ShardFile:
    """A file with images in it. `name`: its path below the folder that was given, without suffix, as ids begin."""

    path: Path
    name: str
    split: str | None

    @property
    def key(self) -> str:
        """Names its content: size, time, the hash of its first and last 64 KiB, and when the file was last touched
        at all (``st_ctime``): by that a change in its middle shows, whatever its time was set to. "" when it can't be
        read: reading its images says why."""
        try:
            status = self.path.stat()
            with self.path.open("rb") as file:
                digest = xxhash.xxh128(file.read(_ENDS))
                file.seek(max(0, status.st_size - _ENDS))
                digest.update(file.read(_ENDS))
        except OSError:
            return ""
        return f"{status.st_size} {status.st_mtime_ns} {digest.hexdigest()} c{status.st_ctime_ns}"

    @property
    def size(self) -> int:
        """Bytes; 0 when that can't be known."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


def without_ctime(key: str) -> str:
    """A key but for the time that a copy, a new name or new rights give a file, too."""
    return re.sub(r" c\d+", "", key)


def shard_files(place: Path, suffixes: tuple[str, ...]) -> list[ShardFile]:
    """The file `place`, or the shards in that folder and in the folders in it; [] when it is none.

    A folder is one of shards when all that lies in it, and one level of folders deeper, are shards and files about
    them: one image, and it is a folder of images.

    Args:
        place: a file or a folder.
        suffixes: of the format's files, in lower case.

    Raises:
        InputError: the file can't be read.
    """
    if place.is_file():
        if not place.name.lower().endswith(suffixes):
            return []
        try:
            place.open("rb").close()
        except OSError as error:
            raise InputError(f"{place} can't be read: {error.strerror}", fix="make it readable") from error
        return [ShardFile(place, stem(place.name, suffixes), None)]
    try:
        found = _in_folder(place, suffixes) if place.is_dir() else []
    except OSError:
        return []  # who lists the folder's images says so
    shards = []
    for path in found:
        inside = path.relative_to(place)
        name = (inside.parent / stem(path.name, suffixes)).as_posix()
        shards.append(ShardFile(path, name, split_in_name(path.name, suffixes) or _folder_split(inside)))
    return shards


def stem(name: str, suffixes: Iterable[str]) -> str:
    """A file's name without the longest of the suffixes that it has."""
    fitting = [suffix for suffix in suffixes if name.lower().endswith(suffix)]
    return name[: -len(max(fitting, key=len))] if fitting else name


def dataset_name(place: Path, suffixes: tuple[str, ...]) -> str:
    """The name of the dataset in a file or a folder of shards, fit for a folder's name."""
    return to_image_id(stem(place.resolve().name, suffixes)).replace("\\", "_") or "dataset"


def _in_folder(place: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    folders = []
    with os.scandir(place) as entries:
        for entry in entries:
            if is_system(entry.name):
                continue
            if entry.is_dir():
                folders.append(entry.path)
            elif _is_image(entry.name):
                return []
            elif entry.name.lower().endswith(suffixes) and entry.is_file():
                found.append(Path(entry.path))
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_system(entry.name):
                    continue
                if entry.is_dir() or _is_image(entry.name):
                    return []
                if entry.name.lower().endswith(suffixes) and entry.is_file():
                    found.append(Path(entry.path))
    return sorted(found)


def _is_image(name: str) -> bool:
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in SUFFIXES


def split_in_name(name: str, suffixes: tuple[str, ...]) -> str | None:
    """``train`` of train-00000-of-00002.parquet, shard-train-000001.tar and train_3.tar."""
    plain = _NUMBERED.sub("", stem(name, suffixes))
    return split_of(plain) or split_and_rest(plain)[0]


def _folder_split(inside: Path) -> str | None:
    return split_of(inside.parent.name) if inside.parent.name else None
