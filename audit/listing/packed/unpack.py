"""Packed images → files below one folder and a table of them: streaming, resumable, within the free disk.

Each part ends in an index, a Parquet file with what was in it; a part whose index is there and whose content is the
same is not read again. Of a part that was begun the files that are there count: each was written whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from imageclinic.audit.listing.packed.member_paths import MemberPaths
from imageclinic.audit.listing.packed.packed_source import (
    Annotation,
    Damaged,
    Event,
    Gone,
    Other,
    Part,
    Picture,
    Source,
    Trouble,
)
from imageclinic.audit.listing.packed.shard_files import without_ctime
from imageclinic.core.atomic import replacing, sweep, write_text
from imageclinic.core.errors import CanNotWrite, InputError
from imageclinic.core.progress import Progress

_VERSION = b"1"
# In place of a key: the images that are there are of more than one content.
_MIXED = "mixed"
#: So much of a disk stays free, whatever an archive turns out to hold.
_RESERVE = 1 << 28
_LOOK_EVERY = 1 << 26
#: How the reason begins when a part can't be opened: it may be readable next time.
UNREADABLE = "can't be read"
_TEXTS = ("path", "name", "label", "split", "group")
_SCHEMA = pa.schema([*((name, pa.string()) for name in _TEXTS), ("bytes", pa.int64())])


@dataclass
class Unpacked:
    """One part's images and what else was in it. `images`: path (below the dataset's folder, as on disk), name, label,
    split, group, bytes. `annotations`: (stem, kind, label). `trouble`: (name, reason). `others`: names of members that
    are no images; `hidden`: folder that was passed over → images in it."""

    images: list[tuple[str, str, str | None, str | None, str | None, int]] = field(default_factory=list)
    annotations: list[tuple[str, str, str | None]] = field(default_factory=list)
    trouble: list[tuple[str, str]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: dict[str, int] = field(default_factory=dict)
    changed: bool = False
    written: bool = False


def unpack(source: Source, images: Path, progress: Progress, *, again: bool = False) -> list[Unpacked]:
    """Write the images of every part below ``images/NAME``, and say what each part held.

    Args:
        source: the packed data.
        images: the run's folder of unpacked images, with the indexes in ``.parts``.
        progress: called with megabytes of the source, read and in all.
        again: read every part, also those that look unchanged.

    Raises:
        InputError: the disk has too little room, or another task's data.
        CanNotWrite: a file can't be written.
    """
    root, indexes = images / source.name, images / ".parts"
    names = MemberPaths()
    folders = [_prefix(part, names) if len(source.parts) > 1 else "" for part in source.parts]
    places = [indexes / f"{at:05d}.parquet" for at in range(len(source.parts))]
    known = [None if again else _load(place, part.key, root) for place, part in zip(places, source.parts, strict=True)]
    waiting = [part for part, before in zip(source.parts, known, strict=True) if before is None]
    _check_space(waiting, root, images)
    total = sum(part.units for part in source.parts)
    done = 0
    result = []
    for part, before, folder, place in zip(source.parts, known, folders, places, strict=True):
        progress(done // 10**6, max(1, total // 10**6))
        if before is None:
            step = _Ticks(progress, done, part, total)
            before = _unpack_part(part, root, folder, place, step, again)
        result.append(before)
        done += part.units
    progress(max(1, total // 10**6), max(1, total // 10**6))
    if waiting:
        _remove_rest(root, images, {path for each in result for path, *_ in each.images}, places, indexes)
    return result


def _prefix(part: Part, names: MemberPaths) -> str:
    path = names.add(f"{part.name}/x")
    if path is None:
        raise InputError(f"the name of {part.name[:100]}… is too long", fix="rename the file")
    return path[:-1]


@dataclass
class _Ticks:
    """Progress within a part: the share of its bytes is guessed by what was written of it."""

    progress: Progress
    start: int
    part: Part
    total: int
    seen: int = 0
    unlooked: int = _LOOK_EVERY

    def look(self, root: Path, size: int) -> None:
        """After `size` more bytes were written: now and then look whether the disk has room."""
        self.unlooked += size
        if self.unlooked >= _LOOK_EVERY:
            _check_rest(root, self.part)
            self.unlooked = 0

    def add(self, size: int) -> None:
        self.seen += size
        at = self.start + (min(self.seen, self.part.units) if self.part.units else self.seen)
        self.progress(at // 10**6, max(1, self.total // 10**6, at // 10**6))


def _unpack_part(part: Part, root: Path, folder: str, place: Path, ticks: _Ticks, again: bool) -> Unpacked:
    begun = place.with_suffix(".key")
    earlier = begun.read_text("utf-8") if begun.is_file() else None
    resumed = bool(part.key) and earlier == part.key and not again
    place.unlink(missing_ok=True)
    # Over images of another content the key waits until all are compared: cut short, no size may be trusted next time.
    write_text(begun, part.key if earlier is None or resumed else _MIXED)
    other = earlier is not None and without_ctime(earlier) != without_ctime(part.key)
    found = Unpacked(changed=other and bool(part.key), written=True)
    names = MemberPaths()
    swept: set[Path] = set()
    for event in _events(part, root, place.with_suffix(".fetched"), ticks, again):
        if isinstance(event, Annotation):
            found.annotations.append((event.stem, event.kind, event.label))
        elif isinstance(event, Trouble):
            found.trouble.append((event.name, event.reason))
        elif isinstance(event, Other):
            if event.hidden is None:
                found.others.append(event.name)
            else:
                found.hidden[event.hidden] = found.hidden.get(event.hidden, 0) + 1
        else:
            path = names.add(event.name)
            if path is None:
                found.trouble.append((event.name, "its name is too long"))
                continue
            target = root / (folder + path)
            if earlier is not None and target.parent not in swept:
                sweep(target.parent)
                swept.add(target.parent)
            try:
                size, replaced = _write(event, target, resumed)
                found.changed |= replaced and not again
            except Damaged as error:
                found.trouble.append((event.name, str(error)))
                if not isinstance(error, Gone):
                    continue
                target.unlink(missing_ok=True)
                size = 0
            found.images.append((folder + path, event.name, event.label, event.split or part.split, event.group, size))
            if part.fetch is None:
                ticks.add(size)
            ticks.look(root, size)
    if not any(name == "" and reason.startswith(UNREADABLE) for name, reason in found.trouble):
        write_text(begun, part.key)
        _save(place, part.key, found)
    return found


def _events(part: Part, root: Path, scratch: Path, ticks: _Ticks, again: bool) -> Iterator[Event]:
    """What is in a part; of one that lies elsewhere progress is what came of it."""
    if part.fetch is None:
        return part.events()
    if again:
        shutil.rmtree(scratch, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)

    def got(size: int) -> None:
        ticks.add(size)
        ticks.look(root, size)

    return part.fetch(scratch, got)


def _write(picture: Picture, target: Path, resumed: bool) -> tuple[int, bool]:
    """Write an image that is not there, or not the same; its size, and whether another one was there."""
    try:
        there = os.lstat(target).st_size
    except OSError:
        there = None
    current = resumed if picture.same is None else picture.same
    if current and there is not None and there == picture.size:
        return there, False
    data = picture.read()
    if there == len(data) and target.read_bytes() == data:
        return there, False
    with replacing(target, sync=False) as temporary:
        temporary.write_bytes(data)
    return len(data), there is not None


def _check_space(waiting: list[Part], root: Path, images: Path) -> None:
    """Raises InputError when the parts to come need more than is free."""
    needed = sum(part.needed or 0 for part in waiting)
    have = sum(f.stat().st_size for f in root.rglob("*") if f.is_file()) if needed and root.is_dir() else 0
    images.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(images).free
    if needed and needed - have + _RESERVE > free:
        raise _no_room(needed - have + _RESERVE, free, images)


def _check_rest(root: Path, part: Part) -> None:
    free = shutil.disk_usage(root).free
    if free < _RESERVE:
        raise CanNotWrite(
            f"the disk of {root} has {free / 1e9:.2f} GB left while {part.name} is unpacked",
            expected=f"{_RESERVE / 1e9:.2f} GB that stay free",
            fix="free some, or give a run folder on another disk with --out, and audit again: it goes on from here",
        )


def _no_room(needed: int, free: int, folder: Path) -> InputError:
    return InputError(
        f"the images need {needed / 1e9:.2f} GB unpacked, and the disk of {folder} has {free / 1e9:.2f} GB free",
        fix="free some, or give a run folder on another disk with --out",
    )


def _remove_rest(root: Path, images: Path, kept: set[str], places: list[Path], indexes: Path) -> None:
    """Remove what an earlier version of the data left in our folder."""
    for folder, _, files in os.walk(root):
        below = os.path.relpath(folder, root)
        for name in files:
            if (name if below == "." else f"{below}/{name}") not in kept:
                (Path(folder) / name).unlink()
    for other in images.iterdir():
        if other.is_dir() and other not in (root, indexes):
            shutil.rmtree(other)
    for index in indexes.iterdir():
        if index.with_suffix(".parquet") not in places:
            shutil.rmtree(index) if index.is_dir() else index.unlink()


def _save(place: Path, key: str, found: Unpacked) -> None:
    rows: list[dict[str, Any]] = [dict(zip(_SCHEMA.names, _escaped(row), strict=True)) for row in found.images]
    about = {"annotations": found.annotations, "trouble": found.trouble, "others": found.others, "hidden": found.hidden}
    metadata = {b"key": key.encode("utf-8"), b"version": _VERSION, b"about": json.dumps(about).encode("ascii")}
    with replacing(place) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, _SCHEMA.with_metadata(metadata)), temporary)


def _escaped(row: tuple[Any, ...]) -> Iterator[Any]:
    """Names may hold bytes that are no Unicode: as JSON writes them, escaped."""
    return (json.dumps(value) if isinstance(value, str) else value for value in row)


def _load(place: Path, key: str, root: Path) -> Unpacked | None:
    """What an index says, if it is of this content and the images are all there."""
    if not key or not place.is_file():
        return None
    try:
        table = pq.read_table(place)
    except (OSError, pa.ArrowException):
        return None
    metadata = table.schema.metadata or {}
    if metadata.get(b"key") != key.encode("utf-8") or metadata.get(b"version") != _VERSION:
        return None
    columns = [[json.loads(v) if isinstance(v, str) else v for v in table[name].to_pylist()] for name in _SCHEMA.names]
    rows = list(zip(*columns, strict=True))
    about = json.loads(metadata[b"about"])
    if not all(_has_size(root / path, size) for path, *_, size in rows):
        return None
    annotations, trouble = ([tuple(each) for each in about[name]] for name in ("annotations", "trouble"))
    return Unpacked(rows, annotations, trouble, about["others"], about["hidden"])


def _has_size(path: Path, size: int) -> bool:
    try:
        return os.lstat(path).st_size == size
    except OSError:
        return False
