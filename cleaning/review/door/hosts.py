"""Which names a request may use for this server, and from which page it may come.

A web page whose host name is made to point to this machine (DNS rebinding) sends its own name as `Host`; a page of
another origin sends its own `Origin`, or is named by the browser in `Sec-Fetch-Site`.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass

from starlette.datastructures import Headers

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
#: What ``localhost`` and the names below it mean.
LOCALHOST = ("127.0.0.1", "::1")
#: These read and never change anything; browsers send all others with an Origin.
_READING = ("GET", "HEAD")


@dataclass(frozen=True)
class Hosts:
    """What may stand in `Host`.

    Attributes:
        names: names in lower case.
        loopback: whether only this machine's loopback addresses count, and not every address.
        scheme: ``http`` or ``https``.
    """

    names: tuple[str, ...]
    loopback: bool
    scheme: str

    def refusal(self, headers: Headers) -> str:
        """Why a request with these headers does not mean this server; empty when it does."""
        given = headers.getlist("host")
        found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if not found:
            return "The request names no host that can be read."
        name = found["name"].lower().rstrip(".")
        if name in self.names or self._is_address(name.strip("[]")):
            return ""
        return f"This server is not called {name}. Open the link that imageclinic review has printed."

    def _is_address(self, name: str) -> bool:
        """An address can't be made to point elsewhere, so that any of this machine's will do."""
        address = _number(name)
        if address is None:
            return False
        # Browsers take 0.0.0.0 for this machine, but do not guard it as they guard loopback.
        return address.is_loopback if self.loopback else not address.is_unspecified

    def foreign(self, method: str, headers: Headers) -> str:
        """Why a request comes from a page of another origin; empty when it does not."""
        ours = f"{self.scheme}://{headers['host']}".lower()
        origins = headers.getlist("origin")
        if any(origin.lower() != ours for origin in origins) or (method not in _READING and len(origins) != 1):
            return f"Only pages of {ours} may ask this."
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return f"Only pages of {ours} may ask this."
        return ""


def secret_name(listening: str, scheme: str) -> str:
    """A name for one review, such as ``review-5f0c….localhost``; empty where there can be none.

    Browsers send a cookie to every port of its host, so whoever has a server on this machine would get this review's.
    Nobody else knows this host, and for browsers it is another site than 127.0.0.1. They take every name below
    ``localhost`` for this machine (RFC 6761), without asking a name server.

    Args:
        listening: the address that the server listens on.
        scheme: a certificate is for names of its own, so there is none for ``https``.
    """
    return f"review-{secrets.token_hex(8)}.localhost" if listening in LOCALHOST and scheme == "http" else ""


def of_address(address: str, listening: str, scheme: str, secret: str = "") -> Hosts:
    """The names of a server.

    Args:
        address: what the user asked for, a name or an address.
        listening: the address that it was resolved to.
        scheme: ``http`` or ``https``.
        secret: its `secret_name`; empty for none.
    """
    loopback = ipaddress.ip_address(listening).is_loopback
    ours = ["localhost", *filter(None, [secret])]
    if not loopback:
        ours += [socket.gethostname(), f"{socket.gethostname()}.local", socket.getfqdn()]
    if not _number(address):
        ours.append(address)
    return Hosts(tuple(sorted({name.lower() for name in ours})), loopback, scheme)


def _number(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
