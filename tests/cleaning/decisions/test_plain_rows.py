"""Rows that are read at once are those that `csv` reads one by one, and damage is told in the same words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imageclinic.cleaning.decisions import log_file
from imageclinic.cleaning.decisions.log_reading import plain_rows
from imageclinic.core.errors import InputError

_PIECES = [
    b"a",
    b"1",
    b" ",
    b",",
    b",,",
    b"\n",
    b"\n",
    b"\r\n",
    b'"',
    b"'=",
    b"\xc3\xbc",
    b"\xff",
    b"\0",
    b"\xef\xbb\xbf",
]
_CELL = st.sampled_from([b"", b"a", b" b ", b"\xc3\xbc", b"NA", b"1.50", b"-1", b"x" * 70])
_ROWS = st.lists(st.tuples(_CELL, _CELL, _CELL).map(lambda cells: b",".join(cells) + b"\n"), max_size=8)


def _read(data: bytes, many: int, torn: bool, header: tuple[str, ...]) -> tuple[pd.DataFrame, list[int], int] | str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_rows, "_MANY", many)
        patch.setattr(plain_rows, "_LONGEST", 64)  # Arrow refuses the long rows
        try:
            return log_file.parse_rows(data, Path("log.csv"), torn=torn, header=header)
        except InputError as error:
            return str(error)


@settings(max_examples=300, deadline=None)
@given(_ROWS, st.lists(st.sampled_from(_PIECES), max_size=8), _ROWS, st.booleans(), st.booleans(), st.booleans())
@example([], [], [], True, True, False)
@example([], [b"\n"], [], False, True, False)
@example([], [b"\xef\xbb\xbf"], [b",,\n"], False, False, False)
@example([b"a,b,c\n", b"a,b,c\n"], [b"\n"], [b"a,b,c\n"], False, False, True)
@example([b"a,b,c\n", b"a,b\n"], [], [], False, False, True)
@example([b"a,b,c\n"], [b"a,b,c"], [], True, False, False)
def test_they_are_what_csv_reads(
    first: list[bytes], odd: list[bytes], last: list[bytes], torn: bool, headless: bool, marked: bool
) -> None:
    start = [b"\xef\xbb\xbf"] if marked else []
    data = b"".join([*start, b"" if headless else b"one,two,three\n", *first, *odd, *last])
    header = ("one", "two", "three") if headless else ()
    quick, slow = (_read(data, many, torn, header) for many in (1, 1 << 30))
    if isinstance(slow, str) or isinstance(quick, str):
        assert quick == slow
        return
    pd.testing.assert_frame_equal(quick[0], slow[0])
    assert quick[1:] == slow[1:]


def test_most_of_a_log_is_read_at_once_and_the_rest_is_not_lost() -> None:
    rows = b"".join(b"a/%d.png,drop,\n" % at for at in range(5000))
    data = b"image_id,decision,note\n" + rows + b'a/x.png,keep,"two\nlines"\n' + rows
    read, end = plain_rows.read(data, ())
    assert read is not None and len(read) == 5000 and data[:end].endswith(b"a/4999.png,drop,\n")
    frame, lines, good = log_file.parse_rows(data, Path("log.csv"))
    assert len(frame) == 10001 and frame["note"].tolist()[5000] == "two\nlines" and frame["note"].notna().sum() == 1
    assert lines[:5001] == list(range(2, 5003)) and lines[5001:] == list(range(5004, 10004))
    assert good == len(data)
