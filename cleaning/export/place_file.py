"""Puts one image file into an export: copied, linked or cloned, its content proven to be what was audited."""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from imageclinic.core.errors import InputError
from imageclinic.core.reading.regular_files import open_regular

LINKS = ("copy", "hardlink", "symlink", "reflink")
_CHUNK = 1 << 20
# Clones a file's extents: linux/fs.h. Btrfs, XFS, bcachefs, OCFS2 and overlays over these have it.
_FICLONE = 0x40049409
_NO_CLONES = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS)


def put(source: Path, place: Path | None, sha256: str, link: str) -> None:
    """Bring one file to `place`.

    Args:
        source: only read.
        place: a new file in a folder that is there; None: only the content is checked.
        sha256: of the content that was audited.
        link: one of `LINKS`. A reflink shares the blocks of the source until one of the two is changed.

    Raises:
        InputError: the source is gone or changed; the file system can't link, or has no reflinks.
        OSError: the place can't be written.
    """
    digest = hashlib.sha256()
    with _opened(source) as file, contextlib.ExitStack() as stack:
        copy = stack.enter_context(place.open("xb")) if place is not None and link == "copy" else None
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            if copy:
                copy.write(chunk)
    _compare(source, digest.hexdigest(), sha256)
    if place is None or link == "copy":
        return
    if link == "reflink":
        _clone(source, place)
    elif link == "symlink":
        try:
            place.symlink_to(source.resolve())
        except OSError as error:  # Windows wants a privilege for it
            raise InputError(f"can't link {source}: {error.strerror}", fix="use --link copy or hardlink") from error
    else:
        try:
            place.hardlink_to(source.resolve())
        except OSError as error:
            raise InputError(
                f"can't hard-link {source}: {error.strerror}", fix="use --link copy, symlink or reflink"
            ) from error


def content(source: Path, sha256: str) -> bytes:
    """The bytes of a file, which are those that were audited. Raises InputError as `put`."""
    with _opened(source) as file:
        data = file.read()
    _compare(source, hashlib.sha256(data).hexdigest(), sha256)
    return data


def size(source: Path) -> int:
    """The bytes of a file, as the system says. Raises InputError when it is gone, or can't be looked at."""
    with _source(source):
        return source.stat().st_size


@contextlib.contextmanager
def _source(source: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"the image {source} is gone since the audit", fix="audit again") from None
    except OSError as error:
        raise InputError(f"can't read the image {source}: {error.strerror}", fix="audit again") from error


def _opened(source: Path) -> BinaryIO:
    with _source(source):
        return open_regular(source)


def _compare(source: Path, digest: str, sha256: str) -> None:
    if digest != sha256:
        raise InputError(f"the image {source} changed since the audit", fix="audit again")


def _clone(source: Path, place: Path) -> None:
    try:
        import fcntl
    except ImportError:
        raise InputError("this system has no reflinks", fix="use --link copy, hardlink or symlink") from None
    with open_regular(source) as file, place.open("xb") as copy:
        try:
            fcntl.ioctl(copy, _FICLONE, file.fileno())
        except OSError as error:
            if error.errno not in _NO_CLONES:
                raise
            raise InputError(
                f"can't reflink {source}: {error.strerror}",
                expected="dataset and export on one file system that has reflinks, such as Btrfs or XFS",
                fix="use --link copy, hardlink or symlink",
            ) from error
