from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageclinic.core import tables
from imageclinic.core.errors import InputError


def clusters(**changes: object) -> pd.DataFrame:
    columns = {"image_id": ["a", "b"], "cluster": ["a", None], "split_group": ["a", "b"], **changes}
    return tables.frame(tables.CLUSTERS, **columns)


def test_parquet_round_trip(tmp_path) -> None:
    tables.write(tmp_path / "c.parquet", clusters(), tables.CLUSTERS, {"key": "k"})
    assert tables.read(tmp_path / "c.parquet", tables.CLUSTERS).equals(clusters())
    assert tables.metadata(tmp_path / "c.parquet")["key"] == "k"
    assert [p.name for p in tmp_path.iterdir()] == ["c.parquet"], "no temporary file is left"


def test_missing_column_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match="clusters lacks the columns split_group"):
        tables.validate(clusters().drop(columns="split_group"), tables.CLUSTERS)


def test_a_table_of_an_earlier_version_lacks_later_columns(tmp_path) -> None:
    later = [c.name for c in tables.MANIFEST.columns if c.later]
    assert later
    now = tables.empty(tables.MANIFEST)
    now.drop(columns=later).to_parquet(tmp_path / "m.parquet")
    assert tables.read(tmp_path / "m.parquet", tables.MANIFEST).equals(now)
    now.drop(columns="image_id").to_parquet(tmp_path / "m.parquet")
    with pytest.raises(InputError, match="lacks the columns image_id"):
        tables.read(tmp_path / "m.parquet", tables.MANIFEST)


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (tables.CLUSTERS, {"split_group": ["a", None]}, "split_group has 1 empty"),
        (tables.CLUSTERS, {"image_id": ["a", "a"]}, "two rows for 'a'"),
        (tables.SPLIT_TABLE, {"image_id": ["a"], "split": ["tain"]}, "'tain'. Expected one of train, val, test"),
    ],
)
def test_bad_values_are_named(table, change, message) -> None:
    with pytest.raises(InputError, match=message):
        clusters(**change) if table is tables.CLUSTERS else tables.frame(table, **change)


def test_range_is_checked() -> None:
    columns = {"score": [1.5], "suggested_action": ["keep"], "evidence": ["?"]}
    with pytest.raises(InputError, match=r"issues.score holds 1.5. Expected a number from 0 to 1"):
        tables.frame(tables.ISSUES, check="dark", **columns)
    with pytest.raises(InputError, match="contrast has 1 empty cells"):
        required = {c.name: [0] for c in tables.FEATURES.columns if not c.nullable}
        tables.frame(tables.FEATURES, **required | {"image_id": ["a"], "contrast": [np.float32("nan")]})


def test_wrong_file_is_named(tmp_path) -> None:
    (tmp_path / "c.parquet").write_text("no parquet")
    with pytest.raises(InputError, match=r"c.parquet is no readable Parquet file"):
        tables.read(tmp_path / "c.parquet", tables.CLUSTERS)
    with pytest.raises(InputError, match=r"d.parquet is missing"):
        tables.read(tmp_path / "d.parquet", tables.CLUSTERS)


def test_vectors_round_trip(tmp_path) -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    tables.write_vectors(tmp_path / "v.parquet", {"image_id": ["a", "b", "c"]}, "embedding", vectors, {"model": "m"})
    rows, read = tables.read_vectors(tmp_path / "v.parquet", "embedding")
    assert rows["image_id"].tolist() == ["a", "b", "c"]
    assert read.dtype == np.float32
    assert np.array_equal(read, vectors)


@given(st.binary(min_size=1, max_size=40).filter(lambda b: b"\0" not in b))
def test_any_file_name_becomes_an_id_and_back(name: bytes) -> None:
    path = name.decode("utf-8", "surrogateescape")
    image_id = tables.to_image_id(path)
    image_id.encode("utf-8")
    assert tables.to_path(image_id) == path


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_cells_survive_csv(tmp_path_factory, text: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "splits.csv"
    table = tables.frame(tables.SPLIT_TABLE, image_id=[text], split=["train"])
    tables.write_csv(path, table, tables.SPLIT_TABLE)
    assert tables.read_csv(path, tables.SPLIT_TABLE)["image_id"].tolist() == [text]


@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    escaped = tables.escape_cell(text)
    assert not escaped.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert tables.unescape_cell(escaped) == text


def test_a_failed_write_leaves_the_old_file(tmp_path) -> None:
    path = tmp_path / "x.json"
    tables.write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), tables.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert len(list(tmp_path.iterdir())) == 1


def test_a_column_that_came_later_may_lack(tmp_path: Path) -> None:
    row = {"image_id": "a", "path": "a", "label": "x", "original_label": "x", "split": "train", "split_group": "a"}
    pd.DataFrame([{**row, "sha256": "0", "decision": None}]).to_csv(tmp_path / "manifest.csv", index=False)
    assert tables.read_csv(tmp_path / "manifest.csv", tables.MANIFEST)["original_sha256"].isna().all()
    pd.DataFrame([row]).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(InputError, match="sha256"):
        tables.read_csv(tmp_path / "manifest.csv", tables.MANIFEST)


@pytest.mark.parametrize(
    ("shallow", "alike", "last_layer"),
    [
        ("", [0, 1, 2, 3], [0, 1, 2, 3]),
        ("2:4", [0, 1], [0, 1]),
        ("1:3", [0, 3], [0]),
        ("x:-1", [0, 1, 2, 3], [0, 1, 2, 3]),
        ("0:0", [0, 1, 2, 3], [0, 1, 2, 3]),
    ],
)
def test_distances_leave_out_the_columns_of_earlier_layers(
    tmp_path: Path, shallow: str, alike: list[int], last_layer: list[int]
) -> None:
    file = tmp_path / "embeddings.parquet"
    vectors = np.arange(8, dtype=np.float32).reshape(2, 4)
    tables.write_vectors(file, {"image_id": pd.Series(["a", "b"])}, "embedding", vectors, {"shallow": shallow})
    found = tables.Embeddings(pd.Series(["a", "b"]), vectors, tables.shallow_columns(file))
    np.testing.assert_array_equal(found.alike, vectors[:, alike])
    np.testing.assert_array_equal(found.last_layer, vectors[:, last_layer])
