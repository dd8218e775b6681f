"""The recipes in CONTRIBUTING.md, followed: each code block is written where its first line says, in a copy of ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import picture

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
RECIPES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.S))
AUDIT = """
import imageclinic

result = imageclinic.audit("pets", "run", checks=["NAME"])
assert len(imageclinic.explain("NAME")) == 1
assert len(result.issues) == 1 and result.issues["image_id"][0] == "cat/icon.png", result.issues
"""
FORMAT = """
from pathlib import Path

import imageclinic

imageclinic.audit("pets", "run", checks=["dark"])
imageclinic.export("run", "out", format="NAME")
assert Path("out/classes.txt").read_text() == "cat\\ndog\\n"
assert imageclinic.verify("out")["ok"].all()
Path("out/classes.txt").write_text("owl")
assert not imageclinic.verify("out")["ok"].all()
"""
EXPERIMENT = """
from tests.training.diagnose.test_diagnose import digits, lab
from imageclinic.training.diagnose import experiments

found = experiments.load()["NAME"]
result, _ = found.run(lab(digits(), epochs=3))
assert result.answer and found.question
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with our package, rooms in the places of their links."""
    skipped = shutil.ignore_patterns("__pycache__", "digits")
    shutil.copytree(ROOT / "imageclinic", tmp_path / "copy" / "imageclinic", ignore=skipped)
    shutil.copytree(ROOT / "tests", tmp_path / "copy" / "tests", ignore=skipped)
    return tmp_path / "copy"


def follow(copy: Path, folder: str, code: str) -> None:
    """Write the recipe for a file in `folder`, and run `code`, in which NAME is the file's name."""
    path, recipe = next((p, c) for p, c in RECIPES.items() if Path(p).parent.as_posix() == folder)
    assert not (ROOT / path).exists(), "a recipe that adds nothing"
    (copy / "imageclinic" / path).write_text(recipe)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code.replace("NAME", Path(path).stem)],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def pets(folder: Path) -> None:
    """Two classes, and one small image."""
    for at, label in enumerate(("cat", "dog")):
        (folder / "pets" / label).mkdir(parents=True)
        for n in range(16):
            picture(100 * at + n).save(folder / "pets" / label / f"{n}.png")
    picture(7, (16, 16)).save(folder / "pets" / "cat" / "icon.png")


def test_a_check(copy: Path) -> None:
    pets(copy)
    follow(copy, "audit/checks", AUDIT)


def test_a_format(copy: Path) -> None:
    pets(copy)
    follow(copy, "cleaning/export/formats", FORMAT)


def test_an_experiment(copy: Path) -> None:
    follow(copy, "training/diagnose/experiments", EXPERIMENT)
