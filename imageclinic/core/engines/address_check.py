"""Whether a cluster's address answers."""

from __future__ import annotations

import os
import socket

from imageclinic.core.errors import InputError

#: Seconds that an address has.
ANSWER = 10.0
# What a client of HTTP/2, which Ray speaks, says first: the preface and an empty frame of settings (type 4).
_GREETING, _SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), 4


def check_answers(address: str) -> None:
    """Raises InputError when an address is none, or when nothing that could be Ray answers there within `ANSWER`
    seconds: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16 or "/" in host:
        raise InputError(f"--address {address}", expected="HOST:PORT, such as 10.0.0.1:6379, or auto")
    expected, fix = "the address that `ray start --head` printed", "check it, or leave it out to start Ray here"
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(_GREETING)
            answer = connection.recv(9)
    except OSError as error:
        reason = f"--address {address} does not answer: {error.strerror or error}"
        raise InputError(reason, expected=expected, fix=fix) from error
    if answer[3:4] != bytes([_SETTINGS]):
        raise InputError(f"--address {address} does not answer as Ray does", expected=expected, fix=fix)
