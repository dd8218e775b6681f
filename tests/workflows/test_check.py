"""New images against a run: what is found, with whom, and what can't be looked at. One small run; no TensorFlow, so the
run has embeddings of the user's own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image, ImageEnhance

import imageclinic
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import open_run
from tests.conftest import picture

ROOT = Path(__file__).resolve().parents[2]
MODELS = ["mislabeled", "outlier", "embedding_drift"]
#: What asks for predictions, which take TensorFlow.
SKIP = ["mislabeled", "overlapping_classes"]


def save(image: Image.Image, path: Path, **how: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **how)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pets: 48 training and 16 test pictures; run: its audit; new: 30 pictures and one of each fault."""
    place = tmp_path_factory.mktemp("check")
    for at, label in enumerate(("cat", "dog")):
        for n in range(32):
            save(picture(100 * at + n), place / "pets" / ("test" if n < 8 else "train") / label / f"{n}.png")
        for n in range(15):
            save(picture(1000 + 100 * at + n), place / "new" / label / f"{n}.png")
    ids = [p.relative_to(place / "pets").as_posix() for p in sorted((place / "pets").rglob("*.png"))]
    vectors = list(np.random.default_rng(0).normal(size=(len(ids), 8)))
    given = pd.DataFrame({"image_id": ids, "embedding": vectors})
    imageclinic.audit(place / "pets", place / "run", skip=SKIP, embeddings=given, workers=1)
    new = place / "new"
    save(picture(3), new / "cat" / "test again.jpg", quality=70)
    save(picture(120), new / "dog" / "train again.png")
    save(picture(121).transpose(Image.Transpose.FLIP_LEFT_RIGHT), new / "cat" / "mirrored.png")
    save(picture(2000), new / "Cat" / "spelt.png")
    save(picture(2001), new / "emu" / "bird.png")
    save(picture(2002), new / "dog" / "twin a.png")
    save(picture(2002), new / "dog" / "twin b.jpg", quality=80)
    whole = io.BytesIO()
    picture(2003).save(whole, "PNG")
    (new / "cat" / "torn.png").write_bytes(whole.getvalue()[:300])
    return place


@pytest.fixture(scope="module")
def result(place: Path) -> imageclinic.workflows.check.Check:
    return imageclinic.check(place / "new", place / "run", workers=1)


def found(result: imageclinic.workflows.check.Check, check: str) -> set[str]:
    return set(result.issues.loc[result.issues["check"] == check, "image_id"])


def test_each_fault_is_found_with_whom(result: imageclinic.workflows.check.Check) -> None:
    assert found(result, "split_leakage") == {"cat/test again.jpg"}
    assert found(result, "copy_of_run") == {"dog/train again.png", "cat/mirrored.png"}
    assert found(result, "conflicting_label") == {"cat/mirrored.png"}
    assert found(result, "copy_among_new") == {"dog/twin a.png", "dog/twin b.jpg"}
    assert found(result, "corrupted") == {"cat/torn.png"}
    assert found(result, "look_alike_classes") == {"Cat/spelt.png"}
    assert found(result, "unknown_class") == {"emu/bird.png"}
    rows = result.images.set_index("image_id")
    assert rows.loc["cat/test again.jpg", ["copy_of", "copy_split"]].tolist() == ["test/cat/3.png", "test"]
    assert rows.loc["dog/train again.png", ["copy_of", "copy_split"]].tolist() == ["train/dog/20.png", "train"]
    assert rows.loc["Cat/spelt.png", "suggested_label"] == "cat"
    assert rows.loc["cat/mirrored.png", "suggested_label"] == "dog"
    assert result.images["image_id"].iloc[0] == "cat/test again.jpg", "the worst is at the top"
    assert result.verdict[0]["cause"] == "split_leakage"
    # Nothing speaks against the 30 others, and one of the twins.
    assert rows["accepted"].sum() == 31 and rows.loc[["dog/twin a.png", "dog/twin b.jpg"], "accepted"].sum() == 1


def test_every_check_has_an_outcome_and_those_that_cannot_look_say_why(
    result: imageclinic.workflows.check.Check,
) -> None:
    outcomes = result.outcomes.set_index("check")
    assert len(outcomes) == 12
    assert outcomes.loc[MODELS, "outcome"].eq("not_applicable").all()
    assert outcomes.loc[MODELS, "reason"].str.contains("your own embeddings").all()
    assert outcomes.loc["property_drift", "outcome"] == "clean"
    assert "would not be seen" in outcomes.loc["property_drift", "reason"]


def test_what_is_written_reads_back_and_the_images_stay_as_they_were(
    result: imageclinic.workflows.check.Check, place: Path
) -> None:
    assert result.path == place / "run" / "checks" / "new"
    assert {p.name for p in result.path.iterdir()} == {
        *("new_images.parquet", "new_images.csv", "accepted.txt", "check.json")
    }
    table = tables.read(result.path / "new_images.parquet", tables.NEW_IMAGES)
    pd.testing.assert_frame_equal(table, tables.read_csv(result.path / "new_images.csv", tables.NEW_IMAGES))
    names = (result.path / "accepted.txt").read_text().splitlines()
    assert set(names) == set(table.loc[table["accepted"], "image_id"])
    facts = json.loads((result.path / "check.json").read_text())
    assert facts["accepted"] == 31 and len(facts["drift"]["properties"]) >= 10
    assert not [p for p in (place / "new").rglob("*") if p.is_file() and p.suffix not in (".png", ".jpg")]
    assert open_run(place / "run").read(tables.DATASET).shape[0] == 64, "the run stays as it was"


def test_darkened_images_are_drift(place: Path, tmp_path: Path) -> None:
    for n in range(24):
        save(ImageEnhance.Brightness(picture(3000 + n)).enhance(0.5), tmp_path / "dark" / f"{n}.png")
    result = imageclinic.check(tmp_path / "dark", place / "run", out=tmp_path / "out", skip=MODELS, workers=1)
    assert "brightness" in set(result.issues.loc[result.issues["check"] == "property_drift", "label"])
    outcomes = result.outcomes.set_index("check")["outcome"]
    assert outcomes["unknown_class"] == "not_applicable", "a flat folder has no labels"
    assert outcomes[MODELS].eq("skipped").all()


def test_few_images_and_a_run_whose_files_are_gone(place: Path, tmp_path: Path) -> None:
    for n, seed in enumerate((3, 4000, 4001)):
        save(picture(seed), tmp_path / "few" / "cat" / f"{n}.jpg", quality=70)
    (place / "pets").rename(place / "elsewhere")
    try:
        result = imageclinic.check(tmp_path / "few", place / "run", out=tmp_path / "out", skip=MODELS, workers=1)
    finally:
        (place / "elsewhere").rename(place / "pets")
    outcomes = result.outcomes.set_index("check")
    assert not outcomes["outcome"].eq("failed").any()
    assert "n = 3" in outcomes.loc["property_drift", "reason"]
    assert found(result, "split_leakage") == {"cat/0.jpg"}
    assert "thumbnails only" in result.issues["evidence"].iloc[0] and "thumbnails only" in result.notes[0]


def test_packed_images_are_checked_as_their_folder_is(place: Path, tmp_path: Path) -> None:
    chosen = ["split_leakage", "copy_of_run", "corrupted"]
    with tarfile.open(tmp_path / "new.tar", "w") as tar:
        tar.add(place / "new", ".")
    result = imageclinic.check(tmp_path / "new.tar", place / "run", out=tmp_path / "out", checks=chosen, workers=1)
    assert found(result, "split_leakage") == {"cat/test again.jpg"} and found(result, "corrupted") == {"cat/torn.png"}
    assert found(result, "copy_of_run") == {"dog/train again.png", "cat/mirrored.png"}
    assert json.loads((tmp_path / "out" / "check.json").read_text())["new"] == str(tmp_path / "new.tar")
    x = np.stack([np.asarray(picture(seed)) for seed in (3, 120, 5000)])
    result = imageclinic.check((x, ["cat", "dog", "dog"]), place / "run", checks=chosen, workers=1)
    assert found(result, "split_leakage") == {"00000000.png"} and found(result, "copy_of_run") == {"00000001.png"}
    assert result.path == place / "run" / "checks" / "arrays" and result.images["accepted"].sum() == 1


def test_explain_knows_what_check_prints(result: imageclinic.workflows.check.Check) -> None:
    known = imageclinic.explain()
    assert set(result.outcomes["check"]) <= set(known["check"]) and known["help"].str.len().gt(40).all()
    assert imageclinic.explain("copy_of_run")["command"].tolist() == ["check"]
    assert imageclinic.explain("outlier")["command"].tolist() == ["audit", "check"]
    with pytest.raises(InputError, match=r"one of annotator_disagreement, blurry.*copy_among_new"):
        imageclinic.explain("drak")


def test_slips_are_one_line(place: Path, tmp_path: Path) -> None:
    for arguments, part in (
        ({"against": tmp_path}, "no imageclinic run"),
        ({"against": place / "run", "skip": "drak"}, "'drak'"),
        ({"against": place / "run", "out": place / "new" / "results"}, "inside"),
        ({"against": place / "run", "out": place / "run"}, "not empty"),
    ):
        with pytest.raises(InputError) as caught:
            imageclinic.check(place / "new", **arguments)
        assert part in str(caught.value) and "\n" not in str(caught.value)


def test_the_action_and_the_hook_run_what_they_say(place: Path, tmp_path: Path) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    (step,) = [s for s in action["runs"]["steps"] if "imageclinic check" in s.get("run", "")]
    assert "${{" not in step["run"], "what an input holds is never a part of the script"
    given = {name: str(about.get("default", "")) for name, about in action["inputs"].items()}
    given |= {"new": str(place / "new"), "against": str(place / "run"), "args": f"--skip {','.join(MODELS)}"}
    given["junit"] = str(tmp_path / "junit.xml")
    names = {variable: value.removeprefix("${{ inputs.").removesuffix(" }}") for variable, value in step["env"].items()}
    bin = Path(sys.executable).parent
    env = {**os.environ, **{v: given[name] for v, name in names.items()}, "PATH": f"{bin}:{os.environ['PATH']}"}
    env["GITHUB_STEP_SUMMARY"] = str(tmp_path / "summary.md")
    done = subprocess.run(["bash", "-e", "-c", step["run"]], env=env, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert {case.get("name") for case in suite if case.find("failure") is not None} == {"split_leakage", "corrupted"}
    assert (suite.get("tests"), suite.get("skipped")) == ("12", "3")
    assert "cat/test again.jpg" in (tmp_path / "summary.md").read_text().replace("\\", "")
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"] == "imageclinic check" and not hook["pass_filenames"]
    options = {o for o in hook["args"] if o.startswith("--")}
    assert options <= {f"--{o.replace('_', '-')}" for o in ("against", "fail_on")}


@pytest.mark.slow
def test_labels_that_the_runs_models_doubt(tmp_path: Path) -> None:
    """A run with the real embedder: red and blue pictures, one in ten of them under the other's name, and two new ones
    so, too."""

    def tinted(seed: int, channel: int) -> Image.Image:
        values = np.asarray(picture(seed, (64, 64)), dtype=np.uint16)
        values[:, :, channel] = 255
        return Image.fromarray((values * np.where(np.arange(3) == channel, 1, 0.4)).astype(np.uint8))

    for channel, label in ((0, "red"), (2, "blue")):
        other = "blue" if label == "red" else "red"
        for n in range(30):
            save(tinted(100 * channel + n, channel), tmp_path / "old" / (other if n < 3 else label) / f"{label}{n}.png")
        for n in range(12):
            save(tinted(5000 + 100 * channel + n, channel), tmp_path / "new" / label / f"{n}.png")
        save(tinted(7000 + channel, channel), tmp_path / "new" / other / "wrong.png")
    run = imageclinic.audit(
        tmp_path / "old", tmp_path / "run", checks=["mislabeled"], model="efficientnet_lite2", workers=1
    ).run.path
    result = imageclinic.check(tmp_path / "new", run, checks=MODELS, workers=1)
    assert found(result, "mislabeled") == {"red/wrong.png", "blue/wrong.png"}
    rows = result.images.set_index("image_id")
    assert rows.loc["red/wrong.png", "suggested_label"] == "blue" and rows["predicted_label"].notna().all()
    outcomes = result.outcomes.set_index("check")["outcome"]
    assert outcomes["embedding_drift"] == "clean" and outcomes["outlier"] in ("clean", "found")
    kept = open_run(run).label_model
    before = kept.stat().st_mtime_ns
    again = imageclinic.check(tmp_path / "new", run, checks=["mislabeled"], workers=1)
    assert again.path.name == "new-2" and found(again, "mislabeled") == found(result, "mislabeled")
    assert kept.stat().st_mtime_ns == before, "the model is fitted once"
