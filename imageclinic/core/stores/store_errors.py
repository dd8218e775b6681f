"""What a store's library raises, whatever its class, as one sentence that says what to do."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping

from imageclinic.core.errors import InputError
from imageclinic.core.stores.addresses import cleaned

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
#: Scheme → environment variables from which its library reads credentials, and an endpoint of one's own.
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; a public bucket: FSSPEC_S3_ANON=true",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS; a public bucket: FSSPEC_GS_TOKEN=anon",
    "az": "AZURE_STORAGE_CONNECTION_STRING",
    "hf": "HF_TOKEN",
}
_ENDPOINTS = {"s3": "AWS_ENDPOINT_URL", "gs": "STORAGE_EMULATOR_HOST", "az": "AZURE_STORAGE_CONNECTION_STRING"}
_NO_ANSWER = ("connect", "timeout", "resolve", "payload", "incompleteread", "httpclient", "responseparser")


class Missing(InputError):
    """Nothing is there. `bucket`: not even what should hold it."""

    bucket = False


class NoAccess(InputError):
    """The store refuses."""


def nothing(where: str) -> InputError:
    """The error of an address at which nothing lies."""
    return Missing(
        f"nothing is at {where}",
        expected="a tar, zip or Parquet file, or a prefix with such shards or with class folders",
        fix=_look(where),
    )


def _look(where: str) -> str:
    return f"look at the bucket's name and the path, and at the endpoint{_such_as(_ENDPOINTS, where)}"


def _such_as(names: Mapping[str, str], where: str) -> str:
    scheme = where.partition("://")[0]
    scheme = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}.get(scheme, scheme)
    return f", such as {names[scheme]}" if scheme in names else ""


def not_installed(where: str, scheme: str, otherwise: str) -> InputError:
    """The error of a store whose package is missing; `otherwise`: what to install for a scheme that is not ours."""
    package = PACKAGES.get(scheme, otherwise)
    return InputError(
        f"{where} needs a package for {scheme}:// that is not installed", fix=f"install it: pip install {package}"
    )


@contextlib.contextmanager
def understood(where: str, *, write: bool = False) -> Iterator[None]:
    """Raises what a store's library raises as an InputError: `Missing`, `NoAccess`, no answer, or another one; what
    this machine's disk raises as it is."""
    done, again = ("written", "export") if write else ("read", "audit")
    kept = "what was uploaded is kept" if write else "what was fetched is kept"
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise  # this machine's disk
        chain = _chain(error)
        names = " ".join(type(each).__name__ for each in chain).lower()
        text = cleaned(str(error)) or type(error).__name__
        statuses = {_status(each) for each in chain}
        if isinstance(error, FileNotFoundError) or 404 in statuses:
            raise _missing(where, str(error), write=write) from error
        if "credentials" in names:
            raise NoAccess(
                f"{where} can't be {done} without credentials, and none were found",
                fix=f"set them as the store's library reads them{_such_as(_CREDENTIALS, where)}",
            ) from error
        forbidden = isinstance(error, PermissionError) or text.startswith("Forbidden")  # as gcsfs says
        if forbidden or statuses & {401, 403}:
            raise NoAccess(
                f"no access to {where} (403): {text}",
                expected="credentials that may list and read it" + (", and write there" if write else ""),
                fix=f"look at what the store's library reads{_such_as(_CREDENTIALS, where)}",
            ) from error
        if isinstance(error, NotImplementedError) and write:
            raise InputError(
                f"{where} can't be written: such addresses are only read", fix="give another OUT"
            ) from error
        if any(word in names for word in _NO_ANSWER):
            raise InputError(
                f"the store of {where} does not answer: {text}",
                expected=f"an endpoint that answers{_such_as(_ENDPOINTS, where)}",
                fix=f"{again} again when it does: {kept}",
            ) from error
        raise InputError(
            f"{where} can't be {done}: {text}", fix=f"{again} again once that is mended: {kept}"
        ) from error


def _missing(where: str, text: str, *, write: bool) -> InputError:
    if write or any(word in text.lower() for word in ("bucket", "container")):
        error = Missing(f"there is no such bucket: {where}", fix=_look(where))
        error.bucket = True
        return error
    return nothing(where)


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of some library has with it."""
    response = getattr(error, "response", None)
    found = (
        getattr(error, "status", None),
        getattr(error, "code", None),
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
    )
    return next((status for status in found if isinstance(status, int)), None)


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
