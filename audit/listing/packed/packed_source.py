"""What a format says of packed data: its parts, and what is in each as a stream of events.

A format is a file in `audit.listing.packed.formats`: its `PLACE` in the order of asking, and ``recognise(data,
reading)``, which returns a `Source` or None. Nothing is unpacked before the source's parts are read.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from imageclinic.audit.listing.packed import formats
from imageclinic.core.errors import InputError

#: Of one image, in bytes: what is larger is no part of the audit, and is reported.
LARGEST = 1 << 30
#: Data in memory that `audit` takes: arrays, a Hugging Face Dataset, a tf.data.Dataset.
InMemory = Any


@dataclass(frozen=True)
class Picture:
    """An image. `name` is its name in its part; `size` its bytes, where they are known before it is read; `read` gives
    its bytes, once, and only before the next event is asked for. It raises `Damaged` when it can't. `same`: whether
    what an earlier audit wrote of it is current; None where only its part can say."""

    name: str
    read: Callable[[], bytes]
    size: int | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    same: bool | None = None


@dataclass(frozen=True)
class Annotation:
    """What a file beside an image says: `stem` is the name that they share, `kind` the file's suffix. `label` is None
    where it says nothing that can be a label."""

    name: str
    stem: str
    kind: str
    label: str | None


@dataclass(frozen=True)
class Other:
    """A member that is no image. `hidden`: one that lies in a hidden or system folder."""

    name: str
    hidden: str | None = None


@dataclass(frozen=True)
class Trouble:
    """A member, a row or a stretch of a part that can't be used, and why."""

    name: str
    reason: str


class Damaged(Exception):
    """One image can't be read; the message is the reason that users see."""


class Gone(Damaged):
    """An image that was listed is there no more: it is listed, and missing."""


Event = Picture | Annotation | Other | Trouble


@dataclass(frozen=True)
class Part:
    """A piece that is read on its own: an archive, a shard, a split.

    Attributes:
        name: begins the ids of its images where there are several parts.
        key: names its content; "" when that can't be known before it is read.
        events: what is in it, in its own order.
        fetch: instead of `events`, for a part that lies elsewhere: called with a folder of its own, which is kept
            between audits, and with what is to be called with the bytes as they come.
        needed: bytes that its images take at most; None when unknown.
        split: of its images, where its name says one.
        units: what it adds to the progress, in bytes read.
    """

    name: str
    key: str
    events: Callable[[], Iterator[Event]] = lambda: iter(())
    needed: int | None = None
    split: str | None = None
    units: int = 0
    fetch: Callable[[Path, Callable[[int], None]], Iterator[Event]] | None = None


@dataclass(frozen=True)
class Source:
    """Packed data.

    Attributes:
        name: of the dataset.
        where: the path of the file or folder, or what messages call data in memory.
        parts: in order.
        folders: whether folders in the names mean classes and splits where no annotation gives a label.
        place: the file or folder, if there is one.
        layout: what `Listing.layout` says where labels don't come from folders.
        notes: what the user should know of how the data was understood.
    """

    name: str
    where: str
    parts: Sequence[Part]
    folders: bool = False
    place: Path | None = None
    layout: str = "rows"
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Reading:
    """What the user said of how the data is to be read: names of columns (ours → theirs), the layout of folders."""

    columns: Mapping[str, str]
    layout: str | None


@cache
def _formats() -> list[ModuleType]:
    found = [importlib.import_module(f"{formats.__name__}.{m.name}") for m in pkgutil.iter_modules(formats.__path__)]
    return sorted(found, key=lambda module: int(module.PLACE))


def recognise(data: Any, reading: Reading) -> Source | None:
    """The source that `data` is; None for a folder of images, a manifest of paths, or what no format knows.

    Args:
        data: a path, or data in memory.
        reading: what the user said of it.

    Raises:
        InputError: a format knows the data, and it can't be audited: the message says why and what to do.
    """
    for module in _formats():
        source: Source | None = module.recognise(data, reading)
        if source is not None:
            _check_taken(source, reading)
            return source
    return None


def _check_taken(source: Source, reading: Reading) -> None:
    """Raises InputError when the user said something that the data have not."""
    if reading.columns and source.layout != "table":
        raise InputError(
            f"{source.where} has no columns, and column names were given",
            expected="a manifest or a table of images with them",
        )
    if reading.layout not in (None, "any") and not source.folders:
        raise InputError(
            f"{source.where} has no folders, and the layout {reading.layout!r} was given",
            expected="a folder or an archive of folders; or the layout any, for images without labels",
        )
