"""The members of a tar file, one by one and in order, also of one that is damaged or cut off.

Nothing is extracted by `tarfile`: its members' bytes are read, and links and devices are only named.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from imageclinic.audit.listing.packed.packed_source import Trouble

_BLOCK = 512
# Headers that are longer than any name would be read into memory as a whole.
_LONGEST_READ = 1 << 26
_MAGIC: tuple[tuple[bytes, Any], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
#: What reading a damaged archive raises.
DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError)


def opened(path: Path) -> IO[bytes]:
    """The tar file's bytes, decompressed (gzip, bzip2, xz, by its first bytes). Raises OSError."""
    with path.open("rb") as file:
        start = file.read(6)
    for magic, opener in _MAGIC:
        if start.startswith(magic):
            return cast("IO[bytes]", opener(path, "rb"))
    return path.open("rb")


def is_tar(path: Path) -> bool:
    """Whether a file begins with a member of a tar file, or is an empty one."""
    try:
        with opened(path) as file:
            block = file.read(_BLOCK)
        if len(block) == _BLOCK and not any(block):
            return True
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except DAMAGE:
        return False
    return True


def members(file: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo] | Trouble]:
    """Yield each member with the open archive; and a `Trouble` for what is damaged, with the members after it.

    The bytes of a member are to be read before the next is asked for.
    """
    bounded: Any = _Bounded(file)
    header = _watched_header()
    expected = 0
    try:
        # Zeros are passed over so that the members after a damaged header, and those of archives that were joined, are
        # found: `tarfile` would end there and say nothing.
        with tarfile.open(
            fileobj=bounded, mode="r:", ignore_zeros=True, tarinfo=header, encoding="utf-8", errors="surrogateescape"
        ) as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would keep them all
                if header.invalid:
                    yield Trouble("", f"damaged: {member.offset - expected:,} bytes before {member.name!r} are lost")
                header.invalid = header.ended = False
                expected = tar.offset
                yield tar, member
            if header.invalid:
                yield Trouble("", f"damaged: no file can be found in it after the first {expected:,} bytes")
            elif not header.ended:
                yield Trouble("", "cut off: it has no end mark, and what followed is lost")
    except DAMAGE as error:
        yield Trouble("", f"damaged or cut off: {error or type(error).__name__}")


def _watched_header() -> Any:
    """A class of headers that notes whether blocks were met that are none (`invalid`), or zeros (`ended`)."""

    class Header(tarfile.TarInfo):
        invalid = False
        ended = False

        @classmethod
        def frombuf(cls, buf: Any, encoding: str, errors: str) -> Any:
            try:
                return super().frombuf(buf, encoding, errors)
            except tarfile.HeaderError as error:
                if any(buf):
                    cls.invalid = True
                elif len(buf) == _BLOCK:
                    cls.ended = True
                raise error

    return Header


class _Bounded:
    """A file that refuses to read a giant header into memory; the bytes of images are asked for in small pieces."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.close = file.close

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise OSError(f"a header of {size:,} bytes")
        return self._file.read(size)
