"""Candidate pairs of copies, and the strangers beside them."""

from __future__ import annotations

import numpy as np
import pytest

from imageclinic.audit.copies import candidate_pairs


@pytest.mark.parametrize("n", [50, 3_000, 200_000])
def test_strangers_are_of_many_images_whatever_their_number(n: int) -> None:
    hashes = np.random.default_rng(0).integers(0, 1 << 16, (n, 8), dtype=np.uint64)  # many are near
    found = candidate_pairs.strangers(hashes, 2)
    upright = found.orientation == 0
    assert len(np.unique(found.i[upright])) > min(n, 500) / 2
    true = np.bitwise_count(hashes[found.i, 0] ^ hashes[found.j, found.orientation])
    np.testing.assert_array_equal(found.distance, true)
    assert ((true > 2) & (true <= 2 + candidate_pairs.BAND)).all()
