"""SHA-256 of files and of texts, in hexadecimal digits."""

from __future__ import annotations

import hashlib
from pathlib import Path

from imageclinic.core.reading.regular_files import open_regular


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes, 64 digits, read a piece at a time. Raises OSError when it can't be read, or is no regular
    file."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def readable_sha256(path: Path) -> str | None:
    """As `file_sha256`; None when the file can't be read."""
    try:
        return file_sha256(path)
    except OSError:
        return None


def file_version(path: Path) -> str:
    """The first 12 digits of a file's hash, to name the version of code or weights. Raises OSError."""
    return file_sha256(path)[:12]


def text_digest(text: str, digits: int = 64) -> str:
    """The first digits of a text's hash; bytes that are not UTF-8 may be escaped as `os.fsdecode` does."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:digits]
