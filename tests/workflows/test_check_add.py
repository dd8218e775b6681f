"""New images that are put into a run: what its next audit makes of them, and what may not be added. One small run; no
TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import imageclinic
from imageclinic.audit.against.copies_of_run import Scanned
from imageclinic.audit.listing.listing import Listing
from imageclinic.cleaning.review.door.media import Media
from imageclinic.cli import app
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.reading import added_table
from imageclinic.core.run import open_run
from imageclinic.workflows.steps.auditing import added_images
from imageclinic.workflows.steps.checking import add_to_run
from tests.conftest import picture

CHECKS = ("split_leakage", "copy_of_run", "copy_among_new", "corrupted")
LOOK = {"checks": ["exact_duplicate", "split_leakage", "corrupted", "class_imbalance"], "workers": 1}


def everything(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def save(seed: int, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pets: 20 pictures without a split, one twice; run: its audit, the twin dropped; new: four pictures, a copy of a
    test image, and a torn file."""
    place = tmp_path_factory.mktemp("add")
    for at, label in enumerate(("cat", "dog")):
        for n in range(10):
            save(100 * at + n, place / "pets" / label / f"{n}.png")
        for n in range(2):
            save(1000 + 100 * at + n, place / "new" / label / f"{n}.png")
    (place / "pets" / "cat" / "twin.png").write_bytes((place / "pets" / "cat" / "0.png").read_bytes())
    run = imageclinic.audit(place / "pets", place / "run", **LOOK).run
    splits = run.read(tables.SPLIT_TABLE)
    tested = splits.loc[
        splits["split"].eq("test") & ~splits["image_id"].isin(["cat/0.png", "cat/twin.png"]), "image_id"
    ]
    tested = tested.iloc[0]
    picture(100 * ("dog" in tested) + int(Path(tested).stem)).save(place / "new" / tested.split("/")[0] / "leak.bmp")
    (place / "new" / "cat" / "torn.png").write_bytes((place / "pets" / "cat" / "0.png").read_bytes()[:90])
    imageclinic.decide(run, accept=["exact_duplicate"], include_test=True)
    return place


def test_added_images_are_audited_with_the_run(place: Path, monkeypatch, capsys) -> None:
    before, run = everything(place / "pets"), open_run(place / "run")
    splits = run.read(tables.SPLIT_TABLE).set_index("image_id")["split"]
    delivery = everything(place / "new")
    command = ["check", place / "new", "--against", place / "run", "--checks", ",".join(CHECKS), "--add", "--json"]
    monkeypatch.setattr("sys.argv", ["imageclinic", *map(str, command), "--workers", "1"])
    with pytest.raises(SystemExit):
        app.main()
    printed = capsys.readouterr()
    assert printed.out, printed.err
    said = json.loads(printed.out)
    ids = [f"new/{label}/{n}.png" for label in ("cat", "dog") for n in range(2)]
    assert said["added"] == ids and said["accepted"] == 4
    facts = json.loads((run.checks / "new" / "check.json").read_text())
    command = f"imageclinic audit {place / 'pets'} --out {run.path}"
    assert facts["added"] == ids and facts["verdict"][-1]["command"].startswith(command)
    assert imageclinic.status(run)["images"] == 21, "not before the audit"
    with pytest.raises(InputError, match=r"4 images .* not audited yet.*imageclinic audit"):
        imageclinic.check(place / "new", run, checks=CHECKS, add=True, workers=1)

    (place / "new").rename(place / "gone")  # a delivery need not stay
    again = imageclinic.audit(place / "pets", run, **LOOK)
    assert set(ids) <= set(again.run.read_dataset()["image_id"]) and imageclinic.status(run)["images"] == 25
    assert imageclinic.status(run)["decided"] == 1, "decisions stay"
    now = run.read(tables.SPLIT_TABLE).set_index("image_id")["split"]
    assert now[splits.index].equals(splits), "what was frozen stays"
    assert now[ids].eq("train").all()
    assert again.run.read_dataset()["read_error"].isna().all()
    third = imageclinic.audit(place / "pets", run, **LOOK)
    assert len(third.run.read_dataset()) == 25
    imageclinic.export(run, place / "clean")
    assert len(list((place / "clean").rglob("*.png"))) == 24
    assert imageclinic.report(run).is_file()
    assert Media(run).find(str(run.image_path(ids[0]))) is not None, "the App shows it"
    (place / "gone").rename(place / "new")
    checked = imageclinic.check(place / "new", run, checks=CHECKS, add=True, workers=1)
    assert checked.added == () and checked.issues["check"].eq("copy_of_run").sum() == 4
    assert everything(place / "pets") == before and everything(place / "new") == delivery
    save(1, place / "pets" / "new" / "x.png")
    with pytest.raises(InputError, match="has new, and images were added"):
        imageclinic.audit(place / "pets", run, **LOOK)
    (place / "pets" / "new" / "x.png").unlink()
    (place / "pets" / "new").rmdir()


def test_a_killed_copy_has_added_nothing(place: Path, tmp_path: Path, monkeypatch) -> None:
    run = imageclinic.workflows.audit.create(tmp_path / "run")
    run.update_info({"root": str(place / "pets")})
    ids = ["cat/0.png", "dog/0.png"]
    hashes = [add_to_run.file_sha256(place / "new" / name) for name in ids]
    sizes = [(place / "new" / name).stat().st_size for name in ids]
    dataset = pd.DataFrame({"image_id": ids, "sha256": hashes, "bytes": sizes, "label": ["cat", "dog"]})
    new = Scanned(dataset.assign(split=None, group=None), pd.DataFrame(), None, lambda i: place / "new" / i)
    none = pd.Series([], dtype="str")
    calls = iter([hashes[0]])

    def stopped(_: Path) -> str:
        try:
            return next(calls)
        except StopIteration:
            raise KeyboardInterrupt from None

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(add_to_run, "file_sha256", stopped)
        add_to_run.add(run, "new", ids, new, none, lambda *_: None)
    assert (run.added / "new" / "cat" / "0.png").is_file() and not run.files.names
    assert add_to_run.add(run, "new", ids, new, none, lambda *_: None) == "new"
    assert run.image_path("new/dog/0.png").read_bytes() == (place / "new" / "dog" / "0.png").read_bytes()
    assert run.image_path("newer/dog/0.png") == place / "pets" / "newer" / "dog" / "0.png"
    own = pd.DataFrame({"image_id": ["a", "b"], "label": ["cat", "dog"], "split": ["train", "test"], "group": None})
    listing = Listing(place / "pets", own.assign(given_labels=None).astype("str"))
    split = added_images.with_added(listing, run.path).images.set_index("image_id")["split"]
    assert split[["a", "b", "new/cat/0.png"]].tolist() == ["train", "test", "train"]
    table = added_table.read(run).assign(split=["val", "train"])
    tables.write(added_table.file(run, "new"), table, added_table.ADDED)
    alone = Listing(place / "pets", own.assign(given_labels=None, split=None).astype("str"))
    assert added_images.with_added(alone, run.path).images["split"].isna().all(), "they bring no split to a dataset"
    assert added_images.frozen(added_table.read(run))["split"].tolist() == ["val", "train"]
    assert add_to_run.add(run, "cat", ids, new, none, lambda *_: None) == "cat-2", "the dataset has a folder cat"
    assert add_to_run.add(run, ".hidden", ids, new, none, lambda *_: None) == "new-2"


def test_what_may_not_be_added() -> None:
    state = SimpleNamespace(
        dataset=pd.DataFrame({"image_id": ["t", "v", "w"], "group": ["ann", "bob", None]}),
        splits=pd.DataFrame({"image_id": ["t", "v", "w"], "split": ["test", "train", "val"]}),
    )
    new = pd.DataFrame(
        {
            "image_id": ["a", "b", "c", "d", "e", "f"],
            "split": [None, None, "test", None, "val", None],
            "group": ["ann", "bob", None, None, None, None],
            "read_error": [None, None, None, "damaged", None, None],
        }
    )
    found = new[["image_id"]].assign(accepted=[True, True, True, False, False, False])
    copies = pd.DataFrame({"image_id": ["e", "f"], "run_split": ["val", "test"]})
    reasons = add_to_run.refusals(new, SimpleNamespace(state=state), copies)
    assert reasons.keys() == {"a", "c", "d", "f"}, "its group or its twin is where it goes: b, e"
    assert "ann is in test" in reasons["a"] and "in test" in reasons["f"]
    assert add_to_run.wanted(found, None, reasons)[0] == ["b"]
    ids, notes = add_to_run.wanted(found, ["e", "f", "b"], reasons)
    assert ids == ["b", "e"] and notes[0].startswith("1 images")
    with pytest.raises(InputError, match="called x"):
        add_to_run.wanted(found, ["x"], reasons)
