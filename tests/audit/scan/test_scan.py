from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import scan
from imageclinic.audit.scan.measure import measure as measure_files
from imageclinic.audit.scan.worker import POSITION
from imageclinic.core import tables
from imageclinic.core.run import create
from tests.conftest import picture

ROOT = Path(__file__).resolve().parents[3]


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def measure(tmp_path: Path, data: bytes, name: str = "x.jpg") -> dict:
    path = tmp_path / name
    path.write_bytes(data)
    return measure_files([str(path)]).to_pylist()[0]


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
        (GOOD[:10], "x.jpg", "header only"),
        (GOOD[: GOOD.index(b"\xff\xda")], "x.jpg", "header only"),
        (GOOD[: len(GOOD) // 2], "x.jpg", "truncated"),
        (GOOD[:-2], "x.jpg", "truncated"),
        (GOOD[:3000] + b"\0" * 500 + GOOD[3500:], "x.jpg", "damaged stream"),
        (_png(picture(1))[:-200], "x.png", "truncated"),
        (b"\x89PNG\r\n\x1a\n" + b"junk" * 9, "x.png", "header only"),
    ],
)
def test_damage_is_reported(tmp_path, data: bytes, name: str, error: str) -> None:
    row = measure(tmp_path, data, name)
    assert row["read_error"].startswith(error)
    assert row["bytes"] == len(data)
    assert row["sha256"]
    assert row["phash_identity"] is None


def test_missing_file_is_reported() -> None:
    assert measure_files(["/nowhere/x.jpg"]).to_pylist()[0]["read_error"] == "file is missing"


def test_bomb_is_not_decoded(tmp_path) -> None:
    for name, data in (("x.jpg", GOOD), ("x.png", _png(picture(1, (200, 150))))):
        (tmp_path / name).write_bytes(data)
        row = measure_files([str(tmp_path / name)], max_pixels=1000).to_pylist()[0]
        assert row["read_error"] == "too large: 200×150 pixels; the limit is 1,000"
        assert (row["width"], row["height"]) == (200, 150)


def test_a_pipe_is_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    assert measure_files([str(tmp_path / "x.jpg")]).to_pylist()[0]["read_error"] == "can't be read: no regular file"


def test_exif_is_reported_and_not_applied(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "Acme", "Cam 1\0"
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        buffer = io.BytesIO()
        picture(1, (90, 70)).save(buffer, kind, exif=exif)
        row = measure(tmp_path, buffer.getvalue())
        turned = kind == "TIFF"  # by Pillow, so by Keras too
        assert (row["exif_orientation"], row["camera"]) == (None if turned else 6, "Acme Cam 1")
        assert (row["width"], row["height"]) == ((70, 90) if turned else (90, 70))
    broken = GOOD[:2] + b"\xff\xe1\x00\x10Exif\0\0MM\0\x2a\xff\xff\xff\xff" + GOOD[2:]
    assert measure(tmp_path, broken)["exif_orientation"] is None
    assert measure(tmp_path, broken)["read_error"] is None


def test_frames_are_counted_and_the_first_is_judged(tmp_path) -> None:
    first, second = picture(1, (80, 80)), picture(2, (80, 80))
    alone = measure(tmp_path, _png(first))
    for kind in ("TIFF", "PNG", "GIF", "WEBP"):
        buffer = io.BytesIO()
        first.save(
            buffer, kind, save_all=True, append_images=[second], **({"lossless": True} if kind == "WEBP" else {})
        )
        row = measure(tmp_path, buffer.getvalue())
        assert row["frames"] == 2
        assert (row["phash_identity"] ^ alone["phash_identity"]).bit_count() <= 6  # GIF has but 256 colours
    assert alone["frames"] == 1


@pytest.mark.parametrize("size", [(40, 40), (90, 61), (500, 375), (1200, 900)])
def test_the_same_picture_in_another_format_or_size_scores_the_same(tmp_path, size: tuple[int, int]) -> None:
    image = Image.open(io.BytesIO(jpeg(picture(7, size).resize(size), 95)))
    reference = measure(tmp_path, jpeg(picture(7, size), 95))
    forms = {}
    for kind in ("PNG", "BMP", "TIFF", "PPM", "WEBP"):
        buffer = io.BytesIO()
        image.save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
        forms[kind] = measure(tmp_path, buffer.getvalue())
    forms["half"] = measure(tmp_path, _png(image.resize((size[0] // 2, size[1] // 2), Image.Resampling.LANCZOS)))
    for kind, row in forms.items():
        assert (row["phash_identity"] ^ reference["phash_identity"]).bit_count() <= 2, kind
        for column in ("luminance_mean", "luminance_p05", "luminance_p99", "contrast", "colour"):
            assert row[column] == pytest.approx(reference[column], abs=0.06), (kind, column)
    assert len({row["pixel_hash"] for kind, row in forms.items() if kind != "half"}) == 1


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


@pytest.mark.slow
def test_scan_reads_only_what_has_changed(folder: Path, tmp_path) -> None:
    run, listing = create(tmp_path / "run"), image_listing.load(folder)
    dataset, features = scan.scan(run, listing.images, listing.root)
    assert len(dataset) == len(features) == 16
    reads: list[int] = []

    def again(**options) -> tuple[pd.DataFrame, pd.DataFrame]:
        reads.clear()
        listing = image_listing.load(folder)
        return scan.scan(run, listing.images, listing.root, progress=lambda done, _: reads.append(done), **options)

    same, same_features = again()
    assert reads == [16], "nothing is read"
    pd.testing.assert_frame_equal(same, dataset)
    pd.testing.assert_frame_equal(same_features, features)
    (folder / "cat" / "3.png").write_bytes(b"broken")
    (folder / "cat" / "4.png").unlink()
    (folder / "cat" / "new.png").write_bytes(_png(picture(99)))
    changed, fewer = again()
    assert reads[0] == 14
    assert reads[-1] == 16
    assert changed.set_index("image_id")["read_error"].notna().sum() == 1
    assert scan.changes(dataset, changed) == "files since the last audit of this run: 1 added, 1 removed, 1 changed"
    assert scan.changes(changed, changed) is None
    fresh = create(tmp_path / "fresh")
    expected, expected_features = scan.scan(fresh, image_listing.load(folder).images, folder)
    pd.testing.assert_frame_equal(changed, expected)
    pd.testing.assert_frame_equal(fewer, expected_features)
    for one, two in zip(run.read_thumbnails(), fresh.read_thumbnails(), strict=True):
        assert np.array_equal(one, two)


@pytest.mark.slow
def test_rehash_reads_content(folder: Path, tmp_path) -> None:
    run, listing = create(tmp_path / "run"), image_listing.load(folder)
    scan.scan(run, listing.images, listing.root)
    target, touched = folder / "cat" / "3.png", folder / "dog" / "1.png"
    status = target.stat()
    data = bytearray(target.read_bytes())
    data[-20] ^= 255
    target.write_bytes(data)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.utime(touched)
    reads: list[int] = []
    dataset, _ = scan.scan(run, listing.images, listing.root, rehash=True, progress=lambda done, _: reads.append(done))
    assert reads[0] == 15, "same size and time, but other bytes"
    assert dataset["read_error"].notna().sum() == 1
    assert dataset.set_index("image_id")["mtime_ns"]["dog/1.png"] == touched.stat().st_mtime_ns


@pytest.mark.slow
@pytest.mark.parametrize("tries", [0, 1])
def test_a_picture_that_needs_too_much_memory_costs_that_picture(tmp_path, tries: int) -> None:
    """Among others it has no row yet, and is named; alone it is the second try, and gets its row."""
    Image.new("RGB", (12000, 12000)).save(tmp_path / "big.png", compress_level=1)
    picture(1).save(tmp_path / "small.png")
    job = {"root": str(tmp_path), "ids": ["big.png", "small.png"], "paths": ["big.png", "small.png"]}
    job |= {"shard": str(tmp_path / "out.arrow"), "max_pixels": scan.MAX_PIXELS, "verdicts": {}, "tries": tries}
    (tmp_path / "beat").write_bytes(POSITION.pack(-1, False))
    settings = {"beat": str(tmp_path / "beat"), "memory": 300 << 20}
    done = subprocess.run(
        [sys.executable, "-m", "imageclinic.audit.scan.worker", str(os.getpid())],
        input="".join(json.dumps(line) + "\n" for line in (settings, job)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    table = pa.ipc.open_file(pa.memory_map(str(tmp_path / "out.arrow"))).read_all()
    rows = dict(zip(table["image_id"].to_pylist(), table["read_error"].to_pylist(), strict=True))
    if tries:
        reason = "too large: 12000×12000 pixels need more memory than there is, in 2 of 2 tries"
        assert (json.loads(done.stdout), rows) == ({}, {"big.png": reason, "small.png": None})
    else:
        assert (json.loads(done.stdout), rows) == ({"without_memory": [0]}, {"small.png": None})


@pytest.mark.slow
def test_a_full_disk_is_reported_and_the_scan_goes_on_later(folder: Path, tmp_path) -> None:
    script = tmp_path / "limited.py"
    script.write_text(SCRIPT.replace("scan.BATCH = 4", "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))"))
    command = [sys.executable, str(script), str(folder), str(tmp_path / "run")]
    failed = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert "File too large" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("imageclinic.core.errors.InputError: can't write to ")
    run, listing = create(tmp_path / "run"), image_listing.load(folder)
    assert len(scan.scan(run, listing.images, listing.root)[1]) == 16


SCRIPT = """
import resource
import sys
from pathlib import Path
from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import scan
from imageclinic.core.run import create
if __name__ == "__main__":
    scan.BATCH = 4
    listing = image_listing.load(Path(sys.argv[1]))
    print("go", flush=True)
    scan.scan(create(Path(sys.argv[2])), listing.images, listing.root, workers=1)
    print("end", flush=True)
"""


@pytest.mark.slow
def test_a_scan_killed_at_random_moments_resumes_to_the_same_tables(tmp_path) -> None:
    root = tmp_path / "data"
    for label in "ab":
        (root / label).mkdir(parents=True)
        for n in range(80):
            (root / label / f"{n:03}.jpg").write_bytes(jpeg(picture(n, (400, 300))))
    script = tmp_path / "scan.py"
    script.write_text(SCRIPT)
    rng = random.Random(0)

    def start(run: str) -> subprocess.Popen:
        command = [sys.executable, str(script), str(root), str(tmp_path / run)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})

    whole = start("whole")
    assert whole.communicate()[0].split() == ["go", "end"]
    kept, finished = [], False
    shards = tmp_path / "killed" / "shards"
    while not finished and len(kept) < 8:
        process = start("killed")
        assert process.stdout is not None
        process.stdout.readline()
        before = len(list(shards.glob("*.arrow")))
        # It has done something new, and is somewhere in the middle of something else.
        while process.poll() is None and len(list(shards.glob("*.arrow"))) <= before:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        finished = "end" in process.stdout.read()
        process.wait()
        process.stdout.close()
        kept.append(len(list(shards.glob("*.arrow"))))
    assert len([n for n in kept if n]) > 1, "it was killed in the middle, more than once"
    last = start("killed")
    assert last.communicate()[0].split() == ["go", "end"]
    for name in (tables.DATASET.file, tables.FEATURES.file, "thumbnails.parquet"):
        one, two = (tmp_path / run / name for run in ("killed", "whole"))
        assert one.read_bytes() == two.read_bytes(), name


@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_goes_on(tmp_path) -> None:
    root = tmp_path / "data"
    large = jpeg(picture(0, (900, 700)))
    for label in "ab":
        (root / label).mkdir(parents=True)
        for n in range(150):
            (root / label / f"{n:03}.jpg").write_bytes(large)
    command = [sys.executable, "-m", "imageclinic", "audit", str(root), "--out", str(tmp_path / "run")]
    command += ["--checks", "dark", "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    shards = tmp_path / "run" / "shards"
    while not list(shards.glob("*.arrow")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "What is done is kept: run the same command again to go on." in errors
    assert list(shards.glob("*.arrow"))
    assert not list(shards.glob(".worker-*")), "no worker is left"
    done: list[int] = []
    listing = image_listing.load(root)
    scan.scan(create(tmp_path / "run"), listing.images, root, progress=lambda at, _: done.append(at))
    assert 0 < done[0] < 300
    assert done[-1] == 300
