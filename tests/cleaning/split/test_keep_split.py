"""A later export keeps the splits of an earlier one, whatever was added, renamed or decided in between."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import imageclinic
from imageclinic.cleaning.split import stratified_split
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from tests.conftest import LEARNING, picture

pytestmark = pytest.mark.slow


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """40 pictures of two classes."""
    for n in range(40):
        folder = tmp_path / "pets" / ("cat" if n % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        picture(n).save(folder / f"{n:02}.png")
    return tmp_path / "pets"


def exported(pets: Path, name: str, **options: object) -> pd.DataFrame:
    """The manifest of an export of an audit of its own, as a new user of the same images would make it."""
    run = imageclinic.audit(pets, pets.parent / f"run-{name}", skip=LEARNING, seed=len(name)).run.path
    out = pets.parent / name
    summary = imageclinic.export(run, out, split=(0.6, 0.2, 0.2), **options)
    assert all(proof["ok"] for proof in summary["proofs"])
    return tables.read_csv(out / "manifest.csv", tables.MANIFEST).set_index("image_id")


def test_old_images_stay_and_new_ones_are_divided(pets: Path) -> None:
    old = exported(pets, "old")
    for n in range(40, 80):
        picture(n).save(pets / ("cat" if n % 2 else "dog") / f"{n}.png")
    (pets / "cat" / "01.png").rename(pets / "cat" / "renamed.png")
    free = exported(pets, "free-of-it")
    new = exported(pets, "new", keep_split=pets.parent / "old")
    both = old.index.intersection(new.index)
    assert len(both) == 39
    assert (new.loc[both, "split"] == old.loc[both, "split"]).all()
    assert (free.loc[both, "split"] != old.loc[both, "split"]).any(), "another seed divides otherwise"
    assert new.at["cat/renamed.png", "split"] == old.at["cat/01.png", "split"]
    added = new.loc[~new.index.isin(old.index), "split"]
    assert set(added) == {"train", "val", "test"}
    assert "--keep-split" in (pets.parent / "new" / "DATASET.md").read_text("utf-8")


def test_a_new_copy_of_images_in_two_splits_is_reported(pets: Path) -> None:
    old = exported(pets, "old")
    one, other = (old.index[(old["split"] == s) & (old["label"] == "cat")][0] for s in ("train", "test"))
    table = pd.DataFrame({"path": [*old.index, "cat/new.png"], "label": [*old["label"], "cat"], "group": None})
    shutil.copy(pets / "cat" / "39.png", pets / "cat" / "new.png")
    # The same animal, as only the new photograph shows.
    table["group"] = table["path"].where(~table["path"].isin([one, other, "cat/new.png"]), "Tom")
    run = imageclinic.audit(table, pets.parent / "run-new", root=pets, skip=LEARNING).run.path
    summary = imageclinic.export(run, pets.parent / "new", keep_split=pets.parent / "old" / "manifest.csv")
    new = tables.read_csv(pets.parent / "new" / "manifest.csv", tables.MANIFEST).set_index("image_id")
    assert set(new.loc[[one, other, "cat/new.png"], "split"]) == {"test"}
    assert any(note.startswith(f"{one} was in train and is now in test") for note in summary["notes"])
    assert all(proof["ok"] for proof in summary["proofs"])


def test_a_manifest_of_other_images_is_refused(pets: Path) -> None:
    old = exported(pets, "old")
    other = pets.parent / "other.csv"
    shifted = old.reset_index().assign(image_id=lambda t: "x" + t["image_id"], sha256=lambda t: "x" + t["sha256"])
    tables.write_csv(other, shifted, tables.MANIFEST)
    with pytest.raises(InputError, match=r"no image of this run is in .*other\.csv"):
        exported(pets, "new", keep_split=other)
    assert not (pets.parent / "new").exists()


def test_content_in_two_splits_goes_by_name() -> None:
    manifest = tables.frame(
        tables.MANIFEST,
        image_id=["a", "b", "c"],
        path=["train/x/a", "test/x/b", "val/x/c"],
        label="x",
        original_label="x",
        split=["train", "test", "val"],
        split_group=["a", "b", "c"],
        sha256=["same", "same", "c"],
        decision=None,
    )
    table = pd.DataFrame({"image_id": ["b", "d", "e", "c"], "sha256": ["same", "same", "c", "fixed"]})
    kept = stratified_split.keep(table, manifest).set_index("image_id")["split"]
    assert kept.to_dict() == {"b": "test", "e": "val", "c": "val"}
