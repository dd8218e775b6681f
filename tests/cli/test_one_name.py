"""imageclinic takes one name, and takes nothing from the folder it is started in: a user's own `training/`, `audit.py`
or `json.py` there neither breaks it nor is run by it. All commands and the API, from such a folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import LEARNING, picture

pytestmark = pytest.mark.slow

NAMES = (
    *("training/__init__.py", "audit.py", "report.py", "cleaning.py", "sample_data.py", "benchmarks.py"),
    *("json.py", "random.py", "queue.py", "colorsys.py", "pymongo.py"),
)
IMAGECLINIC = str(Path(sys.executable).with_name("imageclinic"))
COMMANDS = (
    "audit data --out run --model patches",
    "explain",
    "status run",
    "decide run --accept corrupted --dry-run",
    "rerank run",
    "export run out",
    "export run records --format tfrecord",
    "verify out",
    "diff out records",
    "train out --epochs 1 --model linear",
    "tune out --trials 1 --seeds 0 --epochs 1 --model linear",
    "compare run --seeds 2 --model linear --epochs 1",
    "diagnose --history out-model/metrics.json",
    "report run",
    "doctor",
)
#: All commands in one process, which imports what they do when they are started one by one.
ONE_PROCESS = """
import sys
from imageclinic.cli import app

for command in sys.argv[1:]:
    sys.argv = ["imageclinic", *command.split()]
    try:
        app.main()
    except SystemExit as end:
        assert not end.code, command
"""
API = """
import sys
import imageclinic
from imageclinic.training.fit.settings import Settings
import imageclinic.audit.runner, imageclinic.report.build

result = imageclinic.audit(sys.argv[1], sys.argv[2], skip=sys.argv[3:])
assert len(result.outcomes) == imageclinic.explain()["command"].eq("audit").sum()
assert imageclinic.status(sys.argv[2])["images"] == 32
assert imageclinic.report(sys.argv[2]).is_file()
assert callable(imageclinic.audit) and callable(imageclinic.report)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project: data, and modules that raise when they are imported."""
    home = tmp_path_factory.mktemp("project")
    for name in NAMES:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("raise RuntimeError('a module of the current folder was imported: ' + __file__)\n")
    for at, label in enumerate(("cat", "dog")):
        (home / "data" / label).mkdir(parents=True)
        for n in range(16):
            picture(100 * at + n).save(home / "data" / label / f"{n}.png")
    return home


def run(project: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0 and "current folder" not in done.stdout + done.stderr, done.stderr


def test_the_commands(project: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(ONE_PROCESS)
    run(project, sys.executable, str(tmp_path / "script.py"), *COMMANDS)
    # As a user starts them; and as a module, when Python itself searches the current folder, unless asked not to.
    run(project, IMAGECLINIC, "status", "run")
    run(project, sys.executable, "-P", "-m", "imageclinic", "status", "run")


def test_the_python_interface(project: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(API)
    run(project, sys.executable, str(tmp_path / "script.py"), "data", "api-run", *LEARNING)


def test_the_app(project: Path) -> None:
    run(project, IMAGECLINIC, "audit", "data", "--out", "app-run", "--checks", "dark,exact_duplicate")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = [IMAGECLINIC, "review", "app-run", "--no-browser", "--port", str(port)]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as review:
        assert review.stdout
        lines = []
        for line in review.stdout:
            lines.append(line)
            if "Review as" in line:
                break
        assert review.poll() is None, "".join(lines)
        (host, path), *_ = re.findall(rf"http://(\S+:{port})(/\S+)", "".join(lines))
        # Browsers know every name below localhost; Python asks the system, which may not.
        link = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
        try:
            with urllib.request.urlopen(link, timeout=60) as page:
                assert page.status == 200
        finally:
            os.kill(review.pid, signal.SIGINT)
        rest = review.stdout.read()
    assert review.returncode == 0, rest
    log = (project / "app-run" / "review" / "server.log").read_text("utf-8", "replace")
    assert "current folder" not in "".join(lines) + rest + log
