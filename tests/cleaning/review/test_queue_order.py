"""How several reviewers share one queue."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imageclinic.cleaning.review.queue_order import BLOCK, shared

UNITS = [f"image {n}" for n in range(3 * BLOCK)]


def test_one_reviewer_keeps_the_order() -> None:
    assert shared(UNITS, ["ann"], "ann") == list(range(len(UNITS)))
    assert shared(UNITS, [], "ann") == list(range(len(UNITS)))


def test_two_begin_with_different_images_of_the_most_urgent() -> None:
    ann, bob = (shared(UNITS, ["ann", "bob"], name) for name in ("ann", "bob"))
    share = sum(1 for at in ann[:BLOCK] if at in set(bob[: BLOCK // 2]) & set(ann[: BLOCK // 2]))
    assert set(ann[:BLOCK]) == set(bob[:BLOCK]) == set(range(BLOCK)), "nobody is sent to less urgent ones"
    assert share < BLOCK // 4, "they would decide about the same images"
    assert ann[0] != bob[0]


@given(
    st.lists(st.sampled_from("abcdefgh"), max_size=100), st.lists(st.sampled_from(["ann", "bob", "eve"]), max_size=3)
)
def test_nothing_is_lost_and_groups_stay_in_their_order(units: list[str], reviewers: list[str]) -> None:
    order = shared(units, reviewers, "ann")
    assert sorted(order) == list(range(len(units)))
    for start in range(0, len(units), BLOCK):
        block = order[start : start + BLOCK]
        for unit in set(units):
            places = [at for at in block if units[at] == unit]
            assert places == sorted(places)
