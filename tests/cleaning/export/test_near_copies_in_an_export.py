"""Near copies tie images in the split, unless a person kept them, or it was asked for; and gaps stop an export."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

import imageclinic
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from tests.conftest import LEARNING

pytestmark = pytest.mark.slow

SPLIT = (0.5, 0.25, 0.25)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 views of one scene, each shifted by a few pixels: all near copies, 6 of each class."""
    root = tmp_path_factory.mktemp("near")
    scene = Image.fromarray(load_sample_image("china.jpg")).resize((220, 147))
    for n in range(12):
        x, y = n % 4, n // 4
        file = root / "parts" / ("good", "scratched")[n % 2] / f"{n:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        scene.crop((x, y, x + 200, y + 133)).save(file)
    found = imageclinic.audit(root / "parts", root / "run", skip=LEARNING).run
    assert found.read(tables.CLUSTERS)["split_group"].nunique() == 1
    return found.path


def parts(out: Path) -> set[str]:
    return set(tables.read_csv(out / "manifest.csv", tables.MANIFEST)["split"])


def test_an_empty_split_is_an_error_before_anything_is_written(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?i)val is empty; test is empty.* has 12 of 12 images"):
        imageclinic.export(run, tmp_path / "out", split=SPLIT)
    assert not list(tmp_path.iterdir())
    summary = imageclinic.export(run, tmp_path / "out", split=SPLIT, allow_incomplete=True)
    assert all(proof["ok"] for proof in summary["proofs"])
    assert parts(tmp_path / "out") == {"train"}
    imageclinic.export(run, tmp_path / "train-only", split=(1, 0, 0))


def test_near_copies_may_be_divided_when_asked(run: Path, tmp_path: Path) -> None:
    summary = imageclinic.export(run, tmp_path / "out", split=SPLIT, near_copies="apart")
    assert parts(tmp_path / "out") == set(tables.SPLITS)
    assert any("as asked" in note for note in summary["notes"])
    proofs = imageclinic.verify(tmp_path / "out").set_index("name")
    assert proofs["ok"].all()
    assert "in two splits: as asked" in proofs.at["copies", "detail"]
    assert "--near-copies apart" in (tmp_path / "out" / "DATASET.md").read_text("utf-8")
    with pytest.raises(InputError, match="near-copies 'off'"):
        imageclinic.export(run, tmp_path / "other", near_copies="off")


def test_copies_that_a_person_keeps_no_longer_tie_images(run: Path, tmp_path: Path) -> None:
    images = sorted(p.relative_to(run.parent / "parts").as_posix() for p in (run.parent / "parts").rglob("*.png"))
    pd.DataFrame({"image_id": images, "decision": "keep"}).to_csv(tmp_path / "keep.csv", index=False)
    imageclinic.decide(run, source=tmp_path / "keep.csv", reviewer="ada")
    try:
        summary = imageclinic.export(run, tmp_path / "out", split=SPLIT)
        assert parts(tmp_path / "out") == set(tables.SPLITS)
        assert any("a person decided to keep both" in note for note in summary["notes"])
        proofs = imageclinic.verify(tmp_path / "out").set_index("name")
        assert proofs["ok"].all()
        assert "a person kept both" in proofs.at["copies", "detail"]
    finally:
        imageclinic.decide(run, undo=True, reviewer="ada")
    with pytest.raises(InputError, match="is empty"):
        imageclinic.export(run, tmp_path / "undone", split=SPLIT)
