from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audit import scan, source, tables
from audit.run import create
from tests.conftest import picture

ROOT = Path(__file__).resolve().parents[1]


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def measure(tmp_path: Path, data: bytes, name: str = "x.jpg") -> dict:
    path = tmp_path / name
    path.write_bytes(data)
    return scan.measure([str(path)])[0]


@pytest.mark.parametrize("orientation", range(8))
def test_hashes_are_imagehash_phash_in_every_orientation(tmp_path, orientation: int) -> None:
    image = picture(3, (60, 60))
    row = measure(tmp_path, _png(image), "x.png")
    turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if orientation >= 4 else image
    for _ in range(orientation % 4):
        turned = turned.transpose(Image.Transpose.ROTATE_90)
    expected = int(str(imagehash.phash(turned)), 16)
    assert row[f"phash_{tables.ORIENTATIONS[orientation]}"] == expected


def test_pinned_hash(tmp_path) -> None:
    """A change of libraries that moves hashes must show: runs made before would no longer agree."""
    y, x = np.mgrid[0:64, 0:64]
    pattern = (np.sin(x / 5) * 60 + np.cos(y * x / 200) * 50 + y + 60).clip(0, 255).astype(np.uint8)
    assert f"{measure(tmp_path, _png(Image.fromarray(pattern)), 'x.png')['phash_identity']:016x}" == "fa61c78c92b4a95a"


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


GOOD = jpeg(picture(1, (200, 150)))


@pytest.mark.parametrize(
    ("data", "name", "error"),
    [
        (b"", "x.jpg", "empty file"),
        (b"\0" * 5000, "x.jpg", "not an image: zeros only"),
        (b"<html></html>", "x.jpg", "not an image: begins with"),
        (GOOD[:10], "x.jpg", "damaged header"),
        (GOOD[: len(GOOD) // 2], "x.jpg", "truncated"),
        (GOOD[:-2], "x.jpg", "truncated"),
        (GOOD[:3000] + b"\0" * 500 + GOOD[3500:], "x.jpg", "damaged stream"),
        (_png(picture(1))[:-200], "x.png", "truncated"),
        (b"\x89PNG\r\n\x1a\n" + b"junk" * 9, "x.png", "truncated"),
    ],
)
def test_damage_is_told(tmp_path, data: bytes, name: str, error: str) -> None:
    row = measure(tmp_path, data, name)
    assert row["read_error"].startswith(error)
    assert row["bytes"] == len(data)
    assert row["sha256"]
    assert "phash_identity" not in row


def test_missing_file_is_told() -> None:
    assert scan.measure(["/nowhere/x.jpg"])[0]["read_error"] == "file is missing"


def test_bomb_is_not_decoded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(scan, "MAX_PIXELS", 1000)
    assert measure(tmp_path, GOOD)["read_error"].startswith("too large: 200×150 pixels")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "I"])
def test_every_mode_gives_features(tmp_path, mode: str) -> None:
    image = picture(2, (80, 80))
    if mode in ("I;16", "F", "I"):
        values = np.asarray(image.convert("L"), dtype=np.float32)
        array = {"I;16": (values * 257).astype(np.uint16), "F": values, "I": values.astype(np.int32)}[mode]
        image = Image.fromarray(array)
    else:
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    row = measure(tmp_path, buffer.getvalue(), "x.tiff")
    assert row["read_error"] is None
    grey = measure(tmp_path, _png(picture(2, (80, 80)).convert("L")), "x.png")
    if mode not in ("1", "P", "CMYK"):
        assert (row["phash_identity"] ^ grey["phash_identity"]).bit_count() <= 2


def test_statistics_mean_what_they_say(tmp_path) -> None:
    black = measure(tmp_path, _png(Image.new("RGB", (50, 50), "black")), "b.png")
    assert black["luminance_p99"] == black["entropy"] == black["contrast"] == black["sharpness"] == black["colour"] == 0
    white = measure(tmp_path, _png(Image.new("L", (50, 50), 255)), "w.png")
    assert white["luminance_p05"] == pytest.approx(1, abs=0.01)
    red = measure(tmp_path, _png(Image.new("RGB", (50, 50), "red")), "r.png")
    assert red["colour"] == 1
    sharp = measure(tmp_path, _png(picture(5, (64, 64))), "s.png")
    soft = picture(5, (64, 64)).resize((8, 8)).resize((64, 64), Image.Resampling.BICUBIC)
    assert measure(tmp_path, _png(soft), "t.png")["sharpness"] < sharp["sharpness"] / 10


def test_scan_reuses_unchanged_files(folder: Path, tmp_path, monkeypatch) -> None:
    run, listing = create(tmp_path / "run"), source.load(folder)
    dataset, features = scan.scan(run, listing.images, listing.root)
    assert len(dataset) == len(features) == 16
    (folder / "cat" / "3.png").write_bytes(b"broken")
    seen: list[str] = []
    batches = scan._measure_batches

    def spy(todo, *rest):
        seen.extend(i for batch in todo for i in batch)
        return batches(todo, *rest)

    monkeypatch.setattr(scan, "_measure_batches", spy)
    again, fewer = scan.scan(run, listing.images, listing.root)
    assert seen == ["cat/3.png"], "only the changed file is read"
    assert len(fewer) == 15
    assert again.set_index("image_id")["read_error"].notna().sum() == 1


def test_a_file_that_kills_its_worker_is_reported(folder: Path, tmp_path, monkeypatch) -> None:
    """The worker dies by SIGKILL while it measures one file: as after a segmentation fault, nothing is caught."""
    monkeypatch.setattr(scan, "measure", _measure_or_die)
    run, listing = create(tmp_path / "run"), source.load(folder)
    dataset, features = scan.scan(run, listing.images, listing.root, workers=2)
    errors = dataset.set_index("image_id")["read_error"].dropna()
    assert errors.to_dict() == {"dog/5.png": "crashes the decoder"}
    assert len(features) == 15


def _measure_or_die(paths: list[str]) -> list[dict]:
    if any(p.endswith("dog/5.png") for p in paths):
        os.kill(os.getpid(), signal.SIGKILL)
    return [scan._measure_file(path) for path in paths]


SCRIPT = """
import sys
from pathlib import Path
from audit import scan, source
from audit.run import create
if __name__ == "__main__":
    scan.BATCH = 4
    listing = source.load(Path(sys.argv[1]))
    print("go", flush=True)
    scan.scan(create(Path(sys.argv[2])), listing.images, listing.root, workers=1)
    print("end", flush=True)
"""


def test_a_killed_scan_resumes_to_the_same_tables(tmp_path) -> None:
    root = tmp_path / "data"
    for label in "ab":
        (root / label).mkdir(parents=True)
        for n in range(100):
            (root / label / f"{n:03}.jpg").write_bytes(jpeg(picture(n, (400, 300))))
    script = tmp_path / "scan.py"
    script.write_text(SCRIPT)

    def start(run: str) -> subprocess.Popen:
        command = [sys.executable, str(script), str(root), str(tmp_path / run)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}
        )

    shards = 0
    for _ in range(3):
        process = start("killed")
        assert process.stdout is not None
        process.stdout.readline()
        before = len(list((tmp_path / "killed" / "shards").glob("*.parquet")))
        while process.poll() is None and len(list((tmp_path / "killed" / "shards").glob("*.parquet"))) < before + 3:
            time.sleep(0.01)
        process.kill()
        process.wait()
        process.stdout.close()
        shards = len(list((tmp_path / "killed" / "shards").glob("*.parquet")))
    assert 0 < shards < 50, "it was killed in the middle"
    for run in ("killed", "whole"):
        process = start(run)
        output, _ = process.communicate()
        assert output.split() == ["go", "end"]
    for table in (tables.DATASET, tables.FEATURES):
        one, two = (tmp_path / run / table.file for run in ("killed", "whole"))
        assert one.read_bytes() == two.read_bytes()
    pd.testing.assert_frame_equal(
        *(tables.read_vectors(tmp_path / run / "thumbnails.parquet", "thumbnail")[0] for run in ("killed", "whole"))
    )
