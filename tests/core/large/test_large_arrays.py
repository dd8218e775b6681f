"""Arrays that are in a file instead of memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.large import large_arrays
from imageclinic.core.large.vector_file import VectorFile

VECTORS = np.random.default_rng(0).normal(size=(700, 8)).astype(np.float32)


@pytest.fixture(params=["in memory", "in a file"])
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "in a file":
        monkeypatch.setattr(large_arrays, "LARGE", 1000)
    monkeypatch.setattr(large_arrays, "PIECE", 1024)
    return str(request.param)


def test_vectors_come_back_as_they_were(where: str, tmp_path: Path) -> None:
    ids = [f"{n}.png" for n in range(len(VECTORS))]
    tables.write_vectors(tmp_path / "v.parquet", {"image_id": ids}, "embedding", VECTORS)
    pixels = (VECTORS > 0).astype(np.uint8)
    tables.write_byte_chunks(tmp_path / "b.parquet", {"image_id": ids}, "thumbnail", [pixels[:300], pixels[300:]], 8)
    for name, column, given in (("v", "embedding", VECTORS), ("b", "thumbnail", pixels)):
        rows, found = tables.read_vectors(tmp_path / f"{name}.parquet", column)
        assert rows["image_id"].tolist() == ids
        assert np.array_equal(found, given)
        assert found.dtype == given.dtype
        assert isinstance(found, np.memmap) == (where == "in a file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.parquet", "v.parquet"], "the file has no name"


def test_an_array_to_be_filled(where: str, tmp_path: Path) -> None:
    made = large_arrays.empty(VECTORS.shape, np.float32, tmp_path)
    made[...] = VECTORS
    assert np.array_equal(made, VECTORS)
    assert isinstance(made, np.memmap) == (where == "in a file")
    with pytest.raises(ValueError, match="instead of"):
        large_arrays.filled([VECTORS[:5]], VECTORS.shape, np.float32, tmp_path)


def test_a_value_that_is_no_number_is_found_in_any_piece(where: str, tmp_path: Path) -> None:
    bad = VECTORS.copy()
    bad[650, 3] = np.nan
    tables.write_vectors(tmp_path / "v.parquet", {"image_id": [str(n) for n in range(700)]}, "embedding", bad)
    with pytest.raises(InputError, match="no numbers"):
        tables.read_vectors(tmp_path / "v.parquet", "embedding")


def test_of_a_file_only_the_rows_that_are_asked_for(where: str, tmp_path: Path) -> None:
    ids = [f"{n}.png" for n in range(len(VECTORS))]
    pixels = (VECTORS > 0).astype(np.uint8)
    chunks = [pixels[:300], pixels[300:310], pixels[310:]]
    tables.write_byte_chunks(tmp_path / "b.parquet", {"image_id": ids}, "thumbnail", chunks, 8)
    wanted = np.flatnonzero(np.arange(700) % 3 == 1)
    found = VectorFile(tmp_path / "b.parquet", "thumbnail").rows(wanted)
    assert np.array_equal(found, pixels[wanted])
    assert isinstance(found, np.memmap) == (where == "in a file")
    assert VectorFile(tmp_path / "b.parquet", "thumbnail").rows(wanted[:0]).shape == (0, 8)
    with pytest.raises(InputError, match="no column embedding"):
        VectorFile(tmp_path / "b.parquet", "embedding").rows(wanted)


def test_some_rows_of_an_array_in_their_order(where: str) -> None:
    rows = np.random.default_rng(1).permutation(700)[:400]
    found = large_arrays.chosen(VECTORS, rows)
    assert np.array_equal(found, VECTORS[rows])
    assert isinstance(found, np.memmap) == (where == "in a file")
