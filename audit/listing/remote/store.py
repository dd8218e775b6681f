"""An object store by fsspec: opened, listed, read. What goes wrong is one sentence with the address in it.

Credentials and endpoints are the libraries' business: environment variables (``AWS_…``, ``FSSPEC_S3_…``) and files.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageclinic.audit.listing.packed.packed_source import Damaged, Gone
from imageclinic.audit.listing.remote.addresses import cleaned, shown
from imageclinic.core.errors import InputError

#: Scheme → what to install for it.
PACKAGES = {
    "s3": "'imageclinic[s3]'",
    "s3a": "'imageclinic[s3]'",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "hf": "huggingface_hub",
    "http": "'fsspec[http]'",
    "https": "'fsspec[http]'",
}
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
_LOOK = "look at the bucket's name and the path, and at the endpoint (AWS_ENDPOINT_URL for s3)"
_NO_ANSWER = ("connect", "timeout", "resolve", "payload", "incompleteread", "httpclient", "responseparser")


@dataclass(frozen=True)
class RemoteFile:
    """An object: its key below the address, its path for the store, its bytes, and what changes with its content."""

    key: str
    path: str
    size: int
    mark: str


@dataclass(frozen=True)
class Store:
    """An opened store. `files`: all objects at the address, by key. `single`: the address is that of one object."""

    where: str
    system: Any
    files: list[RemoteFile]
    single: bool

    def read(self, file: RemoteFile) -> bytes:
        """The bytes of an object, by one request. Raises `Gone`, `Damaged`, and InputError when nothing answers."""
        with _one_object(self.where, file):
            return bytes(self.system.cat_file(file.path))

    def fetch(self, file: RemoteFile, to: Path, got: Callable[[int], None]) -> None:
        """Write an object to a file, by one streamed request; `got` is called with bytes as they come. Raises as
        `read`."""
        from fsspec.callbacks import Callback

        class Got(Callback):
            def relative_update(self, inc: int = 1) -> None:
                super().relative_update(inc)
                got(inc)

        with _one_object(self.where, file):
            self.system.get_file(file.path, str(to), callback=Got())


def opened(address: str) -> Store:
    """The store at an address, with a listing of what lies there (one request per page).

    Raises:
        InputError: its package is missing, nothing is there, no access, no answer.
    """
    where, scheme = shown(address), address.partition("://")[0]
    package = PACKAGES.get(scheme)
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise _not_installed(where, scheme, package or "fsspec") from error
    try:
        system, root = url_to_fs(
            address, skip_instance_cache=True, use_listings_cache=False, **_OPTIONS.get(scheme, {})
        )
    except ImportError as error:
        raise _not_installed(where, scheme, package or cleaned(str(error))) from error
    except ValueError as error:
        raise InputError(
            f"{where} can't be opened: {cleaned(str(error))}",
            expected="an address that fsspec knows, such as s3://bucket/pets",
        ) from error
    system.retries = 1  # s3fs asks again by itself; the others don't know this name
    with _understood(where):
        found: dict[str, dict[str, Any]] = system.find(root, detail=True)
    system.retries = _TRIES
    files = [
        RemoteFile(_key(name, root), name, int(info.get("size") or 0), _mark(info))
        for name, info in found.items()
        if info.get("type") == "file" and not name.endswith("/")
    ]
    if not files:
        raise _nothing(where)
    single = len(files) == 1 and not files[0].key
    if single:
        files = [RemoteFile(where.rstrip("/").rpartition("/")[2], files[0].path, files[0].size, files[0].mark)]
    return Store(where, system, sorted(files, key=lambda file: file.key), single)


def _key(name: str, root: str) -> str:
    base = root.rstrip("/")
    return name[len(base) :].removeprefix("/") if name == base or name.startswith(f"{base}/") else name


def _mark(info: dict[str, Any]) -> str:
    names = ("ETag", "etag", "md5Hash", "blob_id", "sha256", "LastModified", "last_modified", "mtime", "created")
    mark = next((str(info[name]) for name in names if info.get(name) is not None), "")
    return f"{info.get('size')} {mark}"


@contextlib.contextmanager
def _one_object(where: str, file: RemoteFile) -> Iterator[None]:
    try:
        with _understood(f"{where} ({file.key})"):
            yield
    except _Missing as error:
        raise Gone("it vanished between listing and fetching") from error
    except _NoAccess as error:
        raise Damaged(f"can't be read: {error.problem}") from error


class _Missing(InputError):
    """Nothing is there."""


class _NoAccess(InputError):
    """The store refuses."""


def _nothing(where: str) -> InputError:
    return _Missing(
        f"nothing is at {where}",
        expected="a tar, zip or Parquet file, or a prefix with such shards or with class folders",
        fix=_LOOK,
    )


@contextlib.contextmanager
def _understood(where: str) -> Iterator[None]:
    """What a store's library raises, whatever its class, as an InputError."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        if "bucket" in str(error).lower():
            raise _Missing(f"there is no such bucket: {where}", fix=_LOOK) from error
        raise _nothing(where) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise  # this machine's disk
        chain = _chain(error)
        names = " ".join(type(each).__name__ for each in chain).lower()
        said = cleaned(str(error)) or type(error).__name__
        if "credentials" in names:
            raise _NoAccess(
                f"{where} can't be read without credentials, and none were found",
                fix="set them as the store's library reads them, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; "
                "a public bucket: FSSPEC_S3_ANON=true",
            ) from error
        if isinstance(error, PermissionError) or any(_status(each) in (401, 403) for each in chain):
            raise _NoAccess(
                f"no access to {where} (403): {said}",
                expected="credentials that may list and read it",
                fix="look at the environment variables that the store's library reads",
            ) from error
        if any(word in names for word in _NO_ANSWER):
            raise InputError(
                f"the store of {where} does not answer: {said}",
                expected="an endpoint that answers (AWS_ENDPOINT_URL for s3)",
                fix="audit again when it does: what was fetched is kept",
            ) from error
        raise InputError(
            f"{where} can't be read: {said}", fix="audit again once that is mended: what was fetched is kept"
        ) from error


def _status(error: BaseException) -> object:
    """The HTTP status that an error of some library has with it."""
    response = getattr(error, "response", None)
    found = (getattr(error, "status", None), getattr(error, "code", None), getattr(response, "status_code", None))
    return next((status for status in found if isinstance(status, int)), None)


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _not_installed(where: str, scheme: str, package: str) -> InputError:
    return InputError(
        f"{where} needs a package for {scheme}:// that is not installed", fix=f"install it: pip install {package}"
    )
