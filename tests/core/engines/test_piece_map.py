"""Pieces of work: the same here and on workers, whatever is torn; few of them stay here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from imageclinic.core.engines import LOCAL, piece_map
from imageclinic.core.engines.piece_map import Arrays, PieceMap
from imageclinic.core.errors import Failed
from tests.helpers.away import Away

ROWS = np.random.default_rng(0).normal(size=(500, 7)).astype(np.float32)
PIECES = [(at, at + 90) for at in range(0, 500, 90)]


def products(arrays: Arrays, piece: tuple[int, int]) -> npt.NDArray[Any]:
    rows = arrays["rows"][slice(*piece)]
    return np.asarray(rows @ arrays["rows"].T)


def divided(arrays: Arrays, piece: tuple[int, int]) -> npt.NDArray[Any]:
    if piece == PIECES[3]:
        raise ZeroDivisionError("the fourth")
    return arrays["rows"][slice(*piece)]


def mapped(where: PieceMap, images: int = 10**6, rows: npt.NDArray[np.float32] = ROWS) -> npt.NDArray[Any]:
    """All results, one below the other; progress goes up to their number."""
    known: list[tuple[int, int]] = []
    found = where(products, {"rows": rows}, PIECES, images=images, progress=lambda *done: known.append(done))
    assert known == sorted(known) and (not known or known[-1] == (6, 6))
    return np.concatenate(found)


def test_results_come_in_the_order_of_the_pieces(tmp_path: Path) -> None:
    np.testing.assert_allclose(mapped(piece_map.here), ROWS @ ROWS.T, atol=1e-5)
    assert mapped(piece_map.piece_map_on(Away(), tmp_path)).tobytes() == mapped(piece_map.here).tobytes()


def test_only_what_is_missing_or_torn_is_done_again(tmp_path: Path) -> None:
    where = piece_map.piece_map_on(Away(), tmp_path)
    expected = mapped(where).tobytes()
    done = {file: file.stat().st_mtime_ns for file in tmp_path.glob("piece-*.npy")}
    assert len(done) == 6
    gone, torn = sorted(done)[:2]
    gone.unlink()
    torn.write_bytes(torn.read_bytes()[:-1])
    (array,) = tmp_path.glob("array-*.npy")
    array.write_bytes(b"torn")
    assert mapped(where).tobytes() == expected
    assert {file for file in done if file.stat().st_mtime_ns != done[file]} == {gone, torn}


def test_other_arrays_are_other_pieces(tmp_path: Path) -> None:
    where = piece_map.piece_map_on(Away(), tmp_path)
    before = mapped(where)
    np.testing.assert_allclose(mapped(where, rows=2 * ROWS), 4 * before, rtol=1e-6)


def test_few_images_stay_here(tmp_path: Path) -> None:
    mapped(piece_map.piece_map_on(Away(), tmp_path), images=piece_map.LEAST - 1)
    assert not list(tmp_path.iterdir())
    assert piece_map.piece_map_on(LOCAL, tmp_path) is piece_map.here


@pytest.mark.parametrize("engine", ["here", "away"])
def test_what_a_piece_raises_ends_the_work(engine: str, tmp_path: Path) -> None:
    where = piece_map.here if engine == "here" else piece_map.piece_map_on(Away(), tmp_path)
    with pytest.raises(ZeroDivisionError, match="the fourth"):
        where(divided, {"rows": ROWS}, PIECES, images=10**6)


def test_what_is_finished_goes_with_the_work_unless_it_fails(tmp_path: Path) -> None:
    folder = tmp_path / "pieces"
    with pytest.raises(ZeroDivisionError), piece_map.pieces_on(Away(), folder) as where:
        where(divided, {"rows": ROWS}, PIECES, images=10**6)
    assert list(folder.glob("piece-*.npy"))
    with piece_map.pieces_on(Away(), folder) as where:
        mapped(where)
    assert not folder.exists()


def test_arrays_that_a_worker_does_not_see(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"rows\.npy is gone"):
        piece_map.PieceWorker(products, {"rows": tmp_path / "rows.npy"}, 1)
