"""We are one name among the user's modules: API and commands work in a project whose files have our rooms' names."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from imageclinic.core import child_process
from tests.conftest import picture

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(sys.executable).with_name("imageclinic")
#: What the user's project has. Python's own names are there too: a child that searches the current folder finds them.
THEIRS = ("training/__init__.py", "audit.py", "report.py", "cleaning.py", "json.py", "random.py")
#: Command → its arguments, in an order in which each finds what it needs. `review` has a test of its own; `demo`, which
#: takes minutes, is run from such a folder by `.ci/run`.
COMMANDS = {
    "audit": "../pets --out ../run",
    "status": "../run",
    "explain": "dark",
    "doctor": "",
    "rerank": "../run",
    "decide": "../run --accept exact_duplicate",
    "export": "../run ../clean --split 0.6,0.2,0.2",
    "verify": "../clean",
    "diff": "../clean ../clean",
    "train": "../clean --epochs 1 --model linear",
    "tune": "../clean --trials 1 --epochs 1 --seeds 0 --model linear",
    "compare": "../run --seeds 2",
    "diagnose": "../clean --budget 0.1 --seeds 2",
    "report": "../run",
}
SECONDS = 300

pytestmark = pytest.mark.slow


def make_pets(root: Path) -> None:
    """Two classes with 20 pictures each; one picture is there twice."""
    for at, label in enumerate(("cat", "dog")):
        (root / label).mkdir(parents=True)
        for n in range(20):
            picture(100 * at + n).save(root / label / f"{n}.png")
    shutil.copy(root / "cat" / "0.png", root / "cat" / "copy.png")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's project, with a dataset beside it; importing anything of the project is an error."""
    home = tmp_path_factory.mktemp("one_name")
    make_pets(home / "pets")
    for name in THEIRS:
        file = home / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("raise ImportError(f'imageclinic has imported {__file__}')\n")
    return home / "project"


def run(project: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "has imported" not in result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def audited(project: Path) -> Path:
    """The project, once the dataset has been audited through the API, by a script that lies elsewhere."""
    script = project.parent / "scripts" / "audit_pets.py"
    script.parent.mkdir()
    script.write_text("import imageclinic\nprint(len(imageclinic.audit('../pets', '../api').issues))\n")
    assert int(run(project, sys.executable, script).stdout) > 0
    return project


def test_every_command_is_run() -> None:
    commands = {file.stem for file in (ROOT / "imageclinic/cli/commands").glob("*.py")} - {"__init__"}
    assert set(COMMANDS) | {"review", "demo"} == commands


def test_commands(project: Path) -> None:
    for command, arguments in COMMANDS.items():
        run(project, PROGRAM, command, *arguments.split())


def test_review_until_ctrl_c(audited: Path) -> None:
    process = subprocess.Popen(
        [PROGRAM, "review", "../api", "--port", "0", "--no-browser"],
        cwd=audited,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        url = next(word for line in said for word in line.split() if word.startswith("http://127.0.0.1"))
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=60)
    finally:
        process.kill()
    text = "".join(filter(None, said))
    logs = [file.read_text("utf-8") for file in (audited.parent / "api/review").glob("*.log")]
    assert process.returncode == 0, text
    assert "Decisions are in" in text
    assert logs
    assert "has imported" not in text + "".join(logs)


def test_a_module_run_by_us_does_not_search_the_users_folder(project: Path) -> None:
    run(project, *child_process.python_module("json.tool", "--help"))
