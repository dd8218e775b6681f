"""Rows in an order, against pandas' own."""

import numpy as np
import pandas as pd
import pytest

from imageclinic.core.rows import ordering


@pytest.mark.parametrize("shuffled", [False, True])
def test_places_are_those_of_a_stable_sort(shuffled: bool) -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"score": rng.integers(0, 5, 60) / 4, "image_id": [f"{n // 2:02}" for n in range(60)]})
    rows.loc[rng.integers(0, 60, 5), "image_id"] = None
    rows = rows.sort_values(["score", "image_id"], kind="stable", ignore_index=True)
    if shuffled:
        rows = rows.sample(frac=1, random_state=1, ignore_index=True)
    expected = rows.sort_values(["score", "image_id"], kind="stable").index
    by = {"score": "ascending", "image_id": "ascending"}
    assert ordering.places_in_order(rows, by).tolist() == expected.tolist()
    assert ordering.in_order(rows, by).index.tolist() == expected.tolist()
