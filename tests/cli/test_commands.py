"""The command line as users meet it: messages and exit statuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import imageclinic
from imageclinic.audit import runner
from tests.cli.conftest import Run
from tests.conftest import LEARNING

LIGHT = "--skip=" + ",".join(LEARNING)


def test_every_command_explains_itself(run: Run) -> None:
    listed = run("--help").stdout
    for command in "demo audit review status decide export verify diff train compare report doctor explain".split():
        assert f"\n  {command} " in listed
        shown = run(command, "--help")
        assert shown.returncode == 0
        assert len(shown.stdout) > 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["audit", "nowhere"], "nowhere does not exist. Expected a folder"),
        (["audit", "."], "no images in "),
        (["audit", "loose"], "has 1 images but no class folders"),
        (["audit", "pets", "--checks", "drak"], "there is no check 'drak'. Expected one of annotator_disagreement,"),
        (["audit", "pets", "--set", "dark.x=1"], "check dark has no option 'x'"),
        (["audit", "pets", "--out", "taken"], "taken is not empty and no imageclinic run"),
        (["audit", "pets", "--out", "pets/run"], "lies inside the dataset"),
        (["audit", "pets", "--fail-on", "dark:x"], "--fail-on 'dark:x'. Expected CHECK or CHECK:N"),
        (["audit", "missing.csv"], "none of the 1 images is there"),
        (["audit", "leaves.csv"], "row 2: '../pets/cat/0.png' leaves the dataset's root"),
        (["review", "pets"], "is no imageclinic run"),
        (["export", "pets", "--out", "out"], "is no imageclinic run"),
        (["export", "pets"], "no place to export to"),
        (["export", "pets", "out", "--out", "out"], "two places to export to"),
        (["explain", "drak"], "there is no check 'drak'"),
        (["verify", "pets"], "manifest.csv is missing"),
        (["train", "pets"], "manifest.csv is missing. Expected what imageclinic export wrote. See whether the path is"),
        (["train", "nowhere"], "nowhere is missing"),
    ],
)
def test_bad_input_is_one_clear_line(run: Run, folder: Path, tmp_path, arguments: list[str], message: str) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "x").write_text("")
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "1.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    (tmp_path / "missing.csv").write_text("path,label\nnot/here.jpg,cat\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "leaves.csv").write_text("path,label\n../pets/cat/0.png,cat\n")
    if arguments[1] == ".":
        (tmp_path / "void").mkdir()
    if arguments[1] == "leaves.csv":
        arguments = ["audit", "sub/leaves.csv"]
    cwd = tmp_path / "void" if arguments[1] == "." else tmp_path
    if arguments[0] == "audit" and "--out" not in arguments:
        arguments = [*arguments, "--out", str(tmp_path / "run")]
    result = run(*arguments, cwd=cwd)
    assert result.returncode in ((1, 2) if arguments[0] == "verify" else (2,)), result.stderr
    assert message in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_audit_then_fail_on_then_status(run: Run, folder: Path, tmp_path) -> None:
    (folder / "dog" / "bad.jpg").write_bytes(b"")
    out = tmp_path / "run"
    first = run("audit", folder, "--out", out, LIGHT, "--json", "--fail-on", "corrupted")
    assert first.returncode == 3, first.stderr
    printed = json.loads(first.stdout)
    assert printed["tripped"] == ["corrupted"]
    outcomes = {o["check"]: o for o in printed["outcomes"]}
    assert set(outcomes) == set(runner.load())
    assert outcomes["corrupted"]["n_issues"] == 1
    assert outcomes["mislabeled"]["outcome"] == "skipped"
    assert run("audit", folder, "--out", out, LIGHT, "--fail-on", "corrupted:2").returncode == 0
    state = json.loads(run("status", out, "--json").stdout)
    assert state["images"] == 17
    assert state["flagged_decided"] == 0
    assert 0 < state["flagged"] <= state["findings"]
    counted = sum(o["n_issues"] for o in outcomes.values())
    assert state["findings"] + sum(state["about_classes"].values()) == counted, "status and audit count alike"


@pytest.mark.slow
def test_one_class_and_tiny_classes(run: Run, tmp_path, folder: Path) -> None:
    for path in (folder / "dog").iterdir():
        path.unlink()
    result = run("audit", folder, "--out", tmp_path / "run", "--json")
    assert result.returncode == 0, result.stderr
    outcomes = {o["check"]: o for o in json.loads(result.stdout)["outcomes"]}
    assert outcomes["mislabeled"]["outcome"] == "not_applicable"
    assert "1 class" in outcomes["mislabeled"]["reason"]


@pytest.mark.slow
def test_a_class_with_one_image_is_handled(run: Run, tmp_path, folder: Path) -> None:
    (folder / "owl").mkdir()
    (folder / "dog" / "0.png").rename(folder / "owl" / "0.png")
    result = run("audit", folder, "--out", tmp_path / "run", "--json")
    assert result.returncode == 0, result.stderr
    outcomes = {o["check"]: o for o in json.loads(result.stdout)["outcomes"]}
    assert outcomes["mislabeled"]["outcome"] == "not_applicable"  # nothing in these pictures tells their classes apart
    assert "as chance may do" in outcomes["mislabeled"]["reason"]
    assert "owl (1)" in result.stderr


def test_the_dataset_is_never_touched(run: Run, folder: Path, tmp_path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(folder.rglob("*"))}

    before = state()
    assert run("audit", folder, "--out", tmp_path / "run", LIGHT).returncode == 0
    assert state() == before


def test_a_run_belongs_to_one_dataset(run: Run, folder: Path, tmp_path) -> None:
    assert run("audit", folder, "--out", tmp_path / "run", LIGHT).returncode == 0
    folder.rename(tmp_path / "moved")
    result = run("audit", tmp_path / "moved", "--out", tmp_path / "run", LIGHT)
    assert result.returncode == 0
    assert "the same files" in result.stdout
    shutil.copytree(tmp_path / "moved" / "cat", tmp_path / "other" / "bird")
    result = run("audit", tmp_path / "other", "--out", tmp_path / "run", LIGHT)
    assert result.returncode == 2
    assert "holds a run of" in result.stderr


def test_explain_speaks_from_the_docstring(run: Run) -> None:
    shown = run("explain", "dark").stdout
    assert "Why it matters:" in shown
    assert "--set dark.threshold=0.32" in shown


def test_python_api_takes_frames(folder: Path, tmp_path) -> None:
    table = pd.DataFrame({"path": [f"cat/{n}.png" for n in range(8)] + ["dog/1.png"], "label": ["cat"] * 8 + ["dog"]})
    result = imageclinic.audit(table, tmp_path / "run", root=folder, checks=["class_imbalance", "dark"])
    assert result.issues["check"].unique().tolist() == ["class_imbalance"]
    assert result.outcomes.set_index("check").loc["bright", "outcome"] == "skipped"


def test_a_manifest_may_lie_above_the_run_and_the_export(run: Run, folder: Path, tmp_path) -> None:
    table = pd.DataFrame([(p.relative_to(tmp_path), p.parent.name) for p in folder.rglob("*.png")])
    table.to_csv(tmp_path / "all.csv", index=False, header=["path", "label"])
    assert run("audit", "all.csv", LIGHT, cwd=tmp_path).returncode == 0
    made = f"imageclinic-runs/{tmp_path.name}"
    assert run("export", made, "--out", "clean", cwd=tmp_path).returncode == 0
    assert run("export", made, "pets/clean", cwd=tmp_path).returncode == 2
    assert run("audit", "all.csv", LIGHT, "--out", "pets", cwd=tmp_path).returncode == 2
