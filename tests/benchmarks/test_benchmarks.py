"""The benchmarks run on a handful of images and print what they promise."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import copies, damage, engines, peers, photos, predictions, scan, show, timed_process
from imageclinic.audit import runner
from tests.conftest import LEARNING, picture

pytestmark = pytest.mark.slow

HOME = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """What ``python -m benchmarks.<module>`` prints. The modules are compiled once for all of them."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(module: str, *arguments: object) -> str:
        command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
        done = subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def size(path: Path) -> tuple[int, int]:
    """Width and height of a picture."""
    with Image.open(path) as image:
        return image.size


def cells(printed: str) -> dict[str, list[str]]:
    """First cell → the others, of all table rows."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line[:1] == "|"]
    return {row[0]: row[1:] for row in rows}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two class folders of 20 unlike JPEGs each, one of them damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    for n in range(40):
        path = folder / "ab"[n % 2] / f"{n:02d}.jpg"
        path.parent.mkdir(exist_ok=True)
        picture(n, (96, 72)).save(path, quality=92)
    path.write_bytes(path.read_bytes()[:900])
    return folder


def test_shares_have_wilson_intervals() -> None:
    assert show.wilson(19, 20) == pytest.approx((0.764, 0.991), abs=1e-3)
    assert show.wilson(0, 0) == (0, 1)
    assert show.share(19, 20) == "19/20 (76–99 %)"


def test_tables_are_markdown_and_hold_no_control_characters() -> None:
    lines = show.table(("a", "bb"), [("x|y\n", 1)]).splitlines()
    assert lines == ["| a        | bb |", "|----------|----|", "| x\\|y\\x0a | 1  |"]


def test_photographs_are_the_same_each_time_and_tell_what_they_show(tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    picture(7, (640, 520)).save(source)
    for out in (tmp_path / "one", tmp_path / "two"):
        crops = [crop for kind in photos.MAKERS for crop in photos.make(out, 3, kind, sources=[source])]
    one, two = (sorted(path for path in (tmp_path / n).rglob("*") if path.is_file()) for n in ("one", "two"))
    assert len(one) == 8
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    for crop in crops:
        left, top, right, bottom = crop.box
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 520
    table = pd.read_csv(tmp_path / "one" / "tiny.csv")
    assert [size(tmp_path / "one" / "tiny" / path) for path in table["path"]] == [(32, 32)] * 3


def test_damage_is_found_by_kind(pictures: Path, run: Callable[..., str]) -> None:
    printed = run("damage", pictures / "a", "--images", 1)
    rows = [line.split("|")[1:-1] for line in printed.splitlines()]
    assert [cell.strip() for cell in rows[0]] == ["format", "damage", "ours", "Pillow", "verify()"]
    assert len(rows) == 2 + len(damage.ENCODINGS) * (1 + len(damage.DAMAGES))
    found = {(row[0].strip(), row[1].strip()): row[2].split()[0] for row in rows[2:]}
    assert {found[name, "intact (false alarms)"] for name in damage.ENCODINGS} == {"0/1"}
    assert found["JPEG", "cut at 50 %"] == "1/1"


def test_scan_compares_with_a_peer_and_the_limit(pictures: Path, run: Callable[..., str]) -> None:
    printed = run("scan", pictures, "--against", "imagehash", "--repeats", 1)
    rows = cells(printed)
    assert printed.startswith("40 files, ")
    assert {name: rows[name][:2] for name in ("ours", scan.ONE, "imagehash", "decode")} == {
        "ours": ["40", "1"],
        scan.ONE: ["1", "0"],
        "imagehash": ["40", "1"],
        "decode": ["40", "1"],
    }
    assert all(float(row[-1]) > 1 for name, row in rows.items() if name in ("ours", "imagehash"))  # MB
    for words in ("ours, seconds: scan ", "ours against imagehash:", "ours against decode:", "command / command: "):
        assert words in printed


def test_scan_measures_a_second_audit(pictures: Path, run: Callable[..., str]) -> None:
    printed = run("scan", pictures, "--again", "--repeats", 1)
    for row in ("imageclinic audit", "audit(), imports done"):
        first, second, ratio = cells(printed)[row]
        assert float(ratio.split(" ")[0]) == pytest.approx(float(first) / float(second), rel=0.3)


def test_scan_reports_medians_and_rates() -> None:
    def measured(command: float, work: float, images: int) -> scan.Measured:
        return scan.Measured(command, work, images, 0, 50_000_000, {"scan": work, "checks": 1.0})

    found = {
        "ours": [measured(6, 4, 400), measured(4, 2, 400), measured(5, 3, 400)],
        scan.ONE: [measured(1, 0.5, 1)] * 3,
        "decode": [measured(3, 2, 400)] * 3,
    }
    printed = scan.report(found)
    assert cells(printed)["ours"] == ["400", "0", "5.00", "80", "3.00", "133", "50"]
    assert "scan 3.00, checks 1.00, the rest (start-up, listing) 1.00" in printed
    assert "command / command: 0.60 × (0.50 to 0.75)" in printed
    assert "command / work: 0.40 × (0.33 to 0.50)" in printed
    assert "scan stage / work: 0.67 × (0.50 to 1.00)" in printed
    assert "command beyond the fixed cost / work: 0.50 × (0.40 to 0.67)" in printed


def test_scan_runs_the_checks_that_need_no_model() -> None:
    names = scan.checks()
    assert {"corrupted", "near_duplicate", "shortcut"} <= set(names)
    assert {name for name in runner.load() if name not in names} == set(LEARNING)


def test_memory_of_the_whole_process_tree_is_measured() -> None:
    child = "import time; held = bytearray(b'x') * 150_000_000; time.sleep(1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print('done')"
    _, memory, output = timed_process.timed([sys.executable, "-c", parent])
    assert 150e6 < memory < 400e6
    assert output == "done\n"


def test_a_failing_command_is_reported() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        timed_process.timed([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_peers_work_on_files(pictures: Path, tmp_path: Path) -> None:
    path = pictures / "a" / "00.jpg"
    with Image.open(path) as image:
        image.save(tmp_path / "same.png")
    assert peers.phash(path) == peers.phash(tmp_path / "same.png")
    assert (peers.phash(path) ^ peers.phash(pictures / "a" / "02.jpg")).bit_count() > 8
    peers.decode(path)
    with pytest.raises(ValueError, match="Premature"):
        peers.decode(pictures / "b" / "39.jpg")


def test_copies_are_planted_once_per_original(pictures: Path, tmp_path: Path) -> None:
    originals = copies.draw(pictures, len(copies.ALTERATIONS))
    planted = copies.plant(originals, tmp_path, copies=5)
    copied = planted.original[len(originals) :]
    assert len(copied) == len(copies.ALTERATIONS) == len(set(copied))
    assert [path.read_bytes() for path in originals] == [p.read_bytes() for p in planted.paths[: len(originals)]]
    sizes = {name: size(p) for p, name in zip(planted.paths, planted.alteration, strict=True) if name}
    assert sizes["resized × 0.5"] == (48, 36)
    assert sizes["cropped 10 %"] == (86, 65)
    assert sizes["turned by 90°"] == (72, 96)
    assert sizes["small logo"] == (96, 72)


@pytest.mark.parametrize("name", copies.ALTERATIONS)
def test_alterations_change_the_picture(name: str) -> None:
    image = picture(3, (64, 48))
    before = image.tobytes()
    altered = copies.ALTERATIONS[name][0](image, np.random.default_rng(0))
    assert (altered.tobytes() != before) == (not name.startswith("re-encoded"))
    assert image.tobytes() == before


def test_equal_files_are_drawn_once(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(name == "c.png").save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    assert len(copies.draw(tmp_path, 10)) == 2


def test_pairs_within_a_radius_are_all_found() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 60, dtype=np.uint64) & np.uint64(0xFFFF)
    pairs, distances = copies.pairs_within(hashes, 4)
    apart = {(i, j): int(hashes[i] ^ hashes[j]).bit_count() for i, j in itertools.combinations(range(60), 2)}
    assert {(i, j): d for (i, j), d in apart.items() if d <= 4} == {
        (int(i), int(j)): int(d) for (i, j), d in zip(pairs, distances, strict=True)
    }


def test_pairs_are_judged_by_their_boxes() -> None:
    boxes = pd.DataFrame(
        {
            "source": ["a", "a", "a", "a", "b"],
            "left": [0, 1, 6, 20, 0],
            "top": 0,
            "right": [10, 11, 16, 30, 10],
            "bottom": 10,
        }
    )
    planted = copies.Planted([], np.array([0, 1, 2, 3, 4, 0]), ["", "", "", "", "", "grey"])
    pairs = np.array([(0, 5), (0, 1), (0, 2), (0, 3), (0, 4), (1, 5)])
    kinds = copies.judged(pairs, planted, boxes)
    expected = [copies.PLANTED, copies.SAME_SCENE, copies.SHARED, copies.STRANGERS, copies.STRANGERS, copies.SAME_SCENE]
    assert kinds.tolist() == expected
    assert copies.right_and_wrong(kinds) == (1, 3)
    assert copies.right_and_wrong(copies.judged(pairs, planted, None)) == (1, 5)


def test_imagehash_gets_the_largest_radius_of_equal_precision() -> None:
    kinds = np.array([copies.PLANTED] * 8 + [copies.STRANGERS, copies.PLANTED, copies.STRANGERS])
    distances = np.array([0, 0, 1, 2, 2, 3, 4, 4, 4, 6, 9])
    assert copies.equal_precision(kinds, distances, 1.0) == (3, True)
    assert copies.equal_precision(kinds, distances, 0.9) == (8, True)
    assert copies.equal_precision(kinds, distances, 0.1) == (copies.MAX_RADIUS, True)
    assert copies.equal_precision(kinds[8:], distances[8:], 0.9) == (6, False)


def test_copies_prints_recall_and_precision(pictures: Path, run: Callable[..., str]) -> None:
    printed = run("copies", pictures, "--images", 30, "--copies", 2)
    rows = cells(printed)
    assert printed.startswith("30 originals and 26 altered copies")
    assert set(copies.ALTERATIONS) | {"recall", "all copies", "precision"} <= set(rows)
    assert [share.split(" ")[0] for share in rows["re-encoded, q=90"]] == ["1/1"] * 3
    assert rows["mirrored"][2].startswith("0/1")


def test_boxes_are_looked_up_by_path(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("path,source,left,top,right,bottom,mirrored\na/1.jpg,a,0,0,9,9,0\na/0.jpg,b,1,1,8,8,1\n")
    boxes = copies.read_boxes(table, tmp_path / "photos", [tmp_path / "photos" / "a" / f"{n}.jpg" for n in range(2)])
    assert boxes["source"].tolist() == ["b", "a"]
    with pytest.raises(KeyError):
        copies.read_boxes(table, tmp_path / "photos", [tmp_path / "photos" / "a" / "2.jpg"])


def test_a_scan_is_measured_with_its_processes(pictures: Path, tmp_path: Path) -> None:
    data = engines.linked(pictures, tmp_path / "data", 70)
    found = engines.measured("local", 1, data, tmp_path / "run")
    assert (found["images"], found["known"], found["killed"]) == (70, 0, 0)
    assert found["processor"] > 0


@pytest.mark.parametrize("what", predictions.WORK)
def test_predictions_are_measured_and_the_same_with_one_worker_and_two(what: str, tmp_path: Path) -> None:
    found = [predictions.measured(tmp_path, what, "local", workers, 5000, 64) for workers in (1, 2)]
    assert found[0]["digest"] == found[1]["digest"]
    assert all(each["processor"] > 0 and each["memory"] > 1 << 20 for each in found)


def test_every_benchmark_is_described() -> None:
    described = (HOME / "benchmarks" / "README.md").read_text(encoding="utf-8")
    scripts = [path for path in (HOME / "benchmarks").glob("*.py") if "def main()" in path.read_text(encoding="utf-8")]
    assert [path.name for path in scripts if f"`{path.name}`" not in described] == []


def test_a_step_that_takes_too_much_memory_is_stopped_and_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.memory", "200000", "--keep", str(tmp_path / "run")]
    done = subprocess.run([*command, "--steps", "without thumbnails", "--most", "0.1"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "without thumbnails: status 1" in done.stderr and "--most is 0.1" in done.stderr


def test_memory_of_a_small_made_up_run_is_measured_to_its_export(tmp_path: Path) -> None:
    steps = ["without thumbnails", "made-up copies", "checks", "decide", "review", "export", "diff"]
    command = [sys.executable, "-m", "benchmarks.memory", "2000", "--labels", "5", "--keep", str(tmp_path / "run")]
    done = subprocess.run([*command, "--steps", *steps], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows[1:] == steps
    assert "0 differences" in done.stdout
