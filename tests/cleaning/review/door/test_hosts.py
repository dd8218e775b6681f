"""The names of a server that others reach."""

from __future__ import annotations

import socket

import pytest
from starlette.datastructures import Headers

from imageclinic.cleaning.review.door.hosts import Hosts, of_address, secret_name


def admits(hosts: Hosts, name: str) -> bool:
    return not hosts.refusal(Headers({"host": name}))


@pytest.mark.parametrize(
    ("address", "listening"), [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("::1", "::1")]
)
def test_loopback_has_the_names_of_loopback_only(address: str, listening: str) -> None:
    hosts = of_address(address, listening, "http")
    assert hosts.loopback
    for name in ("127.0.0.1:1", "localhost", "[::1]:5151", "localhost.:5151"):
        assert admits(hosts, name), name
    for name in ("10.0.0.1", "evil.example", "localhost.evil.example", "[2001:db8::1]", "0.0.0.0", ""):
        assert not admits(hosts, name), name


@pytest.mark.parametrize(("address", "listening"), [("0.0.0.0", "0.0.0.0"), ("::", "::"), ("box.example", "10.0.0.1")])
def test_an_open_address_is_called_by_number_or_by_the_machines_own_name(address: str, listening: str) -> None:
    hosts = of_address(address, listening, "https")
    assert not hosts.loopback
    for name in ("10.0.0.1:5151", "[2001:db8::1]", f"{socket.gethostname()}:5151", "localhost", "127.0.0.1"):
        assert admits(hosts, name), name
    for name in ("evil.example", f"{socket.gethostname()}.evil.example", "0.0.0.0:5151", "[::]"):
        assert not admits(hosts, name), name
    assert admits(hosts, "BOX.example:5151") == (address == "box.example")


@pytest.mark.parametrize("listening", ["127.0.0.1", "::1"])
def test_a_review_has_a_name_of_its_own(listening: str) -> None:
    """Cookies go to every port of a host: on a host that nobody else knows there is no other port."""
    name, other = secret_name(listening, "http"), secret_name(listening, "http")
    assert name.endswith(".localhost")
    assert len(name.split(".")[0].split("-")[1]) >= 16
    assert name != other
    hosts = of_address(listening, listening, "http", name)
    assert admits(hosts, f"{name}:5151")
    for wrong in (other, "review.localhost", f"x.{name}", f"{name}.evil.example"):
        assert not admits(hosts, wrong), wrong


@pytest.mark.parametrize(("listening", "scheme"), [("0.0.0.0", "http"), ("10.0.0.1", "http"), ("127.0.0.1", "https")])
def test_where_browsers_would_not_find_such_a_name_there_is_none(listening: str, scheme: str) -> None:
    assert secret_name(listening, scheme) == ""
