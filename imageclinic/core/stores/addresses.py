"""Addresses of object stores: what is one, what it names, and how it is shown. Credentials are cut from all that is
printed or kept."""

from __future__ import annotations

import os
import re

from imageclinic.core.errors import InputError

# A `Path` has made one slash of two.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?=[^/])(.*)", re.DOTALL)
_INSIDE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s\"'<>]+")
_SECRET = re.compile(
    r"(?i)([\w-]*(?:token|signature|secret|password|credential|access.?key|api.?key|\bsig)[\w-]*\s*[=:]\s*)[^\s&,;]+"
)
#: Where the part before @ is a container's name.
_CONTAINERS = ("abfs", "abfss", "wasb", "wasbs")
_LONGEST = 200


def address_of(data: object) -> str | None:
    """The address that `data` is, such as ``s3://bucket/pets``, with its query; None for anything else, and for a path
    of this form that is there.

    Raises:
        InputError: there is a password in it.
    """
    if not isinstance(data, str | os.PathLike):
        return None
    match = _ADDRESS.fullmatch(os.fsdecode(data))
    if match is None or os.path.lexists(data):
        return None
    scheme, rest = match[1].lower(), match[2]
    user, at, _ = rest.partition("/")[0].rpartition("@")
    if at and (":" in user or scheme not in _CONTAINERS):
        raise InputError(
            f"{shown(f'{scheme}://{rest}')} was given with credentials in it",
            expected="an address without them: the list of processes and the shell's history keep what is typed",
            fix="give them as the store's library reads them: environment variables or its own file",
        )
    return f"{scheme}://{rest.rstrip('/')}"


def shown(address: str) -> str:
    """An address without user, password, query and fragment, fit for messages and files."""
    scheme, _, rest = address.partition("://")
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    user, at, plain = host.rpartition("@")
    keep = scheme in _CONTAINERS and at and ":" not in user
    return f"{scheme}://{host if keep else plain}{slash}{path}"


def shown_place(place: str | os.PathLike[str]) -> str:
    """A path as it is; an address as `shown`, also where a `Path` has taken one of its slashes."""
    address = address_of(place)
    return os.fspath(place) if address is None else shown(address)


def cleaned(message: str) -> str:
    """The first line of a library's message, without what may be a credential."""
    line = (message.strip().splitlines() or [""])[0]
    line = _INSIDE.sub(lambda found: shown(found[0]), line)
    return _SECRET.sub(r"\1…", line)[:_LONGEST]
