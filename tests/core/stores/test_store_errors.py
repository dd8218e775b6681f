"""What the stores' libraries raise becomes one sentence of the same kind, whatever its class. The errors are those that
s3fs, gcsfs (with gcp-storage-emulator) and adlfs (with Azurite) raised."""

from __future__ import annotations

import errno

import pytest

from imageclinic.core.errors import InputError
from imageclinic.core.stores.store_errors import Missing, NoAccess, understood


class HttpResponseError(Exception):
    """Azure's, Google's and Hugging Face's have a status with them."""

    def __init__(self, **values: object) -> None:
        super().__init__("refused, sig=hunter2-very-secret")
        vars(self).update(values)


class DefaultCredentialsError(Exception):
    pass


class ClientConnectorError(Exception):
    pass


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "write", "kind", "words"),
    [
        (FileNotFoundError("The specified bucket does not exist"), False, Missing, "no such bucket: gs://box/pets"),
        (FileNotFoundError("b/box/o"), False, Missing, "nothing is at gs://box/pets"),
        (FileNotFoundError("b/box/o"), True, Missing, "no such bucket"),
        (HttpResponseError(status_code=404), True, Missing, "no such bucket"),
        (OSError("Forbidden: b/box/o\nsomeone has no access"), False, NoAccess, r"403.*GOOGLE_APPLICATION_CREDENTIALS"),
        (HttpResponseError(code=401), False, NoAccess, "list and read"),
        (HttpResponseError(status_code=403), True, NoAccess, "and write there"),
        (DefaultCredentialsError("none"), False, NoAccess, "none were found"),
        (
            caused(OSError("x"), ClientConnectorError("y")),
            True,
            InputError,
            "does not answer.*what was uploaded is kept",
        ),
        (NotImplementedError(), True, InputError, "only read"),
        (RuntimeError("odd"), True, InputError, "can't be written: odd"),
    ],
)
def test_one_sentence(error: Exception, write: bool, kind: type[InputError], words: str) -> None:
    with pytest.raises(kind, match=words) as raised, understood("gs://box/pets", write=write):
        raise error
    assert "hunter2" not in str(raised.value) and "\n" not in str(raised.value)


def test_this_machines_disk_is_no_matter_of_the_store() -> None:
    with pytest.raises(OSError, match="full") as raised, understood("gs://box/pets"):
        raise OSError(errno.ENOSPC, "full")
    assert not isinstance(raised.value, InputError)
