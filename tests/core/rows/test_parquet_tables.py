"""Tables in pieces and by columns, against the same tables whole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.rows import csv_files, ordering, parquet_tables

N = 200


@pytest.fixture(scope="module")
def dataset() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return tables.frame(
        tables.DATASET,
        image_id=[f"pets/{n:03d}.jpg" for n in range(N)],
        label=np.where(rng.random(N) < 0.2, None, rng.choice(np.array(["cat", "=dog"], object), N)),
        bytes=rng.integers(1, 100, N),
        mtime_ns=np.arange(N),
        sha256=[f"{n:064x}" for n in range(N)],
        width=pd.Series(np.where(rng.random(N) < 0.1, None, 32), dtype="Int64"),
    )


@pytest.fixture(scope="module")
def file(dataset: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "dataset.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_tables, "GROUP", 20)  # ten groups of rows in the file
        pieces = (dataset.iloc[start : start + 7] for start in range(0, N, 7))
        tables.write_pieces(path, pieces, tables.DATASET, {"key": "k"})
    return path


def test_a_table_written_in_pieces_is_the_table(dataset: pd.DataFrame, file: Path) -> None:
    pd.testing.assert_frame_equal(tables.read(file, tables.DATASET), dataset)
    assert tables.is_current(file, "k")


def test_some_columns_are_those_of_the_whole_table(dataset: pd.DataFrame, file: Path) -> None:
    wanted = ["image_id", "label", "width"]
    pd.testing.assert_frame_equal(tables.read(file, tables.DATASET, wanted), dataset[wanted])


@pytest.mark.parametrize("at_once", [3, 1000])
def test_some_rows_in_batches_of_any_size(dataset: pd.DataFrame, file: Path, at_once: int) -> None:
    ids = ["pets/150.jpg", "pets/003.jpg", "pets/199.jpg", "elsewhere.jpg"]
    expected = dataset[dataset["image_id"].isin(ids)].reset_index(drop=True)
    pd.testing.assert_frame_equal(tables.read_rows(file, tables.DATASET, ids, at_once=at_once), expected)
    assert tables.read_rows(file, tables.DATASET, [], at_once=at_once).empty
    some = tables.DATASET.only(["image_id", "label"])
    pd.testing.assert_frame_equal(tables.read_rows(file, some, ids, at_once=at_once), expected[["image_id", "label"]])


@pytest.mark.parametrize("at_once", [3, 1000])
def test_a_table_read_in_pieces_is_the_table(dataset: pd.DataFrame, file: Path, at_once: int) -> None:
    wanted = ["image_id", "width"]
    pieces = list(tables.read_pieces(file, tables.DATASET, wanted, at_once=at_once))
    assert max(map(len, pieces)) <= at_once
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), dataset[wanted])


def test_what_is_read_can_be_written_to(file: Path) -> None:
    read = tables.read(file, tables.DATASET)
    read.loc[0, "bytes"] = 7
    assert read["bytes"][0] == 7


@pytest.mark.parametrize("order", [[0, 1, 2, 1], [2, 0, 1, 0], [1, 1]])
def test_an_image_that_is_there_twice(dataset: pd.DataFrame, order: list[int]) -> None:
    with pytest.raises(InputError, match="two rows for 'pets/00"):
        tables.validate(dataset.iloc[order], tables.DATASET)


def test_pairs_are_known_by_both_of_their_images() -> None:
    def pairs(*ids: tuple[str, str]) -> pd.DataFrame:
        n = len(ids)
        one, other = zip(*ids, strict=True)
        columns = {"kind": ["near"] * n, "transform": ["identity"] * n, "distance": [1] * n, "similarity": [0.9] * n}
        return tables.frame(tables.NEIGHBORS, image_id=one, other_id=other, **columns)

    assert len(pairs(("a", "b"), ("a", "c"), ("b", "c"))) == len(pairs(("b", "c"), ("a", "c"), ("a", "b"))) == 3
    with pytest.raises(InputError, match="two rows for 'a, c'"):
        pairs(("a", "c"), ("a", "b"), ("a", "c"))
    with pytest.raises(InputError, match="two rows for 'a, b'"):
        pairs(("a", "b"), ("a", "b"))


def test_csv_in_pieces_is_the_same_file(dataset: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for size in (1 << 18, 7):
        monkeypatch.setattr(csv_files, "_PIECE", size)
        files.append(tmp_path / f"{size}.csv")
        tables.write_csv(files[-1], dataset, tables.DATASET)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_text().count("'=dog") == dataset["label"].eq("=dog").sum()
    pd.testing.assert_frame_equal(tables.read_csv(files[1], tables.DATASET), dataset)


def test_the_order_is_that_of_sort_values() -> None:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"score": rng.integers(0, 5, N) / 5, "name": rng.integers(0, 50, N).astype(str)})
    rows["name"] = rows["name"].astype("str").mask(rng.random(N) < 0.1)
    expected = rows.sort_values(["score", "name"], ascending=[False, True], kind="stable")
    pd.testing.assert_frame_equal(ordering.in_order(rows, {"score": "descending", "name": "ascending"}), expected)
