"""Text as row numbers: as pandas finds them, without its Python strings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imageclinic.core.large import text_rows

RNG = np.random.default_rng(0)
KNOWN = pd.Series([f"cat/{n % 7}-é{n}.png" for n in RNG.permutation(300)], dtype="str")


@pytest.fixture(params=["one piece", "small pieces"], autouse=True)
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "small pieces":
        monkeypatch.setattr(text_rows, "_PIECE", 7)


def test_distinct_text_is_sorted() -> None:
    found = text_rows.distinct(KNOWN[:200], pd.Index(KNOWN[150:]), KNOWN[:0])
    assert found.tolist() == sorted(KNOWN)
    assert found.dtype == KNOWN.dtype


@pytest.mark.parametrize("rows", [0, 7, 300])
def test_text_that_is_made_one_by_one_is_the_column(rows: int) -> None:
    pd.testing.assert_series_equal(text_rows.column(iter(KNOWN[:rows])), KNOWN[:rows].reset_index(drop=True))


def test_ranks_are_in_the_order_of_the_text() -> None:
    text = pd.Series([None, *KNOWN, *KNOWN[:50], None], dtype="str").sample(frac=1, random_state=2)
    ranks = text_rows.ranks(text)
    np.testing.assert_array_equal(ranks, pd.factorize(text, sort=True)[0])
    np.testing.assert_array_equal(text_rows.repeated(ranks), text.duplicated(keep=False) & text.notna())
    assert text_rows.ranks(text[:0]).tolist() == []
