"""Connected components of pairs, beside SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imageclinic.audit.copies.compact.connected_components import components


@pytest.mark.parametrize("edges", [0, 50, 400, 1_000, 5_000])
def test_components_are_scipys_named_by_their_first_node(edges: int) -> None:
    rng = np.random.default_rng(edges)
    left, right = rng.integers(0, 1_000, (2, edges))
    _, number = connected_components(coo_array((np.ones(edges), (left, right)), shape=(1_000, 1_000)), directed=False)
    _, first = np.unique(number, return_index=True)
    np.testing.assert_array_equal(components(left, right, 1_000), first[number])


def test_components_of_a_long_chain_need_few_rounds() -> None:
    order = np.random.default_rng(0).permutation(100_000)
    np.testing.assert_array_equal(components(order[1:], order[:-1], 100_000), np.zeros(100_000))
