"""Tar files, plain or compressed, one or a folder of shards: WebDataset's samples, or class folders."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from imageclinic.audit.listing.packed import sample_labels, tar_stream
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

PLACE = 10
SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def recognise(data: Any, reading: Reading) -> Source | None:
    """The tar file or the folder of tar files at `data`."""
    if not isinstance(data, Path):
        return None
    shards = shard_files(data, SUFFIXES)
    if not shards:
        return None
    if data.is_file() and not tar_stream.is_tar(data):
        raise InputError(
            f"{data} is no readable tar file",
            expected="a tar file, plain or compressed with gzip, bzip2 or xz",
            fix="download or pack it again",
        )
    parts = [
        Part(s.name, s.key, partial(_events, s), s.size if s.path.suffix == ".tar" else None, s.split, s.size)
        for s in shards
    ]
    return Source(dataset_name(data, SUFFIXES), str(data.resolve()), parts, True, data.resolve(), "samples")


def _events(shard: ShardFile) -> Iterator[Event]:
    try:
        file = tar_stream.opened(shard.path)
    except tar_stream.DAMAGE as error:
        yield Trouble("", f"can't be read: {error}")
        return
    with file:
        for found in tar_stream.members(file):
            if isinstance(found, Trouble):
                yield found
            elif (event := _event(*found, shard)) is not None:
                yield event


def _event(tar: tarfile.TarFile, member: tarfile.TarInfo, shard: ShardFile) -> Event | None:
    name = member.name
    if member.isdir():
        return None
    if member.issym() or member.islnk():
        return Trouble(name, "a link to another file; not followed")
    if not member.isreg():
        return Trouble(name, "a pipe or a device; not made")
    hidden = passed_over(name)
    if hidden is not None:
        return hidden
    kind = sample_labels.sample_stem(name)[1]
    if may_be_image(name):
        if member.size > LARGEST:
            return Trouble(name, f"too large: {member.size:,} bytes, the limit is {LARGEST:,}")
        return Picture(name, partial(_read, tar, member, b""), member.size)
    if kind in sample_labels.KINDS and member.size <= sample_labels.LONGEST:
        try:
            data = _read(tar, member, b"")
        except Damaged as error:
            return Trouble(name, str(error))
        return sample_labels.annotation(name, data, str(shard.path))
    return _by_content(tar, member)


def _by_content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Event:
    """A member without an image's suffix: an image if it begins as one."""
    if member.size > LARGEST:
        return Other(member.name)
    file = tar.extractfile(member)
    assert file is not None
    try:
        start = file.read(16)
    except tar_stream.DAMAGE as error:
        return Trouble(member.name, f"damaged: {error}")
    if sniff(start) is None:
        return Other(member.name)
    return Picture(member.name, partial(_read, tar, member, start, file), member.size)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, start: bytes, opened: IO[bytes] | None = None) -> bytes:
    """The bytes of a member, of which `start` was read. In pieces, see `tar_stream`."""
    file = opened or tar.extractfile(member)
    assert file is not None
    pieces = [start]
    try:
        while piece := file.read(1 << 20):
            pieces.append(piece)
    except tar_stream.DAMAGE as error:
        raise Damaged(f"damaged or cut off: {error}") from error
    return b"".join(pieces)
