"""Many shards: their files are not kept open, and none is lost."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from imageclinic.audit.scan import measured_rows, scan, worker
from imageclinic.audit.scan.measure import measure
from imageclinic.core import tables
from imageclinic.core.run import create
from tests.conftest import picture


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Six shards of two images each."""
    made = []
    for shard in range(6):
        names = [f"{shard}-{n}.png" for n in range(2)]
        for n, name in enumerate(names):
            picture(10 * shard + n).save(tmp_path / name)
        made.append(tmp_path / f"{shard}.arrow")
        worker._write(made[-1], names, measure([str(tmp_path / name) for name in names]), 0)
    (tmp_path / "torn.arrow").write_bytes(made[0].read_bytes()[:-50])
    return [*made, tmp_path / "torn.arrow"]


def mapped() -> int:
    return Path("/proc/self/maps").read_text().count(".arrow\n")


def test_few_shards_are_open_at_a_time(shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = measured_rows.of_shards(shards)
    assert [len(source.table) for source in sources] == [2] * 6, "all but the torn one"
    assert not mapped(), "none is open"
    monkeypatch.setattr(scan, "_OPENED", 2)
    monkeypatch.setattr(scan, "_CHUNK", 4)
    most, write = [], tables.write_byte_chunks

    def counted(path, columns, name, chunks, width):
        write(path, columns, name, (most.append(mapped()) or chunk for chunk in chunks), width)

    monkeypatch.setattr(tables, "write_byte_chunks", counted)
    run = create(tmp_path / "run")
    ids = np.array([f"{shard}-{n}.png" for n in range(2) for shard in range(6)], dtype=object)
    _, position = measured_rows.located(sources, ids)
    scan._write_thumbnails(run, pd.Series(ids, dtype="str"), sources, position)
    assert max(most) <= 2
    names, thumbnails = run.read_thumbnails()
    assert names.tolist() == ids.tolist()
    alone = [measure([str(tmp_path / name)])["thumbnail"][0].as_py() for name in ids]
    assert [row.tobytes() for row in thumbnails] == alone


def test_thumbnails_stay_on_disk_until_they_are_wanted(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    table = measure([str(tmp_path / "a.png")] * 64)
    worker._write(tmp_path / "many.arrow", [f"{n}.png" for n in range(64)], table, 0)
    before = pa.total_allocated_bytes()
    sources = measured_rows.of_shards([tmp_path / "many.arrow"])
    assert pa.total_allocated_bytes() - before < 64 * scan.THUMBNAIL**2 / 2
    assert sources[0].thumbnails().shape == (64, scan.THUMBNAIL**2)


def test_running_out_of_files_loses_no_shard(shards: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(pa, "memory_map", full)
    with pytest.raises(OSError, match="Too many open files"):
        measured_rows.of_shards(shards)


@pytest.mark.parametrize("at_once", [1, 3, 5, 100])
def test_rows_are_gathered_in_the_order_that_is_asked_for(shards: list[Path], tmp_path: Path, at_once: int) -> None:
    ids = [f"{shard}-{n}.png" for n in (1, 0) for shard in (4, 0, 2, 5)]
    newer = tmp_path / "newer.arrow"
    worker._write(newer, ["2-1.png"], measure([str(tmp_path / "0-0.png")]), 0)
    sources = measured_rows.of_shards([newer, *shards])
    _, position = measured_rows.located(sources, [*ids, "6-0.png"])
    assert position.tolist()[-1] == -1
    assert position[2] == 0, "the first source that has it"
    pieces = list(measured_rows.gathered(sources, position[:-1], ["image_id", "sha256"], at_once=at_once))
    assert [len(piece) for piece in pieces] == [min(at_once, 8 - at) for at in range(0, 8, at_once)]
    found = pa.concat_tables(pieces)
    assert found["image_id"].to_pylist() == ids
    files = [tmp_path / ("0-0.png" if name == "2-1.png" else name) for name in ids]
    assert found["sha256"].to_pylist() == [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    (nothing,) = measured_rows.gathered(sources, position[:0], ["image_id"])
    assert nothing.schema.names == ["image_id"]
    assert len(nothing) == 0
