"""A cache is used as it was written, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imageclinic.core.reading import caches

ARRAYS = {"vectors": np.arange(3000, dtype=np.float32).reshape(30, 100), "info": np.array('{"a": 1}')}


def damages(data: bytes) -> list[bytes]:
    """What a crash, a full disk or a bad one leave of a file."""
    half = len(data) // 2
    return [
        b"",
        b"torn",
        data[:half],
        data[:-1],
        data[:-90],
        data + b"x",
        data[:half] + bytes(len(data) - half),
        data[: len(data) - 40] + bytes(40),
        data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :],
    ]


@pytest.mark.parametrize("kind", ["arrays", "array", "facts"])
def test_damage_makes_it_none(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "cache"
    content: Any = {"arrays": ARRAYS, "array": ARRAYS["vectors"], "facts": {"a": [1, 0.1, None], "b": "ä"}}[kind]
    write, read = getattr(caches, f"write_{kind}"), getattr(caches, f"read_{kind}")
    assert read(path) is None
    write(path, content)
    found = read(path)
    if kind == "arrays":
        assert found.keys() == content.keys() and all(np.array_equal(found[n], content[n]) for n in content)
    else:
        assert np.array_equal(found, content) if kind == "array" else found == content
    for damaged in damages(path.read_bytes()):
        path.write_bytes(damaged)
        now = read(path)
        assert now is None or (kind == "facts" and now == content)  # JSON may lose its last line end
    write(path, content)
    assert read(path) is not None
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


def test_what_an_earlier_version_wrote_is_made_again(tmp_path: Path) -> None:
    np.savez(tmp_path / "old.npz", **ARRAYS)
    assert caches.read_arrays(tmp_path / "old.npz") is None
    np.save(tmp_path / "old.npy", ARRAYS["vectors"])
    assert caches.read_array(tmp_path / "old.npy") is None


def test_other_tools_read_them_too(tmp_path: Path) -> None:
    caches.write_arrays(tmp_path / "c.npz", ARRAYS)
    with np.load(tmp_path / "c.npz") as saved:
        assert np.array_equal(saved["vectors"], ARRAYS["vectors"])
    caches.write_array(tmp_path / "c.npy", ARRAYS["vectors"])
    assert np.array_equal(np.load(tmp_path / "c.npy"), ARRAYS["vectors"])
