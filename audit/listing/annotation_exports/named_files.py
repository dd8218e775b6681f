"""Names of images in an export → files below a folder. Exports are read elsewhere than they were written: a name may
begin with folders, a bucket or an address that are not here.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from imageclinic.audit.listing.folder_names import is_system
from imageclinic.audit.listing.folder_walk import Trouble, walk
from imageclinic.audit.listing.packed.member_kind import may_be_image
from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.run import MARKER
from imageclinic.core.tables import to_image_id

#: So many last parts of a path are compared.
_MOST_PARTS = 8


class NamedFiles:
    """The files below a folder, found by the names that an export has for them.

    A name is looked for as a path below the root, and below other folders of it; then by its end: the file that shares
    the most last parts with it, if one does more than all others. Several that do are an error, and so is one file for
    two names: a label must not go to another image of the same name.
    """

    def __init__(self, root: Path, where: str, *, stems: bool = False) -> None:
        self._root, self._where, self._stems = root, where, stems
        self.trouble: Trouble = {}
        self._by_path: dict[str, list[str]] = {}
        self._by_end: dict[str, list[str]] = {}
        self._images: set[str] = set()
        self._claimed: dict[str, str] = {}
        self._folders: set[str] = set()
        runs: tuple[str, ...] = ()
        for folder, names in walk(root, self.trouble):  # a folder comes before those in it
            if MARKER in names:  # its pictures are ours
                runs += (f"{folder}/",)
            if any(map(is_system, folder.split("/"))) or f"{folder}/".startswith(runs):
                continue
            self._folders.add(folder)
            for name in names:
                path = f"{folder}/{name}" if folder else name
                image = may_be_image(name) and not name.startswith("._")
                if image:
                    self._images.add(path)
                if image or not stems:
                    self._by_path.setdefault(self._key(path), []).append(path)
                    for end in _ends(self._key(path)):
                        self._by_end.setdefault(end, []).append(path)

    def find(self, name: str, folders: Sequence[str]) -> tuple[str, bool]:
        """The path of an image below the root, and whether it is there; if not, where it would be.

        Raises:
            InputError: a name that leads out of the root, or may mean several files; a file that two names mean.
        """
        inside = self.inside(name)
        for folder in folders:
            path = posixpath.normpath(f"{folder}/{inside}") if folder else inside
            if found := self._by_path.get(path):
                return self._claim(self._one(found, name), name), True
        found = next((self._by_end[end] for end in _ends(inside) if end in self._by_end), None)
        if found is not None:
            return self._claim(self._one(found, name), name), True
        there = next((folder for folder in folders if folder in self._folders), "")
        return posixpath.normpath(f"{there}/{inside}") if there else inside, False

    def inside(self, name: str) -> str:
        """A name as a path below the root.

        Raises:
            InputError: it leads out of it, or can't be a path.
        """
        possible = "\0" not in name
        try:
            os.fsencode(name)
        except UnicodeEncodeError:  # half of a surrogate pair
            possible = False
        if not possible or not name.strip("/. "):
            raise InputError(f"{self._where}: {name[:300]!r} can't be the path of a file", expected="that of an image")
        path = posixpath.normpath(name)
        if path.startswith("/"):
            path = os.path.relpath(path, self._root)
        if path == ".." or path.startswith("../"):
            raise InputError(
                f"{self._where}: {name[:300]!r} leaves the dataset's root {self._root}",
                expected="paths inside that folder",
                fix="put the export into the folder above all images, or write their paths from there into it",
            )
        return path

    def unnamed(self) -> int:
        """Images below the root that no name has led to."""
        return len(self._images - self._claimed.keys())

    def _key(self, path: str) -> str:
        return posixpath.splitext(path)[0] if self._stems else path

    def _one(self, found: Sequence[str], name: str) -> str:
        if len(found) > 1:
            raise InputError(
                f"{self._where}: {shown(name)} may be {few([shown(to_image_id(each)) for each in found], 2)}",
                expected="one file of that name",
                fix="put the images where the export says that they are, or leave one of each name in the folder",
            )
        return found[0]

    def _claim(self, path: str, name: str) -> str:
        before = self._claimed.setdefault(path, name)
        if before != name and posixpath.normpath(before) != posixpath.normpath(name):
            raise InputError(
                f"{self._where}: {shown(before)} and {shown(name)} would both be {shown(to_image_id(path))}",
                expected="a file for each image",
                fix="put the images where the export says that they are",
            )
        return path


def _ends(path: str) -> Iterator[str]:
    """The last parts of a path, the most first: ``a/b/c``, ``b/c``, ``c``."""
    parts = path.rsplit("/", _MOST_PARTS)[-_MOST_PARTS:]
    for start in range(len(parts)):
        yield "/".join(parts[start:])
