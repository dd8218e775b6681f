"""Starts the App's server behind its guard, and watches over it: what our own process does for it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from imageclinic.cleaning.review.door import hosts, invitation
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.processes import child_process
from imageclinic.core.run import Run

_START_SECONDS = 120
#: How long a server that has closed its side takes to end.
_END_SECONDS = 10
#: How many free ports are tried for one that is free in both families of addresses.
_PORTS = 20
#: This machine has only the other family of addresses.
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


@dataclass(frozen=True)
class Certificate:
    """Files in PEM format: the certificate (with those that it builds on), and its private key."""

    path: Path
    key: Path


def certificate_of(path: Path | None, key: Path | None) -> Certificate | None:
    """The certificate to serve with, None for none.

    Raises:
        InputError: one without the other, a file that can't be read, or a key that does not fit.
    """
    if path is None and key is None:
        return None
    if path is None or key is None:
        missing = "--certificate" if path is None else "--key"
        raise InputError(f"{missing} is missing", expected="a certificate and its key, both in PEM format")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for file in (path, key):
        try:
            file.read_bytes()
        except OSError as error:
            raise InputError(f"{file} can't be read: {error.strerror}", expected="a file in PEM format") from error
    try:
        context.load_cert_chain(path, key, password="")  # else OpenSSL asks in the terminal
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"the certificate {path} can't be used with the key {key}: {reason}",
            expected="a certificate and its own key without a password, both in PEM format",
        ) from error
    return Certificate(path.absolute(), key.absolute())


@contextlib.contextmanager
def listening(address: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets that listen on the port, or on any free one for 0: from now on nobody else can take it.

    The first is on `address`. Where that is what ``localhost`` means in one family of addresses, the second is on the
    other's: browsers try both, and another user must not be the one who answers.

    Raises:
        InputError: when the port can't be had.
    """
    try:
        if port not in range(65536):
            raise OSError("ports go from 0 to 65535")
        servers = _bound(address, port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        raise InputError(
            f"port {port} on {address} can't be used: {reason}",
            expected="a free port, and an address of this machine",
            fix=f"close what uses it (another review?), or choose one with --port {port % 65535 + 1}",
        ) from error
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(server)
        yield servers


def _bound(address: str, port: int) -> list[socket.socket]:
    for _ in range(_PORTS):
        first = socket.create_server((address, port), family=_family(address))
        host, found = first.getsockname()[:2]
        try:
            others = [other for other in hosts.LOCALHOST if host in hosts.LOCALHOST and other != host]
            return [first, *(socket.create_server((other, found), family=_family(other)) for other in others)]
        except OSError as error:
            if error.errno in _NO_FAMILY:  # browsers can't reach it either
                return [first]
            first.close()
            if port or error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Server:
    """The App's server: what it is asked and answers, where it is reached, and whether it lives."""

    def __init__(
        self, process: subprocess.Popen[bytes], channel: socket.socket, log: Path, settings: Mapping[str, Any]
    ) -> None:
        self._process, self._channel, self._log, self._settings = process, channel, log, settings
        self._scheme, self._host, self._port = settings["scheme"], settings["host"], settings["port"]
        self._answers: dict[str, str] = {}
        self._read = b""
        #: The name that no other review has and nobody else knows; empty where there is none.
        self.secret_name: str = settings["secret_name"]

    def link(self, path: str, host: str = "", **query: str) -> str:
        """The secret link to a page of the App; `host` is the name or address to reach it by."""
        where = origin(self._scheme, host or self._host, self._port)
        return f"{where}{path}?{urlencode({**query, invitation.PARAMETER: self._settings['secret']})}"

    def start(self) -> None:
        """Let it load FiftyOne: the database answers."""
        self._send(self._settings)

    def make_dataset(self, plan: Mapping[str, Any]) -> None:
        """Let it make the dataset, and then answer requests. See `place` for what comes back."""
        self._send(plan)

    def place(self) -> str:
        """Wait for the dataset: where its images go, for `load_samples.Place.from_text`. Raises as below."""
        return self._wait_for("place")

    def wait_until_ready(self) -> None:
        """Return when the server answers. Raises Failed when it has ended, or is not ready in two minutes."""
        self._wait_for("ready")

    def show_map(self) -> None:
        """Let it show the run's map; `map_error` is None until it has."""
        self._answers.pop("map", None)
        self._send({"show": "map"})

    def map_error(self) -> str | None:
        """Why the map is not shown, empty when it is, None as long as it is at work."""
        self._receive(0)
        return self._answers.get("map")

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._channel.sendall(json.dumps(message).encode() + b"\n")
        except ConnectionError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
            raise self._failed() from None

    def _wait_for(self, answer: str) -> str:
        deadline = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if answer in self._answers:
                return self._answers[answer]
            self._receive(0.2)
        raise self._failed()

    def _receive(self, seconds: float) -> None:
        """Read what has come; wait for so long for something, or until the server has ended."""
        if not select.select([self._channel], [], [], seconds)[0]:
            return
        received = self._channel.recv(1 << 16)
        if not received:  # it has ended, which its status says in a moment
            time.sleep(min(seconds, 0.2))
        *lines, self._read = (self._read + received).split(b"\n")
        for line in lines:
            self._answers |= json.loads(line)

    def _failed(self) -> Failed:
        state = "does not answer" if self._process.poll() is None else f"ended with status {self._process.returncode}"
        return Failed(
            f"the App's server {state}: {child_process.last_line(self._log)} (see {self._log}). "
            "Every decision is in decisions.csv: open the review again"
        )


@contextlib.contextmanager
def serving(
    run: Run,
    address: str,
    listeners: Sequence[socket.socket],
    certificate: Certificate | None,
    report: Sequence[str] = (),
) -> Iterator[Server]:
    """The App's server, for as long as the context lasts; call `cleaning.review.session.prepare` first.

    It waits for `Server.start` and `Server.make_dataset`. It runs without a FiftyOne session, which would load FiftyOne
    once more and tie all browsers to one view.

    Args:
        run: the run that is reviewed; only its pictures are shown.
        address: what the user asked for.
        listeners: from `listening`.
        certificate: for https; None for http.
        report: the command of `report_page`.
    """
    log = run.review / "server.log"
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    host, port = listeners[0].getsockname()[:2]
    scheme = "https" if certificate else "http"
    secret_name = hosts.secret_name(host, scheme)
    names = hosts.of_address(address, host, scheme, secret_name)
    settings: dict[str, Any] = {
        "secret": invitation.new_secret(),
        "secret_name": secret_name,
        "names": names.names,
        "loopback": names.loopback,
        "scheme": names.scheme,
        "run": str(run.path),
        "host": host,
        "port": port,
        "certificate": str(certificate.path) if certificate else None,
        "key": str(certificate.key) if certificate else None,
        "report": list(report),
    }
    ours, theirs = socket.socketpair()
    with ours:
        inherited = (theirs.fileno(), *(listener.fileno() for listener in listeners))
        command = child_process.python_module("imageclinic.cleaning.review.door.app_server", *map(str, inherited))
        with child_process.running(command, log, inherited=inherited) as process:
            theirs.close()
            yield Server(process, ours, log, settings)


def origin(scheme: str, host: str, port: int) -> str:
    """``http://127.0.0.1:5151``: how this machine reaches a server that listens on `host`."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
    return f"{scheme}://[{here}]:{port}" if ":" in here else f"{scheme}://{here}:{port}"
