"""The search for near hashes in slices finds what the search on one machine does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imageclinic.audit.copies import candidate_pairs, hamming
from imageclinic.core.engines import LOCAL
from imageclinic.workflows.steps.distributed import distributed_search
from tests.helpers.away import Away


def test_pairs_of_hashes_are_those_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the upright hashes and between these and the turned ones, in slices; and again from the slices."""
    engine = Away()
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 1 << 63, (3000, 3), dtype=np.uint64)
    hashes[1500:, 0] = hashes[:1500, 0] ^ (np.uint64(1) << rng.integers(0, 64, 1500, dtype=np.uint64))
    hashes[2999, 1] = hashes[7, 0]
    expected = candidate_pairs.hamming_pairs(hashes, 4, limit=100_000)
    assert len(expected) > 1500
    monkeypatch.setattr(distributed_search, "LEAST", 0)
    for _ in range(2):
        search = distributed_search.search_on(engine, tmp_path)
        found = candidate_pairs.hamming_pairs(hashes, 4, limit=100_000, search=search)
        for name, values in vars(expected).items():
            assert np.array_equal(getattr(found, name), values), name
        monkeypatch.setattr(engine, "map", lambda *_, **__: pytest.fail("nothing is left to do"))


def test_few_hashes_are_searched_here(tmp_path: Path) -> None:
    assert distributed_search.search_on(LOCAL, tmp_path) is hamming.search
    hashes = np.array([0, 1, 255], np.uint64)
    search = distributed_search.search_on(Away(), tmp_path)
    assert len(candidate_pairs.hamming_pairs(hashes[:, None], 1, search=search)) == 1
    assert not list(tmp_path.iterdir())
