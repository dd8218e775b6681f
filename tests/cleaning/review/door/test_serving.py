"""The port, the certificate and the file that leads a browser to the link."""

from __future__ import annotations

import socket
import stat
import subprocess
from pathlib import Path

import pytest

from imageclinic.cleaning.review import session
from imageclinic.cleaning.review.door import serving
from imageclinic.core.errors import InputError
from tests.helpers.certificate import make_certificate
from tests.helpers.review_run import make_run


def ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_nobody_takes_the_port_while_the_app_starts() -> None:
    with serving.listening("127.0.0.1", 0) as listeners:
        port = listeners[0].getsockname()[1]
        assert [listener.getsockname()[:2] for listener in listeners] == [
            (address, port) for address in ("127.0.0.1", "::1") if ":" not in address or ipv6()
        ]
        with pytest.raises(OSError), socket.create_server(("127.0.0.1", port)):
            pass
        with pytest.raises(InputError, match=f"port {port} on "), serving.listening("127.0.0.1", port):
            pass
    with serving.listening("127.0.0.1", port):
        pass


def test_somebody_elses_server_on_the_other_address_of_localhost_is_not_overlooked() -> None:
    if not ipv6():  # there is no other address, and one listener is all
        with serving.listening("127.0.0.1", 0) as listeners:
            assert len(listeners) == 1
        return
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as theirs:
        port = theirs.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} on "), serving.listening("127.0.0.1", port):
            pass
        with socket.create_server(("127.0.0.1", port)):
            pass  # what could be had was let go
        with serving.listening("127.0.0.2", port) as listeners:
            assert len(listeners) == 1


def test_a_certificate_and_its_key(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    assert serving.certificate_of(None, None) is None
    assert serving.certificate_of(certificate, key) == serving.Certificate(certificate, key)


def test_a_certificate_that_does_not_serve_is_named(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = make_certificate(tmp_path / "other")
    locked, empty = tmp_path / "locked.pem", tmp_path / "empty.pem"
    subprocess.run(
        ["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", key, "-out", locked], check=True, capture_output=True
    )
    empty.write_bytes(b"")
    for path, its_key, named in [
        (certificate, None, "--key is missing"),
        (None, key, "--certificate is missing"),
        (certificate, other, str(other)),
        (certificate, locked, str(locked)),
        (empty, key, str(empty)),
        (key, certificate, str(certificate)),
        (tmp_path / "none.pem", key, f"{tmp_path / 'none.pem'} can't be read: No such file"),
        (certificate, tmp_path, f"{tmp_path} can't be read: Is a directory"),
    ]:
        with pytest.raises(InputError) as caught:
            serving.certificate_of(path, its_key)
        assert named in str(caught.value)
        assert "PEM" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_file_that_leads_to_the_link_is_the_users_alone_and_goes(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.review.mkdir(exist_ok=True)
    trap = tmp_path / "trap"
    trap.write_text("untouched")
    (run.review / "open.html").symlink_to(trap)
    with session.link_file(run, 'http://127.0.0.1:5151/?a="&token=x') as path:
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert 'url=http://127.0.0.1:5151/?a=&quot;&amp;token=x"' in path.read_text()
    assert not path.exists()
    assert trap.read_text() == "untouched"


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.7", "box.example"])
def test_what_an_open_address_means_is_explained(address: str) -> None:
    assert session.who_may(address, loopback=True, encrypted=False, name="ann") == ""
    plain = session.who_may(address, loopback=False, encrypted=False, name="ann")
    for words in ("Warning", address, "not encrypted", "can decide as ann", "--certificate", "ssh -L"):
        assert words in plain
    encrypted = session.who_may(address, loopback=False, encrypted=True, name="ann")
    assert "Warning" not in encrypted
    assert "the link" in encrypted and "decides as ann" in encrypted
