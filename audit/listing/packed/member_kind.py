"""What the name of an archive's member says: an image, or something that systems leave behind."""

from __future__ import annotations

from imageclinic.audit.listing.folder_names import is_system
from imageclinic.audit.listing.packed.packed_source import Other
from imageclinic.core.formats import SUFFIXES


def may_be_image(name: str) -> bool:
    """Whether a member has the suffix of an image."""
    last = name.rpartition("/")[2]
    dot = last.rfind(".")
    return dot > 0 and last[dot:].lower() in SUFFIXES


def passed_over(name: str) -> Other | None:
    """A member that lies in a hidden or system folder, or that holds what macOS knows of another (``._…``)."""
    *folders, last = name.split("/")
    for at, folder in enumerate(folders):
        if folder not in ("", ".", "..") and is_system(folder):
            return Other(name, "/".join(folders[: at + 1]))
    return Other(name) if last.startswith("._") else None
