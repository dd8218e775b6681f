"""Zip files with class folders, or split and class folders, in them; one or a folder of several."""

from __future__ import annotations

import shlex
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from imageclinic.audit.listing.packed import sample_labels
from imageclinic.audit.listing.packed.member_kind import may_be_image, passed_over
from imageclinic.audit.listing.packed.packed_source import (
    LARGEST,
    Damaged,
    Event,
    Other,
    Part,
    Picture,
    Reading,
    Source,
    Trouble,
)
from imageclinic.audit.listing.packed.shard_files import ShardFile, dataset_name, shard_files
from imageclinic.core.errors import InputError
from imageclinic.core.formats import sniff

PLACE = 20
SUFFIXES = (".zip",)
#: Files of labels that annotation tools write, see `audit.listing.annotation_exports`.
_ANNOTATIONS = frozenset(("annotations.xml", "_classes.csv", "_annotations.coco.json", "synsets.txt"))
_DAMAGE = (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError, NotImplementedError, ValueError)


def recognise(data: Any, reading: Reading) -> Source | None:
    """The zip file or the folder of zip files at `data`."""
    if not isinstance(data, Path):
        return None
    shards = shard_files(data, SUFFIXES)
    if not shards:
        return None
    if data.is_file():
        try:
            with zipfile.ZipFile(data) as archive:
                names = archive.namelist()
        except _DAMAGE as error:
            raise InputError(
                f"{data} is no readable zip file: {error}",
                expected="a whole zip file (its table of contents is at its end)",
                fix="download or pack it again",
            ) from error
        if reading.layout is None:
            _check_no_annotations(data, names)
    parts = [Part(s.name, s.key, partial(_events, s), _needed(s.path), s.split, s.size) for s in shards]
    return Source(dataset_name(data, SUFFIXES), str(data.resolve()), parts, True, data.resolve(), "samples")


def _check_no_annotations(data: Path, names: Sequence[str]) -> None:
    """Raises InputError for an annotation tool's export: its labels are not in folders, and are read beside files."""
    for name in names:
        if PurePosixPath(name).name in _ANNOTATIONS:
            raise InputError(
                f"{data} is an export of annotations ({name})",
                expected="class folders, or samples with their labels beside them",
                fix=f"unpack it, and give the folder: unzip {shlex.quote(str(data))} -d {shlex.quote(data.stem)}",
            )


def _needed(path: Path) -> int | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(each.file_size for each in archive.infolist() if each.file_size <= LARGEST)
    except _DAMAGE:
        return None  # its events say so


def _events(shard: ShardFile) -> Iterator[Event]:
    try:
        archive = zipfile.ZipFile(shard.path)
    except _DAMAGE as error:
        yield Trouble("", f"damaged or cut off: {error}")
        return
    with archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield _event(archive, member, shard)


def _event(archive: zipfile.ZipFile, member: zipfile.ZipInfo, shard: ShardFile) -> Event:
    name = _name(member)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind and kind != stat.S_IFREG:
        return Trouble(name, "a link, a pipe or a device; not made")
    hidden = passed_over(name)
    if hidden is not None:
        return hidden
    suffix = sample_labels.sample_stem(name)[1]
    if suffix in sample_labels.KINDS and member.file_size <= sample_labels.LONGEST:
        try:
            return sample_labels.annotation(name, _read(archive, member), str(shard.path))
        except Damaged as error:
            return Trouble(name, str(error))
    if not may_be_image(name):
        try:
            with archive.open(member) as file:
                if sniff(file.read(16)) is None:
                    return Other(name)
        except _DAMAGE as error:
            return Trouble(name, f"damaged: {error}")
    if member.file_size > LARGEST:
        return Trouble(name, f"too large: {member.file_size:,} bytes, the limit is {LARGEST:,}")
    return Picture(name, partial(_read, archive, member), member.file_size)


def _name(member: zipfile.ZipInfo) -> str:
    """The member's name. Some programs for Windows write backslashes between folders, against the format."""
    name = member.orig_filename  # `filename` ends at the first NUL
    return name.replace("\\", "/") if "/" not in name and "\\" in name and member.create_system == 0 else name


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The bytes of a member: `zipfile` gives no more than the size that the table of contents says."""
    try:
        with archive.open(member) as file:
            return file.read()
    except _DAMAGE as error:
        what = "encrypted" if member.flag_bits & 1 else "damaged"
        raise Damaged(f"{what}: {error}") from error
