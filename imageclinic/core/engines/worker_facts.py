"""What a worker on another machine must have in common with us: versions that rows depend on, and files."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
from collections.abc import Sequence
from typing import Any

from imageclinic.core.errors import InputError

#: Packages by which pixels are decoded and measured.
_SAME = ("imageclinic", "ray", "numpy", "pillow", "simplejpeg", "pyarrow")


def facts(visible: Sequence[str]) -> dict[str, Any]:
    """Of this machine: ``host``, ``versions``, and which of the files in `visible` are ``missing``."""
    return {
        "host": socket.gethostname(),
        "versions": _versions(),
        "missing": [path for path in visible if not os.path.lexists(path)],
    }


def check(found: dict[str, Any]) -> None:
    """Raises InputError when a worker, by its `facts`, does not see what it must, or would make other rows than we."""
    theirs = found["versions"]
    other = [f"{name} {theirs[name]} for {ours}" for name, ours in _versions().items() if theirs[name] != ours]
    if other:
        raise InputError(
            f"the Ray worker on {found['host']} runs other versions: {', '.join(other)}",
            expected="the same on all machines: else the tables depend on who did what",
            fix="install the same there",
        )
    if found["missing"]:
        raise InputError(
            f"the Ray worker on {found['host']} does not see {found['missing'][0]}",
            expected="the dataset and the run folder under the same paths on all machines",
            fix="put both on storage that all of them mount",
        )


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in _SAME:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions
