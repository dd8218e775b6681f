"""The notebooks and the tutorial in docs/: they run, and what is committed is small and names no machine."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from imageclinic import sample_data

DOCS = Path(__file__).resolve().parents[1] / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
#: In this order the first one's audit is there for the second, and for the tutorial.
ORDER = ("first-audit", "why-is-accuracy-not-improving", "audit-in-ci")
MOST_BYTES = 300_000


def run(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook, run in `folder`."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("notebooks")


def shapes(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Which kinds of output each cell has, without the lines that say what happens."""
    return [
        sorted({"/".join(sorted(o["data"])) for o in cell.get("outputs", []) if o["output_type"] == "execute_result"})
        for cell in notebook.cells
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDER)
@pytest.mark.filterwarnings("default")
def test_it_runs(name: str, folder: Path) -> None:
    path = next(p for p in NOTEBOOKS if p.stem == name)
    made = run(path, folder)
    assert shapes(made) == shapes(nbformat.read(path, as_version=4)), "run the notebook again, and commit it"
    outputs = [output for cell in made.cells for output in cell.get("outputs", [])]
    assert any("3 classes" in output["text"] for output in outputs if output["output_type"] == "stream"), "messages"
    assert any(output["output_type"] == "display_data" for output in outputs), "progress"


def test_every_notebook_is_run() -> None:
    assert {p.stem for p in NOTEBOOKS} == set(ORDER)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_what_is_committed(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text) < MOST_BYTES
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = str([cell["outputs"] for cell in code])
    pictures = re.sub(r"base64,[\w+/=]+", "", outputs)
    assert not re.search(r"(?<![\w.])/(?:home|tmp|root|Users|work|private|var)/", pictures)
    assert socket.gethostname() not in pictures or len(socket.gethostname()) < 4
    assert "Traceback" not in pictures


@pytest.mark.slow
def test_the_tutorial_works(folder: Path) -> None:
    """Its blocks of Python and of commands, in order and in one folder."""
    blocks = re.findall(r"^```(python|bash)\n(.*?)^```", (DOCS / "tutorial.md").read_text("utf-8"), re.M | re.S)
    assert {language for language, _ in blocks} == {"python", "bash"}
    shutil.rmtree(folder / "digits-clean", ignore_errors=True)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for language, code in blocks:
        command = [sys.executable, "-c", code] if language == "python" else ["bash", "-euc", code]
        done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    assert (folder / "imageclinic-runs/digits/report.html").is_file()
    assert {p.name for p in (folder / "digits-clean").iterdir()} >= {"train", "val", "test"}


def test_every_check_of_the_sample_data_has_a_picture() -> None:
    planted = pd.read_csv(sample_data.PLANTED, dtype="str")
    page = (DOCS / "examples.md").read_text("utf-8")
    assert set(planted.dropna(subset="image_id")["check"]) <= set(re.findall(r"^## (\w+)", page, re.M))
    pictures = re.findall(r"\]\((examples/[^)]+)\)", page)
    assert {p.name for p in (DOCS / "examples").iterdir()} == {Path(p).name for p in pictures}
