"""Text that does not fit in one Arrow array of strings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from imageclinic.audit.scan import measured_rows
from imageclinic.core import tables
from imageclinic.core.large import wide_text


def test_text_comes_in_pieces_of_at_most_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide_text, "MOST", 10)
    text = ["", "abc", None, "defghij", "k" * 12, "", None, "é"]
    whole = pa.array(text, pa.large_string())
    short = whole.filter(pa.array([True] + 7 * [False]))
    for values in (
        whole,
        whole.slice(2, 5),
        whole.slice(8),
        short,
        pa.chunked_array([whole, whole]),
    ):
        made = wide_text.narrow(values)
        assert made.to_pylist() == values.to_pylist()
        assert made.type == pa.string()
        assert all(len("".join(filter(None, c.to_pylist())).encode()) <= 10 or len(c) == 1 for c in made.chunks)
        assert all(c.buffers()[2] is None or c.buffers()[2].size < 80 for c in made.chunks), "a copy"

    assert wide_text.narrow(whole.cast(pa.string())).to_pylist() == text


def test_tables_are_written_that_hold_more_text_than_one_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide_text, "MOST", 1000)
    ids = [f"{n:04}.png" for n in range(500)]
    data = tables.frame(tables.SPLIT_TABLE, image_id=ids, split="train")
    tables.write(tmp_path / "splits.parquet", data, tables.SPLIT_TABLE)
    pd.testing.assert_frame_equal(tables.read(tmp_path / "splits.parquet", tables.SPLIT_TABLE), data)


def test_rows_of_a_scan_are_gathered_with_offsets_of_64_bits() -> None:
    texts = [f.type for f in measured_rows.SCHEMA if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    assert texts
    assert set(texts) == {pa.large_string()}
    table, position = measured_rows.located([], np.array(["a"], dtype=object))
    assert table.schema.field("image_id").type == pa.large_string()
    assert position.tolist() == [-1]
