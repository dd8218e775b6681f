"""Groups as numbers are the groups that their names say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageclinic.cleaning.split import group_codes
from imageclinic.cleaning.split.allocation import allocate

#: A group, or none; "i0" and "i1" are names of images, too.
names = st.lists(st.one_of(st.none(), st.sampled_from(["i0", "i1", "person", "g"])), min_size=1, max_size=40)


def images_of(given):
    ids = pd.Series([f"i{n}" for n in range(len(given))], dtype="str")
    return ids, pd.Series(given, dtype="str")


@settings(max_examples=200, deadline=None)
@given(names, st.data())
def test_numbers_and_names_are_those_of_the_text(given, data):
    ids, split_group = images_of(given)
    text = [own if name is None else name for own, name in zip(ids, given, strict=True)]
    groups = group_codes.of(ids, split_group)
    order = list(dict.fromkeys(text))  # by first row
    assert groups.code.tolist() == [order.index(name) for name in text]
    assert groups.first.tolist() == [text.index(name) for name in order]
    assert [name for piece in groups.names() for name in piece] == order
    assert [groups.name(k) for k in range(len(order))] == order
    assert groups.sizes.tolist() == [text.count(name) for name in order]
    rows = np.array(data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text))))
    chosen = {name for name, one in zip(text, rows, strict=True) if one}
    assert groups.among(rows).tolist() == [name in chosen for name in text]


@settings(max_examples=100, deadline=None)
@given(names, st.integers(0, 5))
def test_numbers_and_names_are_divided_alike(given, seed):
    ids, split_group = images_of(given)
    label = [f"class {n % 3}" for n in range(len(ids))]
    by_name = allocate(label, split_group.fillna(ids), (0.6, 0.2, 0.2), seed=seed)
    by_number = allocate(label, group_codes.of(ids, split_group), (0.6, 0.2, 0.2), seed=seed)
    assert by_number.tolist() == by_name.tolist()


def test_names_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, split_group = images_of([None, "a", None, "a", "b", None, "b", "a"])
    groups = group_codes.of(ids, split_group)
    monkeypatch.setattr(group_codes, "_PIECE", 2)
    assert [piece.tolist() for piece in groups.names()] == [["i0", "a"], ["i2", "b"], ["i5"]]
