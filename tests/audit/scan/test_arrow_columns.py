"""Columns made of buffers are those that pyarrow makes, and a process that makes them loads no pandas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from imageclinic.audit.scan import arrow_columns


@pytest.mark.parametrize(
    ("values", "type"),
    [
        (["a", None, "", "\N{PILE OF POO}\0é", "b" * 1000] * 3, pa.string()),
        ([None, None], pa.string()),
        ([], pa.string()),
        ([1, None, -(2**62)] * 5, pa.int64()),
        ([2**64 - 1, 0, None], pa.uint64()),
        ([0.5, None, float("inf")], pa.float32()),
        ([True, False, None] * 7, pa.bool_()),
        ([], pa.bool_()),
    ],
)
def test_as_pyarrow_makes_them(values: list[Any], type: pa.DataType) -> None:
    made = arrow_columns.from_values(values, type)
    made.validate(full=True)
    assert made.equals(pa.array(values, type)) and made.null_count == values.count(None)
    if not pa.types.is_string(type):
        valid = np.array([value is not None for value in values], dtype=bool)
        plain = np.array([value or 0 for value in values], dtype=type.to_pandas_dtype())
        assert arrow_columns.from_numpy(plain, valid, type).equals(made)


def test_a_worker_loads_no_pandas(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "red.jpg")
    (tmp_path / "none.jpg").write_bytes(b"")
    code = (
        "import sys; from pathlib import Path; from imageclinic.audit.scan import worker\n"
        "from imageclinic.audit.scan.measure import measure\n"
        "folder = Path(sys.argv[1]); names = ['red.jpg', 'none.jpg']\n"
        "table = measure([str(folder / name) for name in names])\n"
        "worker._write(folder / 'shard.arrow', names, table, 1)\n"
        "print(table['format'].to_pylist(), 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split("] ") == ["['JPEG', None", "False\n"]
    with pa.memory_map(str(tmp_path / "shard.arrow")) as file:
        assert pa.ipc.open_file(file).read_all()["image_id"].to_pylist() == ["red.jpg", "none.jpg"]
