"""An object store by fsspec: opened, listed, read, written. What goes wrong is one sentence with the address in it.

Credentials and endpoints are the libraries' business: environment variables (``AWS_…``, ``FSSPEC_S3_…``) and files.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageclinic.core.errors import InputError
from imageclinic.core.stores.addresses import cleaned, shown
from imageclinic.core.stores.store_errors import Missing, not_installed, nothing, understood

# Seconds to connect and between two pieces of an answer, and tries, times those of s3fs: a dead endpoint is known
# within half a minute. One object is one request, however large.
_S3 = {
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 15,
        "retries": {"total_max_attempts": 2},
        "max_pool_connections": 32,
    },
    "max_concurrency": 1,
}
_OPTIONS: dict[str, dict[str, Any]] = {"s3": _S3, "s3a": _S3}
_TRIES = 3
# gcsfs warns before each request where it finds no credentials, which a public bucket and an emulator don't want.
_LOUD = {"gs": "gcsfs", "gcs": "gcsfs"}


@dataclass(frozen=True)
class RemoteFile:
    """An object: its key below the address, its path for the store, its bytes, and what changes with its content."""

    key: str
    path: str
    size: int
    mark: str


@dataclass(frozen=True)
class Store:
    """An opened store. `where`: the address, fit to be shown. `root`: the address as the store names it. `files`: the
    objects that were there when it was listed, by key. `single`: the address is that of one object."""

    where: str
    system: Any
    root: str
    files: Sequence[RemoteFile] = ()
    single: bool = False

    def read(self, file: RemoteFile) -> bytes:
        """The bytes of an object, by one request. Raises `Missing`, `NoAccess`, and InputError when nothing answers."""
        with understood(f"{self.where} ({file.key})"):
            return bytes(self.system.cat_file(file.path))

    def fetch(self, file: RemoteFile, to: Path, got: Callable[[int], None]) -> None:
        """Write an object to a file, by one streamed request; `got` is called with bytes as they come. Raises as
        `read`."""
        from fsspec.callbacks import Callback

        class Got(Callback):
            def relative_update(self, inc: int = 1) -> None:
                super().relative_update(inc)
                got(inc)

        with understood(f"{self.where} ({file.key})"):
            self.system.get_file(file.path, str(to), callback=Got())

    def put(self, file: Path, key: str) -> None:
        """Write a file to an object, which is replaced when it is there. Raises as `read`."""
        with understood(f"{self.where} ({key})", write=True):
            self.system.put_file(str(file), self._path(key))

    def remove(self, key: str) -> None:
        """Delete an object. Raises as `read`."""
        with understood(f"{self.where} ({key})", write=True):
            self.system.rm_file(self._path(key))

    def listed(self) -> Store:
        """The same store with `files` as they are now, one request per page; none when nothing is there.

        Raises:
            InputError: no such bucket, no access, no answer.
        """
        self.system.retries = 1  # s3fs asks again by itself; the others don't know this name
        self.system.invalidate_cache()
        try:
            with understood(self.where):
                found: dict[str, dict[str, Any]] = self.system.find(self.root, detail=True)
        except Missing as error:
            if error.bucket:
                raise
            found = {}
        self.system.retries = _TRIES
        files = [
            RemoteFile(_key(name, self.root), name, int(info.get("size") or 0), _mark(info))
            for name, info in found.items()
            if info.get("type") == "file" and not name.endswith("/")
        ]
        single = len(files) == 1 and not files[0].key
        if single:
            files = [dataclasses.replace(files[0], key=self.where.rstrip("/").rpartition("/")[2])]
        return dataclasses.replace(self, files=sorted(files, key=lambda file: file.key), single=single)

    def _path(self, key: str) -> str:
        return f"{self.root.rstrip('/')}/{key}"


def connected(address: str) -> Store:
    """The store at an address, not listed yet.

    Raises:
        InputError: its package is missing, or there is none for such addresses.
    """
    where, scheme = shown(address), address.partition("://")[0]
    if scheme in _LOUD:
        logging.getLogger(_LOUD[scheme]).setLevel(logging.ERROR)
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise not_installed(where, scheme, "fsspec") from error
    try:
        system, root = url_to_fs(
            address, skip_instance_cache=True, use_listings_cache=False, **_OPTIONS.get(scheme, {})
        )
    except ImportError as error:
        raise not_installed(where, scheme, cleaned(str(error))) from error
    except ValueError as error:
        raise InputError(
            f"{where} can't be opened: {cleaned(str(error))}",
            expected="an address that fsspec knows, such as s3://bucket/pets, and what its store's library needs, such "
            "as AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT_NAME for az",
        ) from error
    return Store(where, system, root)


def opened(address: str) -> Store:
    """The store at an address, with a listing of what lies there.

    Raises:
        InputError: see `connected` and `Store.listed`; nothing is there.
    """
    store = connected(address).listed()
    if not store.files:
        raise nothing(store.where)
    return store


def _key(name: str, root: str) -> str:
    base = root.rstrip("/")
    return name[len(base) :].removeprefix("/") if name == base or name.startswith(f"{base}/") else name


def _mark(info: dict[str, Any]) -> str:
    names = ("ETag", "etag", "md5Hash", "blob_id", "sha256", "LastModified", "last_modified", "mtime", "created")
    mark = next((str(info[name]) for name in names if info.get(name) is not None), "")
    return f"{info.get('size')} {mark}"
