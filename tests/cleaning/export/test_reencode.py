"""Images that Keras can't read are re-encoded on demand; damaged ones only when somebody decided to keep them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import imageclinic
from imageclinic.cleaning.export import encode_images
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from tests.conftest import LEARNING, picture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of PNG files; and TIFF, WebP, 16 bit, and two cut JPEGs."""
    root = tmp_path_factory.mktemp("reencode") / "pets"
    for n in range(24):
        path = root / ("cat" if n % 2 else "dog") / f"{n:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(n, (64, 64)).save(path)
    picture(30, (64, 64)).save(root / "cat" / "scan.tif")
    picture(31, (64, 64)).save(root / "cat" / "web.webp", lossless=True)
    deep = np.asarray(picture(32, (64, 64)).convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(root / "dog" / "deep.png")
    for n, name in ((33, "kept.jpg"), (34, "cut.jpg")):
        picture(n, (64, 64)).save(root / "dog" / name)
        content = (root / "dog" / name).read_bytes()
        (root / "dog" / name).write_bytes(content[: len(content) * 2 // 3])
    return root


@pytest.fixture(scope="module")
def run(root: Path) -> Path:
    run = imageclinic.audit(root, root.parent / "run", skip=LEARNING).run.path
    decisions = root.parent / "decisions.csv"
    pd.DataFrame([{"image_id": "dog/kept.jpg", "decision": "keep"}]).to_csv(decisions, index=False)
    imageclinic.decide(run, source=decisions, reviewer="ann")
    return run


def test_without_it_they_are_reported(run: Path, root: Path) -> None:
    summary = imageclinic.export(run, root.parent / "plain", split=(0.6, 0.2, 0.2))
    [note] = [note for note in summary["notes"] if "--reencode" in note]
    assert note.startswith("Keras's folder loader stops at, skips or misreads 3 images (cat/scan.tif: TIFF")
    manifest = tables.read_csv(root.parent / "plain" / "manifest.csv", tables.MANIFEST)
    assert len(manifest) == 27
    assert manifest["original_sha256"].isna().all()


def test_keras_reads_all_and_the_manifest_keeps_the_originals(
    run: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*.*")}
    out = root.parent / "out"
    summary = imageclinic.export(run, out, reencode="png", link="hardlink", split=(0.6, 0.2, 0.2))
    assert all(proof["ok"] for proof in summary["proofs"])
    assert summary["changes"] == {"encoded": 4, "unreadable": 1}
    manifest = tables.read_csv(out / "manifest.csv", tables.MANIFEST).set_index("image_id")
    assert len(manifest) == 28, "what nobody decided to keep stays away"
    for name in ("cat/scan.tif", "cat/web.webp", "dog/deep.png", "dog/kept.jpg"):
        row = manifest.loc[name]
        assert row["original_sha256"] == hashlib.sha256((root / name).read_bytes()).hexdigest() != row["sha256"]
        assert row["path"].endswith(".png")
    for name, n in (("cat/scan.tif", 30), ("cat/web.webp", 31)):
        with Image.open(out / manifest.at[name, "path"]) as image:
            assert (np.asarray(image) == np.asarray(picture(n, (64, 64)))).all()
    with Image.open(out / manifest.at["dog/deep.png", "path"]) as image:
        assert (np.asarray(image) == np.asarray(picture(32, (64, 64)).convert("L"))).all()
    with Image.open(out / manifest.at["dog/kept.jpg", "path"]) as image:
        whole = np.asarray(picture(33, (64, 64)), np.float64)
        assert np.abs(np.asarray(image, np.float64) - whole)[:16].mean() < 12, "its upper part is there"
    assert (out / manifest.at["cat/01.png", "path"]).samefile(root / "cat" / "01.png")
    assert "### Re-encoded" in (out / "DATASET.md").read_text("utf-8")
    monkeypatch.chdir(out)
    seen = [keras.utils.image_dataset_from_directory(s, image_size=(8, 8), verbose=False) for s in tables.SPLITS]
    assert sum(len(y) for part in seen for _, y in part) == 28
    assert {path: path.read_bytes() for path in root.rglob("*.*")} == before


def test_nothing_to_encode(folder: Path, tmp_path: Path) -> None:
    run = imageclinic.audit(folder, tmp_path / "run", skip=LEARNING).run.path
    for kind in ("png", "jpeg"):
        summary = imageclinic.export(run, tmp_path / kind, reencode=kind)
        manifest = tables.read_csv(tmp_path / kind / "manifest.csv", tables.MANIFEST)
        assert all(proof["ok"] for proof in summary["proofs"]) and manifest["original_sha256"].isna().all()


def test_the_same_again_gives_the_same_bytes(run: Path, root: Path, tmp_path: Path) -> None:
    sources = {name: root / name for name in ("cat/scan.tif", "dog/deep.png", "dog/kept.jpg")}
    for kind in ("png", "jpeg"):
        found = []
        for number in range(2):
            folder = tmp_path / f"{kind}{number}"
            folder.mkdir()
            found.append(encode_images.encode(sources, kind, folder, lambda done, total: None))
        assert found[0]["sha256"].tolist() == found[1]["sha256"].tolist()
        assert len(found[0]) == 3


def test_what_is_no_image_is_left_out_and_wrong_options_are_reported(run: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "to").mkdir()
    found = encode_images.encode({"a": tmp_path / "text.jpg"}, "png", tmp_path / "to", lambda done, total: None)
    assert len(found) == 0
    with pytest.raises(InputError, match="none, png, jpeg"):
        imageclinic.export(run, tmp_path / "out", reencode="gif")
    with pytest.raises(InputError, match="format that holds images"):
        imageclinic.export(run, tmp_path / "out", reencode="png", format="manifest")


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [("RGBA", (255, 0, 0, 0), (255, 255, 255)), ("1", 1, 255), ("CMYK", (0, 0, 0, 255), (0, 0, 0)), ("F", 0.5, 128),
     ("I", 65535, 255), ("I;16", 128, 128)],
)  # fmt: skip
def test_eight_bits(mode: str, value: object, expected: object, tmp_path: Path) -> None:
    Image.new(mode, (4, 4), value).save(tmp_path / "a.tif")  # type: ignore[arg-type]
    (tmp_path / "to").mkdir()
    found = encode_images.encode({"a": tmp_path / "a.tif"}, "png", tmp_path / "to", lambda done, total: None)
    with Image.open(found["file"][0]) as image:
        assert image.getpixel((0, 0)) == expected
