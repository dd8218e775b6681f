"""Opening files that may be anything: a pipe or a device in an image's place would keep whoever opens it waiting."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_flags(*wanted: str) -> int:
    """Flags of `os.open` to read bytes: ``O_RDONLY`` and those that are `wanted`, as far as this system has them."""
    flags = os.O_RDONLY
    for name in ("O_BINARY", *wanted):  # Windows has the first, which keeps line ends as they are, and no other
        flags |= getattr(os, name, 0)
    return flags


_FLAGS = open_flags("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY")


def open_regular(path: Path) -> BufferedReader:
    """Open a file, or what a link leads to, for reading; never waits for a pipe's other end.

    Raises:
        OSError: it can't be opened, or is a folder, a pipe, a socket or a device.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # before it is opened: to open some devices is to act on them
        raise _irregular(path)
    handle = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):  # it was exchanged in between
            raise _irregular(path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises OSError: see `open_regular`; or it is larger."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"is larger than {most:,} bytes", str(path))
    return content


def _irregular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "no regular file", str(path))
