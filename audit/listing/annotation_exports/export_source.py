"""What a format says of an annotation tool's export: which images it names, and the labels that it gives them.

A format is a file in `annotation_exports.formats`: its `PLACE` in the order of asking, and ``recognise(given)``, which
returns an `Export` or None. The images stay where they are.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from imageclinic.audit.listing.annotation_exports import formats
from imageclinic.audit.listing.folder_names import is_system
from imageclinic.audit.listing.manifest import read_csv
from imageclinic.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

#: A longer file is not read into memory.
_LARGEST = 1 << 30


@dataclass(frozen=True)
class Named:
    """An image as an export names it.

    Attributes:
        name: its path, as the export has it; without suffix where the format leaves it out (`Export.stems`).
        label: its class; None: the export gives it none.
        split: the name of its subset, if there are subsets.
        folders: where its file is looked for, below the root, in this order; then by the end of its path.
        other_names: what it may be called instead, if it is not there under its name.
    """

    name: str
    label: str | None
    split: str | None = None
    folders: Sequence[str] = ("",)
    other_names: Sequence[str] = ()


@dataclass(frozen=True)
class Export:
    """A tool's export.

    Attributes:
        tool: what messages and `Listing.layout` call it.
        root: the folder that the images lie below.
        images: as it names them; one of several annotators comes once for each.
        stems: whether names come without suffix.
        questions: whether the labels are answers to a question that users may name.
        notes: what users should know of how it was understood.
    """

    tool: str
    root: Path
    images: Sequence[Named]
    stems: bool = False
    questions: bool = False
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Given:
    """What a user gave: a file or a folder, and the column (or question) of labels, if it was named."""

    place: Path
    label: str | None = None

    @property
    def root(self) -> Path:
        """The folder that images are looked for below: the given one, or the file's; above `annotations`, a folder for
        such files alone."""
        if self.place.is_dir():
            return self.place.resolve()
        folder = self.place.resolve().parent
        return folder.parent if folder.name == "annotations" else folder

    def is_file(self, suffix: str) -> bool:
        """Whether it is a file of that suffix."""
        return self.place.suffix.lower() == suffix and self.place.is_file()

    def file(self, name: str) -> Path | None:
        """The file of this name in the given folder."""
        file = self.place / name
        return file if os.path.isfile(file) else None  # noqa: PTH113 - false where the folder can't be entered

    def files(self, name: str) -> list[Path]:
        """The files of this name in the given folder and in the folders in it."""
        folders = ("", *self._listed("", folders=True))
        return [file for folder in folders if (file := self.file(f"{folder}/{name}".lstrip("/"))) is not None]

    def files_in(self, folder: str, suffix: str) -> list[Path]:
        """The files of a suffix in a folder of the given folder ("": in itself)."""
        names = [name for name in self._listed(folder, folders=False) if name.lower().endswith(suffix)]
        return [self.place / folder / name for name in names]

    def _listed(self, folder: str, *, folders: bool) -> list[str]:
        try:
            with os.scandir(self.place / folder) as entries:
                return sorted(e.name for e in entries if not is_system(e.name) and e.is_dir() == folders)
        except OSError:
            return []  # who lists the folder's images says so

    @cached_property
    def json(self) -> Any:
        """The content of a .json file; None for another one, and for what is no JSON."""
        return read_json(self.place) if self.is_file(".json") else None

    @cached_property
    def begins(self) -> bytes:
        """The first bytes of a .csv file, with its header; none of another one."""
        if not self.is_file(".csv"):
            return b""
        try:
            with self.place.open("rb") as file:
                return file.read(1 << 16).partition(b"\n")[0]
        except OSError:
            return b""  # who reads it as a manifest says so

    @cached_property
    def table(self) -> pd.DataFrame | None:
        """The cells of a .csv file as text; None for another one."""
        return read_csv(self.place) if self.is_file(".csv") else None


def read_json(file: Path) -> Any:
    """The content of a JSON file; None for what is none, or too large.

    Raises:
        InputError: it can't be read.
    """
    try:
        if file.stat().st_size > _LARGEST:
            return None
        return json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}", fix="make it readable") from error
    except (ValueError, RecursionError):
        return None


@cache
def _formats() -> list[ModuleType]:
    found = [importlib.import_module(f"{formats.__name__}.{m.name}") for m in pkgutil.iter_modules(formats.__path__)]
    return sorted(found, key=lambda module: int(module.PLACE))


def recognise(place: Path, columns: Mapping[str, str], layout: str | None) -> Export | None:
    """The export at `place`; None for a folder of images, a manifest, or what no format knows.

    Args:
        place: a file or a folder.
        columns: names that the user gave: with ``path`` it is a manifest.
        layout: what the user said of folders: then the folders say the labels.

    Raises:
        InputError: a format knows the export, and it can't be audited: the message says why and what to do. Or a JSON
            or XML file that none knows.
    """
    if layout is not None or set(columns) - {"label"} or not place.exists():
        return None
    given = Given(place, columns.get("label"))
    for module in _formats():
        export: Export | None = module.recognise(given)
        if export is not None:
            if not export.images:
                raise InputError(f"{place} is an export of {export.tool} without images", expected="one at least")
            if given.label is not None and not export.questions:
                raise InputError(
                    f"{place} is an export of {export.tool}, and a column of labels was named ({given.label!r})",
                    expected="no such name: the export says what the labels are",
                )
            return export
    if place.is_file() and place.suffix.lower() in (".json", ".jsonl", ".xml"):
        raise InputError(
            f"{place} is no export that imageclinic knows",
            expected="one of Label Studio, CVAT, Datumaro, FiftyOne or COCO, with one class for each image",
            fix="write a .csv with the columns path and label into the folder above the images, and audit that",
        )
    return None


def records(content: Any, key: str) -> Iterator[dict[str, Any]]:
    """The objects in the list ``content[key]``: [] where there is none."""
    found = content.get(key) if isinstance(content, dict) else None
    if isinstance(found, list):
        yield from (each for each in found if isinstance(each, dict))


def text(value: Any) -> str | None:
    """A name, a number or nothing as text: None for nothing, and for what is neither."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None
