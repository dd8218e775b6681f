"""Exports: whole or not at all, proven by reading back, reproducible, the source untouched, hostile names
made safe."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.decisions.apply import apply
from imageclinic.cleaning.export import safe_names
from imageclinic.cleaning.export.export_diff import diff
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.proof import copies_in_export
from imageclinic.cleaning.export.proof.copies_in_export import find_pairs
from imageclinic.cleaning.export.proof.prove_export import verify
from imageclinic.cleaning.export.write_export import CleanedDataset, export
from imageclinic.cleaning.split.stratified_split import assign
from imageclinic.core import run as runs
from imageclinic.core import tables
from imageclinic.core.errors import InputError

pytestmark = pytest.mark.usefixtures("only_equal_files_are_copies")

HOSTILE = ["a/x.png", "a/X.PNG", "b/x.png", "a/=cmd().png", "a/..\\..\\x.png", "a/con.png", "a/n\new.png", "a/.hid.png",
           "b/<img src=x>.png", "b/‮gnp.png", "a/" + "ä" * 100 + ".png"]  # fmt: skip
LABELS = ["Cat", "cat", "../up", "Cat", "cat", "../up", "Cat", "cat", "../up", "Cat", "cat"]


@pytest.fixture
def data(tmp_path):
    """24 pictures of two classes: their bytes all differ."""
    for i in range(24):
        folder = tmp_path / "data" / ("even" if i % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        picture(folder / f"{i:02}.png", i)
    return tmp_path / "data"


def picture(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")


def audited(root, labels=None, where=None):
    """A run folder with the dataset table of `root`, as an audit leaves it."""
    run = runs.create(where or root.parent / "run")
    run.update_info({"root": str(root)})
    files = sorted(file for file in root.rglob("*") if file.is_file())
    ids = [tables.to_image_id(file.relative_to(root).as_posix()) for file in files]
    dataset = tables.frame(
        tables.DATASET,
        image_id=ids,
        label=[labels[i] if labels else PurePosixPath(i).parts[0] for i in ids],
        bytes=[file.stat().st_size for file in files],
        mtime_ns=[file.stat().st_mtime_ns for file in files],
        sha256=[hashlib.sha256(file.read_bytes()).hexdigest() for file in files],
        format=["PNG"] * len(ids),
        width=[8] * len(ids),
        height=[8] * len(ids),
    )
    run.write(tables.DATASET, dataset)
    return run


def cluster(**of):
    return tables.frame(tables.CLUSTERS, image_id=list(of), cluster=list(of.values()), split_group=list(of.values()))


def exported(run, out, events=(), clusters=None, splits=None, progress=None, **options):
    dataset = run.read(tables.DATASET)
    clusters = tables.empty(tables.CLUSTERS) if clusters is None else clusters
    if len(events):
        decision_log.append(run.decisions, pd.DataFrame(events))
    current = decision_log.current(decision_log.read(run.decisions), dataset)
    cleaned, changes = apply(dataset, current)
    if splits is None:
        group = cleaned["image_id"].map(clusters.set_index("image_id")["split_group"])
        splits, _ = assign(cleaned.assign(split_group=group), (0.5, 0.25, 0.25), seed=0)
    content = CleanedDataset(cleaned, splits, clusters, changes, current)
    return export(content, run, out, ExportOptions(**options), progress)


def failed(out):
    return {proof.name for proof in verify(out) if not proof.ok}


def content(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def state(folder):
    return {file: (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_mode) for file in folder.rglob("*.png")}


EVENTS = [
    {"image_id": "even/00.png", "decision": "drop", "reviewer": "ann", "note": "dark <b>"},
    {"image_id": "even/02.png", "decision": "relabel", "label": "odd", "reviewer": "policy:p"},
    {"image_id": "even/04.png", "decision": "keep", "reviewer": "ann"},
]


def test_an_export_holds_what_was_decided_and_proves_it(data, tmp_path):
    before = state(data)
    seen = []
    result = exported(audited(data), tmp_path / "out", EVENTS, progress=lambda done, total: seen.append((done, total)))
    assert state(data) == before, "the source is never written"
    assert (result["images"], result["changes"]) == (23, {"dropped": 1, "relabelled": 1})
    assert sum(result["splits"].values()) == 23 and (23, 23) in seen
    manifest = tables.read_csv(tmp_path / "out" / "manifest.csv", tables.MANIFEST).set_index("image_id")
    assert "even/00.png" not in manifest.index
    row = manifest.loc["even/02.png"]
    assert (row["label"], row["original_label"], row["decision"]) == ("odd", "even", "relabel")
    assert row["path"] == f"{row['split']}/odd/02.png"
    assert manifest.at["even/04.png", "decision"] == "keep" and pd.isna(manifest.at["odd/01.png", "decision"])
    assert failed(tmp_path / "out") == set()
    sheet = (tmp_path / "out" / "DATASET.md").read_text()
    assert "ann, policy:p" in sheet and "dark &lt;b&gt;" in sheet and "image_dataset_from_directory" in sheet
    assert not list(tmp_path.glob(".out*"))


def test_the_same_run_and_decisions_give_the_same_bytes(data, tmp_path):
    run = audited(data)
    exported(run, tmp_path / "one", EVENTS)
    exported(run, tmp_path / "elsewhere" / "two")
    assert content(tmp_path / "one") == content(tmp_path / "elsewhere" / "two")
    assert diff(tmp_path / "one", tmp_path / "elsewhere" / "two").empty


def test_diff_shows_what_changed(data, tmp_path):
    run = audited(data)
    exported(run, tmp_path / "one")
    splits = tables.read_csv(tmp_path / "one" / "manifest.csv", tables.MANIFEST)[["image_id", "split"]]
    splits = splits.assign(split=splits["split"].mask(splits["image_id"] == "odd/01.png", "val"))
    moved = tables.read_csv(tmp_path / "one" / "manifest.csv", tables.MANIFEST).set_index("image_id")["split"]
    exported(run, tmp_path / "two", EVENTS, splits=splits)
    changes = diff(tmp_path / "one", tmp_path / "two").set_index(["image_id", "change"])
    assert changes.loc[("even/02.png", "label")].tolist() == ["even", "odd"]
    assert ("even/00.png", "removed") in changes.index and ("even/04.png", "decision") in changes.index
    assert (("odd/01.png", "split") in changes.index) == (moved["odd/01.png"] != "val")
    back = diff(tmp_path / "two", tmp_path / "one").set_index(["image_id", "change"])
    assert back.at[("even/00.png", "added"), "after"] == f"{moved['even/00.png']}/even"
    with pytest.raises(InputError, match="missing"):
        diff(tmp_path / "one", tmp_path / "nothing")


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_links_point_to_the_source(data, tmp_path, link):
    exported(audited(data), tmp_path / "out", link=link)
    file = next((tmp_path / "out").rglob("even/*.png"))
    assert file.is_symlink() == (link == "symlink")
    assert file.samefile(data / "even" / file.name)
    assert failed(tmp_path / "out") == set()


def test_a_manifest_points_to_the_source(data, tmp_path):
    exported(audited(data), tmp_path / "out", format="manifest")
    assert sorted(content(tmp_path / "out")) == ["DATASET.md", "classes.json", "export.json", "manifest.csv"]
    paths = tables.read_csv(tmp_path / "out" / "manifest.csv", tables.MANIFEST)["path"]
    assert all((tmp_path / "out" / path).is_file() for path in paths)
    assert failed(tmp_path / "out") == set()


def test_hostile_names_become_safe_unique_and_findable(tmp_path):
    root = tmp_path / "data"
    for i, name in enumerate(HOSTILE):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(root / name, i)
    raw = os.fsdecode(b"a/\xff.png")
    picture(root / raw, 99)
    ids = [tables.to_image_id(name) for name in [*HOSTILE, raw]]
    labels = dict(zip(ids, [*LABELS, "Cat"], strict=True))
    run = audited(root, labels)
    splits = tables.frame(tables.SPLIT_TABLE, image_id=ids, split="train")
    exported(run, tmp_path / "out", splits=splits)
    assert failed(tmp_path / "out") == set()
    manifest = tables.read_csv(tmp_path / "out" / "manifest.csv", tables.MANIFEST).set_index("image_id")
    assert manifest["label"].to_dict() == labels, "the manifest keeps the originals"
    folders = {PurePosixPath(path).parts[1] for path in manifest["path"]}
    assert len(folders) == 3 and len({folder.casefold() for folder in folders}) == 3
    assert manifest["path"].map(lambda p: ".." not in PurePosixPath(p).parts).all()
    for image_id, path in manifest["path"].items():
        source = root / tables.to_path(image_id)
        assert (tmp_path / "out" / path).read_bytes() == source.read_bytes()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(min_size=0, max_size=300), min_size=1, max_size=8, unique=True))
def test_names_are_safe_and_unique(texts):
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    texts = list(dict.fromkeys(texts))
    made = safe_names.unique([safe_names.safe(text) for text in texts], texts)
    assert len({name.casefold() for name in made}) == len(texts)
    for name in made:
        assert name and name not in (".", "..") and name[0] not in ". " and name[-1] not in ". "
        assert not set(name) & set('/\\<>:"|?*\0\n\r') and len(name.encode()) <= 255
        assert safe_names.safe(name) == name or "~" in name
    assert safe_names.unique([safe_names.safe(t) for t in reversed(texts)], texts[::-1]) == made[::-1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("nul", "_nul"), ("COM1.png", "_COM1.png"), ("..", "_"), ("", "_"), (".a", "_a"), ("a.", "a"), ("a/b", "a_b")],
)
def test_known_traps(name, expected):
    assert safe_names.safe(name) == expected


def test_suffixes_follow_the_content():
    assert safe_names.with_suffix("a.png", "JPEG") == "a.png.jpg"
    assert safe_names.with_suffix("a.JPEG", "JPEG") == "a.JPEG"
    assert safe_names.with_suffix("a", None) == "a"


def test_every_class_has_a_folder_in_every_split(data, tmp_path):
    run = audited(data)
    ids = run.read(tables.DATASET)["image_id"]
    split = np.where(ids.str.startswith("odd"), "train", np.where(ids < "even/12", "train", "val"))
    exported(run, tmp_path / "out", splits=tables.frame(tables.SPLIT_TABLE, image_id=ids, split=split))
    assert (tmp_path / "out" / "val" / "odd").is_dir()
    [proof] = [p for p in verify(tmp_path / "out") if p.name == "classes"]
    assert proof.ok and "odd not in val" in proof.detail


def tampered(out, what):
    file = next((out / "train" / "odd").glob("*.png"))
    manifest = out / "manifest.csv"
    rows = tables.read_csv(manifest, tables.MANIFEST)
    match what:
        case "files":
            file.unlink()
        case "hashes":
            file.write_bytes(file.read_bytes() + b"x")
        case "nothing else":
            picture(out / "train" / "odd" / "new.png", 1000)
        case "copies":
            here = rows[rows["split"] == "test"].index[0]
            twin = out / rows.at[here, "path"]
            twin.write_bytes(file.read_bytes())
            rows.loc[here, "sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
            tables.write_csv(manifest, rows, tables.MANIFEST)
        case "groups":
            rows["split_group"] = "one"
            tables.write_csv(manifest, rows, tables.MANIFEST)
        case "folders":
            rows["label"] = rows["label"].mask(rows.index == 0, "owl")
            tables.write_csv(manifest, rows, tables.MANIFEST)
        case "outside":
            outside = out.parent / "elsewhere.png"
            outside.write_bytes(file.read_bytes())
            file.unlink()
            rows["path"] = rows["path"].where(rows["path"] != file.relative_to(out).as_posix(), "../elsewhere.png")
            tables.write_csv(manifest, rows, tables.MANIFEST)
        case "one row per file":
            rows.loc[1, ["path", "sha256"]] = rows.loc[0, ["path", "sha256"]]
            tables.write_csv(manifest, rows, tables.MANIFEST)
        case "classes":
            rows["split"] = rows["split"].mask(rows["label"] == "odd", "test")
            tables.write_csv(manifest, rows, tables.MANIFEST)
        case "manifest":
            manifest.unlink()


@pytest.mark.parametrize(
    "what",
    ["files", "hashes", "nothing else", "copies", "groups", "folders", "one row per file", "classes", "manifest"],
)
def test_each_proof_can_fail(data, tmp_path, what):
    exported(audited(data), tmp_path / "out")
    assert failed(tmp_path / "out") == set()
    tampered(tmp_path / "out", what)
    assert what in failed(tmp_path / "out")


def test_no_image_may_lie_outside(data, tmp_path):
    exported(audited(data), tmp_path / "out")
    tampered(tmp_path / "out", "outside")
    assert failed(tmp_path / "out") == {"folders"}


def test_litter_of_the_system_is_no_image(data, tmp_path):
    exported(audited(data), tmp_path / "out")
    (tmp_path / "out" / "train" / ".DS_Store").touch()
    assert failed(tmp_path / "out") == set()


def test_copies_share_a_split(data, tmp_path, monkeypatch):
    for i in range(0, 24, 2):
        (data / "even" / f"copy{i:02}.png").write_bytes((data / "even" / f"{i:02}.png").read_bytes())
    pairs = {f"even/{p}{i:02}.png": f"c{i}" for i in range(0, 24, 2) for p in ("", "copy")}
    exported(audited(data), tmp_path / "out", clusters=cluster(**pairs))
    assert failed(tmp_path / "out") == set()
    found = find_pairs(tmp_path / "out")
    assert len(found) == 12
    # A name with an escape, or above the folder, has its file looked up; what is found is the same.
    monkeypatch.setattr(copies_in_export, "_ODD", "")
    pd.testing.assert_frame_equal(find_pairs(tmp_path / "out"), found)


@pytest.mark.parametrize("place", ["data", "data/even/out", ".", "run", "run/out"])
def test_out_may_not_overlap_with_dataset_or_run(data, tmp_path, place):
    run = audited(data)
    before = content(tmp_path)
    with pytest.raises(InputError, match="overlap"):
        exported(run, tmp_path / place)
    assert content(tmp_path) == before


def test_links_do_not_hide_an_overlap(data, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    picture(tmp_path / "elsewhere" / "x.png", 77)
    (data / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "alias").symlink_to(data)
    run = runs.create(tmp_path / "run")
    run.update_info({"root": str(data)})
    file = data / "linked" / "x.png"
    dataset = tables.frame(
        tables.DATASET, image_id=["linked/x.png"], label=["a"], bytes=[1], mtime_ns=[0],
        sha256=[hashlib.sha256(file.read_bytes()).hexdigest()],
    )  # fmt: skip
    run.write(tables.DATASET, dataset)
    for place in ("alias/out", "elsewhere/out"):
        with pytest.raises(InputError, match="overlap"):
            exported(run, tmp_path / place)


def test_an_export_that_is_there_is_not_overwritten(data, tmp_path):
    run = audited(data)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "file").touch()
    for name in ("full", "file"):
        with pytest.raises(InputError, match="there already"):
            exported(run, tmp_path / name)
    (tmp_path / "empty").mkdir()
    exported(run, tmp_path / "empty")
    assert failed(tmp_path / "empty") == set()


def test_unknown_options_list_the_valid_ones(data, tmp_path):
    run = audited(data)
    with pytest.raises(InputError, match="fiftyone, folders, imagefolder, manifest, parquet, tfrecord, webdataset"):
        exported(run, tmp_path / "out", format="zip")
    with pytest.raises(InputError, match="copy, hardlink, symlink"):
        exported(run, tmp_path / "out", link="move")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_a_source_that_is_not_what_was_audited(data, tmp_path, change):
    run = audited(data)
    file = data / "odd" / "23.png"
    file.write_bytes(b"other") if change == "changed" else file.unlink()
    with pytest.raises(InputError, match=rf"23\.png .*{change}"):
        exported(run, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "run"]


def test_nothing_left_and_no_split(data, tmp_path):
    run = audited(data)
    with pytest.raises(InputError, match="have no split"):
        exported(run, tmp_path / "out", splits=tables.empty(tables.SPLIT_TABLE))
    drops = [{"image_id": i, "decision": "drop", "reviewer": "ann"} for i in run.read(tables.DATASET)["image_id"]]
    with pytest.raises(InputError, match="o image is left"):
        exported(run, tmp_path / "out", drops)


def test_a_second_export_at_the_same_time_fails_cleanly(data, tmp_path):
    run = audited(data)
    inside, go_on = threading.Event(), threading.Event()

    def wait(done, total):
        inside.set()
        assert go_on.wait(60)

    first = threading.Thread(target=exported, args=(run, tmp_path / "out"), kwargs={"progress": wait})
    first.start()
    assert inside.wait(60)
    with pytest.raises(InputError, match="nother export"):
        exported(run, tmp_path / "out")
    go_on.set()
    first.join()
    assert failed(tmp_path / "out") == set()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out", "run"]


@pytest.mark.slow
def test_a_kill_leaves_no_export_and_the_next_one_tidies_up(data, tmp_path):
    run = audited(data)
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from tests.cleaning.export.test_write_export import exported
        from imageclinic.core.run import open_run

        def die(done, total):
            if done == 10:
                os.kill(os.getpid(), signal.SIGKILL)

        exported(open_run(Path(sys.argv[1]) / "run"), Path(sys.argv[1]) / "out", progress=die)
    """)
    died = subprocess.run([sys.executable, "-c", script, tmp_path, Path(__file__).resolve().parents[3]], check=False)
    assert died.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    exported(run, tmp_path / "out")
    assert failed(tmp_path / "out") == set()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out", "run"]


def test_a_place_that_can_not_be_written(data, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"an't write"):
        exported(audited(data), tmp_path / "file" / "out")
