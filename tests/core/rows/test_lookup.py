"""Rows by id, against what pandas' own index says."""

import numpy as np
import pandas as pd
import pytest

from imageclinic.core.rows import lookup


@pytest.mark.parametrize(("given", "known"), [(5, 400), (400, 5), (300, 300), (0, 7), (7, 0)])
def test_values_are_those_of_a_map(given: int, known: int) -> None:
    rng = np.random.default_rng(given)
    ids = pd.Series(rng.integers(0, 500, given).astype(str), dtype="str", index=np.arange(given) + 3)
    ids[rng.random(given) < 0.2] = None
    names = pd.Series(rng.permutation(500)[:known].astype(str), dtype="str")
    table = pd.DataFrame({"image_id": names, "label": names + "!", "n": np.arange(known), "x": rng.random(known)})
    for column in ("label", "n", "x"):
        expected = ids.map(table.set_index("image_id")[column])
        pd.testing.assert_series_equal(
            lookup.values(ids, table, column), expected, check_names=False, check_dtype=bool(given and known)
        )
    assert lookup.among(ids, names).tolist() == (ids.isin(names) & ids.notna()).tolist()


def test_the_first_of_two_equal_ids_counts_on_either_side() -> None:
    twice = pd.Series(["a", "b", "a", "b", "c"])
    assert lookup.places(["b", "a", "x"], twice).tolist() == [1, 0, -1]
    assert lookup.places(["b", "a", "x", "b", "b", "b", "c"], twice).tolist() == [1, 0, -1, 1, 1, 1, 4]


@pytest.mark.parametrize("given", [range(0, 90, 3), range(5, 200, 5), range(40), [99]])
def test_ordered_ids_are_found_piece_by_piece(given: range, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, table = ([f"{n:03d}" for n in numbers] for numbers in (given, range(10, 100)))
    expected = lookup.places(ids, table).tolist()
    assert expected == [n - 10 if 10 <= n < 100 else -1 for n in given]
    monkeypatch.setattr(lookup, "_PIECE", 4)
    assert lookup.places(ids, table).tolist() == expected


def test_kinds_are_rows_with_equal_values() -> None:
    one = pd.Series(["a", None, "a", "b", None])
    kind, first = lookup.kinds(one, pd.Series([1, 2, 1, 1, 2]))
    assert (kind.tolist(), first.tolist()) == ([0, 1, 0, 2, 1], [0, 1, 3])
    assert lookup.kinds(one.head(0))[1].tolist() == []


def test_ids_in_several_pieces_of_memory() -> None:
    parts = pd.concat([pd.Series(["a", "b"]), pd.Series(["c", None, "d"])], ignore_index=True)
    assert lookup.places(["d", "c", None], parts).tolist() == [4, 2, -1]
    assert lookup.places(parts, parts).tolist() == [0, 1, 2, -1, 4]


def test_ids_that_are_known_already_are_those() -> None:
    ids = pd.Series(["a", "b", "c"], dtype="str")
    other, same = pd.Series(["a", "c", "b"], dtype="str"), pd.Series(["a", "b", "c"], dtype="str")
    assert lookup.shared(ids, [other, ids.head(2), same]) is same
    assert lookup.shared(ids, [other, ids.head(2)]) is ids
