"""Folders of ours hold files and folders, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from imageclinic.core.errors import InputError


def refuse_links(path: Path) -> None:
    """A run holds no links: what is written into it would be written to wherever they lead. Nor does it hold pipes and
    devices: who reads one in a file's place would wait."""
    folders = [str(path)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    raise InputError(
                        f"{entry.path} is a link",
                        expected="a run folder without links: what is written there would go elsewhere",
                        fix="put the file or folder itself in its place, or delete the link",
                    )
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    raise InputError(f"{entry.path} is no regular file", fix="delete it")
