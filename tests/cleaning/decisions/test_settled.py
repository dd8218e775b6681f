"""Copies that stay alone: nothing is left to decide about them."""

from __future__ import annotations

import pandas as pd

from imageclinic.cleaning.decisions.settled import settled

CLUSTERS = pd.DataFrame({"image_id": ["a", "b", "c", "d", "e", "f"], "cluster": ["1", "1", "1", "2", "2", None]})


def issues(*rows: tuple[str, str, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image_id", "check", "cluster"])


COPIES = issues(*(("abc"[n], "near_duplicate", "1") for n in range(3)), ("d", "exact_duplicate", "2"))


def test_the_last_copy_of_a_group_is_settled() -> None:
    assert settled(COPIES, CLUSTERS, {"b": "drop", "c": "drop"}) == {"a"}


def test_two_that_are_left_are_not() -> None:
    assert settled(COPIES, CLUSTERS, {"c": "drop"}) == set()
    assert settled(COPIES, CLUSTERS, {"b": "keep", "c": "drop"}) == set()


def test_other_findings_about_it_keep_it_open() -> None:
    more = pd.concat([COPIES, issues(("a", "mislabeled", None))])
    assert settled(more, CLUSTERS, {"b": "drop", "c": "drop"}) == set()


def test_who_is_decided_is_not_settled_too() -> None:
    assert settled(COPIES, CLUSTERS, {"a": "keep", "b": "drop", "c": "drop"}) == set()
    assert settled(COPIES, CLUSTERS, {"a": "drop", "b": "drop", "c": "drop"}) == set()


def test_one_about_which_nothing_was_found_does_not_wait_anyway() -> None:
    assert settled(COPIES, CLUSTERS, {"d": "drop"}) == set()
    assert settled(COPIES, CLUSTERS, {"e": "drop"}) == {"d"}
