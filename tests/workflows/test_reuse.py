"""A second audit of the same does nothing again; of anything else, it does."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import imageclinic
from imageclinic.workflows.steps import result_keys

pytestmark = pytest.mark.slow

CHECKS = ("corrupted", "exact_duplicate", "dark", "class_imbalance")


def audit(folder: Path, out: Path, **options) -> tuple[bool, imageclinic.workflows.audit.Audit]:
    lines: list[str] = []
    result = imageclinic.audit(folder, out, say=lines.append, **{"checks": CHECKS, **options})
    return "nothing has changed since the last audit: these are its results" in lines, result


def test_the_same_again_is_answered_from_the_run(folder: Path, tmp_path) -> None:
    out = tmp_path / "run"
    reused, first = audit(folder, out)
    assert not reused
    written = {p.name: p.stat().st_mtime_ns for p in out.glob("*.parquet")}
    reused, second = audit(folder, out)
    assert reused
    pd.testing.assert_frame_equal(first.issues, second.issues)
    pd.testing.assert_frame_equal(first.outcomes, second.outcomes)
    assert written.items() >= {p.name: p.stat().st_mtime_ns for p in out.glob("*.parquet")}.items() - {
        ("dataset.parquet", (out / "dataset.parquet").stat().st_mtime_ns)
    }


@pytest.mark.parametrize("change", ["label", "bytes", "option", "check", "seed"])
def test_what_results_depend_on_makes_them_again(folder: Path, tmp_path, change: str) -> None:
    out = tmp_path / "run"
    audit(folder, out)
    options: dict = {}
    if change == "label":
        (folder / "cat" / "1.png").rename(folder / "dog" / "11.png")
    elif change == "bytes":
        (folder / "cat" / "1.png").write_bytes(b"")
    elif change == "option":
        darkest = pd.read_parquet(out / "features.parquet")["luminance_p99"].min()
        options["options"] = [f"dark.threshold={darkest + 0.001}"]
    elif change == "check":
        options["checks"] = (*CHECKS, "bright")
    elif change == "seed":
        options["seed"] = 1
    reused, result = audit(folder, out, **options)
    assert not reused
    found = set(result.issues["check"])
    assert ("corrupted" in found) == (change == "bytes")
    assert ("dark" in found) == (change == "option")


def test_keys_tell_frames_apart() -> None:
    frame = pd.DataFrame({"image_id": ["a", "b"], "sha256": ["1", "2"], "label": ["x", None]})
    same = result_keys.key(frame)
    assert result_keys.key(frame.copy()) == same
    others = [
        frame.assign(label=["x", "y"]),
        frame.assign(sha256=["2", "1"]),
        frame.iloc[::-1],
        frame[["image_id", "label"]],
    ]
    assert len({same, *map(result_keys.key, others)}) == 5


@pytest.mark.parametrize("name", ["neighbors.parquet", "clusters.parquet"])
def test_a_missing_table_is_made_again(folder: Path, tmp_path, name: str) -> None:
    out = tmp_path / "run"
    audit(folder, out)
    before = pd.read_parquet(out / name)
    (out / name).unlink()
    reused, _ = audit(folder, out)
    assert not reused
    pd.testing.assert_frame_equal(pd.read_parquet(out / name), before)
