"""Images in columns of Parquet files, in Hugging Face's datasets, and in arrays."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imageclinic.audit.listing.listing import Listing
from imageclinic.audit.listing.packed import packed_listing, unpack
from imageclinic.audit.listing.packed.packed_source import Reading, recognise
from imageclinic.core.errors import InputError
from imageclinic.core.ids import to_path

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


def png(n: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS[n]).save(file, "PNG")
    return file.getvalue()


def listed(data: Any, out: Path, layout: str | None = None, **columns: str) -> Listing:
    source = recognise(data, Reading(columns, layout))
    assert source is not None
    out.mkdir(exist_ok=True)
    parts = unpack.unpack(source, out / "images", lambda done, total: None)
    return packed_listing.listing(source, parts, out / "images" / source.name, layout)


def labels(listing: Listing) -> list[str | None]:
    return [None if value is None or value != value else value for value in listing.images["label"].astype(object)]


def pixels(listing: Listing) -> np.ndarray:
    files = [listing.root / to_path(image_id) for image_id in listing.images["image_id"]]
    return np.stack([np.asarray(Image.open(file)) for file in files])


FEATURES: dict[str, Any] = {
    "image": {"_type": "Image"},
    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
}


def table(cells: list[Any], names: list[int | None], features: dict[str, Any] | None = None, **more: Any) -> pa.Table:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    data = {"image": pa.array(cells, kind), "label": pa.array(names, pa.int64()), **more}
    metadata = {"huggingface": json.dumps({"info": {"features": FEATURES if features is None else features}})}
    return pa.table(data).replace_schema_metadata(metadata)


def cell(n: int) -> dict[str, Any]:
    return {"bytes": png(n), "path": f"{n}.png"}


def test_hugging_face_parquet(tmp_path) -> None:
    data = tmp_path / "pets" / "data"
    data.mkdir(parents=True)
    pq.write_table(table([cell(0), cell(1), None], [0, 1, 1]), data / "train-00000-of-00002.parquet")
    gone = {"bytes": None, "path": "x.png"}
    pq.write_table(table([cell(2), gone, cell(3)], [1, 0, 7]), data / "train-00001-of-00002.parquet")
    pq.write_table(table([cell(4)], [-1]), data / "test-00000-of-00001.parquet")
    found = listed(tmp_path / "pets", tmp_path / "run")
    assert list(found.images["image_id"]) == [
        "data/test-00000-of-00001/00000000.png",
        "data/train-00000-of-00002/00000000.png",
        "data/train-00000-of-00002/00000001.png",
        "data/train-00001-of-00002/00000000.png",
    ]
    assert labels(found) == [None, "cat", "dog", "dog"]
    assert list(found.images["split"]) == ["test", "train", "train", "train"]
    assert (found.root / found.images["image_id"][1]).read_bytes() == png(0), "bytes as they are"
    text = "\n".join(found.notes)
    for code in ("3 pieces", "row 2: no image", "row 1: no image: only a path", "row 2: a label that is no class"):
        assert code in text


def test_named_columns_and_no_labels(tmp_path) -> None:
    file = tmp_path / "plain.parquet"
    split = pa.array(["train", "validation"])
    plain = pa.table({"picture": [png(0), png(1)], "kind": ["a", "b"], "split": split, "who": [1, 2]})
    pq.write_table(plain, file)
    found = listed(file, tmp_path / "run", path="picture", label="kind", group="who")
    assert labels(found) == ["a", "b"]
    assert list(found.images["split"]) == ["train", "val"] and list(found.images["group"]) == ["1", "2"]
    with pytest.raises(InputError, match=r"no column of labels.*--label-column"):
        recognise(file, Reading({"path": "picture"}, None))
    assert labels(listed(file, tmp_path / "run", "any", path="picture")) == [None, None]
    pq.write_table(pa.table({"path": ["a.jpg"], "label": ["cat"]}), file)
    assert recognise(file, Reading({}, None)) is None, "a manifest of paths"
    pq.write_table(pa.table({"path": ["a.jpg"], "label": ["cat"], "image": [png(0)]}), file)
    assert recognise(file, Reading({}, None)) is None, "a manifest with thumbnails"


def test_values_that_are_no_split(tmp_path) -> None:
    data = table([cell(0), cell(1)], [0, 1], split=pa.array(["extra", "test"]))
    pq.write_table(data, tmp_path / "pets.parquet")
    found = listed(tmp_path / "pets.parquet", tmp_path / "run")
    assert found.images["split"].isna().tolist() == [True, False]
    with pytest.raises(InputError, match="row 0: split 'extra'"):
        listed(tmp_path / "pets.parquet", tmp_path / "run", split="split")


@pytest.mark.parametrize(
    ("features", "more", "words"),
    [
        ({"image": {"_type": "Image"}}, {"label": pa.array([[0, 1]])}, "several labels for one image"),
        ({"image": {"_type": "Image"}}, {"objects": pa.array([[1]])}, "boxes or masks"),
        (
            {"fine": {"_type": "ClassLabel"}, "coarse": {"_type": "ClassLabel"}},
            {"fine": pa.array([1]), "coarse": pa.array([1])},
            "2 columns of classes: 'fine', 'coarse'.*--label-column",
        ),
    ],
)
def test_tables_that_are_refused(tmp_path, features: dict[str, Any], more: dict[str, Any], words: str) -> None:
    whole = table([cell(0)], [0], features, **{k: v for k, v in more.items() if k != "label"})
    whole = whole.drop_columns("label")
    pq.write_table(whole.append_column("label", more["label"]) if "label" in more else whole, tmp_path / "x.parquet")
    with pytest.raises(InputError, match=words):
        recognise(tmp_path / "x.parquet", Reading({}, None))


def test_a_damaged_row_group_costs_its_rows(tmp_path) -> None:
    file = tmp_path / "pets.parquet"
    pq.write_table(table([cell(n) for n in range(6)], [0, 1] * 3), file, row_group_size=2, compression="zstd")
    metadata = pq.read_metadata(file).row_group(1).column(0)
    data = bytearray(file.read_bytes())
    at = metadata.data_page_offset
    data[at : at + 24] = b"\xff" * 24
    file.write_bytes(data)
    found = listed(file, tmp_path / "run")
    assert [int(image_id[:8]) for image_id in found.images["image_id"]] == [0, 1, 4, 5]
    assert any("rows 2…3: damaged" in note for note in found.notes)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (PIXELS, [0, 1, 0, 1, 0, 1], PIXELS),
        (PIXELS[..., 0], np.array([["cat"], ["dog"]] * 3), PIXELS[..., 0]),
        ((PIXELS / 255).astype("float32"), np.eye(2)[[0, 1] * 3], PIXELS),
        (PIXELS.astype("float64")[..., :1], [0, 1] * 3, PIXELS[..., 0]),
        (PIXELS.astype("int64"), [0, 1] * 3, PIXELS),
    ],
)
def test_arrays(tmp_path, x: Any, y: Any, expected: np.ndarray) -> None:
    found = listed((x, y, ["cat", "dog"]), tmp_path / "run")
    assert np.array_equal(pixels(found), expected)
    assert labels(found) == ["cat", "dog"] * 3
    assert found.images["image_id"][5] == "00000005.png"


def test_what_data_have_not_is_refused() -> None:
    with pytest.raises(InputError, match="no columns"):
        recognise((PIXELS, [0] * 6), Reading({"label": "y"}, None))
    with pytest.raises(InputError, match="no folders"):
        recognise((PIXELS, [0] * 6), Reading({}, "class"))


def test_arrays_by_split(tmp_path) -> None:
    found = listed({"train": (PIXELS[:4], [0, 1, 0, -1]), "test": (PIXELS[4:], [1, 0])}, tmp_path / "run")
    assert list(found.images["image_id"][:2]) == ["test/00000000.png", "test/00000001.png"]
    assert list(found.images["split"]) == ["test"] * 2 + ["train"] * 4
    assert labels(found) == ["1", "0", "0", "1", "0", None]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (PIXELS.astype(float) - 1, [0] * 6, r"values from -1 to \d+"),
        (PIXELS / 127.5 - 1, [0] * 6, r"\(x \+ 1\) / 2"),
        (np.full((6, 5, 4), np.nan), [0] * 6, "[Rr]emove NaN"),
        (np.moveaxis(PIXELS, -1, 1), [0] * 6, "moveaxis"),
        (np.zeros((0, 5, 4)), [], "shape"),
        (PIXELS, [0] * 5, r"y has the shape \(5,\), and there are 6 images"),
        (PIXELS, [0, 1, 2, 0, 0, 0], "label 2.*0 to 1"),
        (PIXELS, np.ones((6, 2)), "several labels for one image"),
    ],
)
def test_arrays_that_are_refused(x: Any, y: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        recognise((x, y, ["cat", "dog"]), Reading({}, None))


class Table:
    """What `datasets.Dataset` has of what is used: Arrow in blocks, features, a fingerprint."""

    def __init__(self, data: pa.Table, split: str | None = None) -> None:
        self._data, self.split, self._fingerprint, self.num_rows = data, split, "a1", data.num_rows
        self.features = type("Features", (), {"to_dict": lambda self: FEATURES})()

    def with_format(self, kind: str) -> Table:
        assert kind == "arrow"
        return self

    def __getitem__(self, rows: slice) -> pa.Table:
        return self._data.slice(rows.start or 0, rows.stop - (rows.start or 0))


def test_hugging_face_datasets(tmp_path) -> None:
    (tmp_path / "3.png").write_bytes(png(3))
    local = {"bytes": None, "path": str(tmp_path / "3.png")}
    data = {"train": Table(table([cell(0), None, cell(1)], [0, 1, 1])), "test": Table(table([local], [0]))}
    found = listed(data, tmp_path / "run")
    assert list(found.images["image_id"]) == ["test/00000000.png", "train/00000000.png", "train/00000002.png"]
    assert labels(found) == ["cat", "cat", "dog"] and set(found.images["split"]) == {"train", "test"}
    assert np.array_equal(pixels(found), PIXELS[[3, 0, 1]])


class Shape(tuple):
    @property
    def rank(self) -> int:
        return len(self)


class Batches:
    """What `tf.data.Dataset` has of what is used."""

    class_names = ("cat", "dog")

    def __init__(self, *batches: Any, count: int = 2, rank: int = 4) -> None:
        self.batches, self.count = batches, count
        self.element_spec = (type("Spec", (), {"shape": Shape([None] * rank)})(), None)

    def cardinality(self) -> int:
        return self.count

    def as_numpy_iterator(self) -> Any:
        return iter(self.batches)


def test_batches_of_tensorflow(tmp_path) -> None:
    x = PIXELS.astype("float32")
    first = listed(Batches((x[:4], [0, 1, 0, 1]), (x[4:], [1, 1])), tmp_path / "run")
    again = listed(Batches((x[4:], [1, 1]), (x[:4], [0, 1, 0, 1])), tmp_path / "run")
    assert first.images.equals(again.images), "ids don't depend on the order"
    assert sorted(map(str, labels(first))) == ["cat"] * 2 + ["dog"] * 4
    assert {image.tobytes() for image in pixels(first)} == {image.tobytes() for image in PIXELS}
    with pytest.raises(InputError, match="without end"):
        recognise(Batches(count=-1), Reading({}, None))
    with pytest.raises(InputError, match="batch"):
        recognise(Batches(rank=3), Reading({}, None))
