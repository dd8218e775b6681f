"""Lists in messages."""

from __future__ import annotations

from imageclinic.core.naming.wording import few


def test_the_last_item_is_named_in_place_of_and_one_more() -> None:
    assert few(list("abcdef")) == "a, b, c, d, e, f"
    assert few(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert few([]) == ""
