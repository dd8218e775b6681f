"""An audit without models needs neither TensorFlow nor FiftyOne; what needs them says so in a line."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from imageclinic.core.errors import InputError
from imageclinic.core.processes.optional_packages import OPTIONAL, require, version

ROOT = Path(__file__).resolve().parents[3]
#: Takes the optional packages away, and what Windows has not; then the chain from an audit to an export.
CODE = """
import importlib.metadata, os, signal, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
known = importlib.metadata.version
def version(name):
    if name in PACKAGES:
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)
importlib.metadata.version = version
for name in ("O_NOCTTY", "O_DIRECTORY", "sched_getaffinity", "mkfifo", "killpg", "geteuid", "sysconf"):
    delattr(os, name)
del signal.SIGHUP, signal.SIGPIPE

import imageclinic
from imageclinic.core import atomic
from imageclinic.core.errors import InputError
atomic.fcntl = None

result = imageclinic.audit("pets", "run", skip=["too_few_images"])
states = dict(zip(result.outcomes["check"], result.outcomes["outcome"]))
assert "failed" not in states.values(), result.outcomes
reasons = dict(zip(result.outcomes["check"], result.outcomes["reason"]))
for check in ("mislabeled", "outlier"):
    assert states[check] == "not_applicable" and "pip install tensorflow keras" in reasons[check], reasons[check]
assert states["exact_duplicate"] == "found"
imageclinic.decide(result, accept=["exact_duplicate"])
imageclinic.status(result)
imageclinic.report(result)
imageclinic.export(result, "clean", allow_incomplete=True)
assert imageclinic.verify("clean")["ok"].all()
for call, named in (
    (lambda: imageclinic.review(result), "fiftyone"),
    (lambda: imageclinic.compare(result), "tensorflow"),
    (lambda: imageclinic.tune("clean"), "optuna"),
    (lambda: imageclinic.diagnose(result), "tensorflow"),
    (lambda: imageclinic.train("clean", to="trained"), "tensorflow"),
):
    try:
        call()
    except InputError as error:
        assert f"pip install {named}" in error.fix, error
    else:
        raise AssertionError(named)
lacking = imageclinic.doctor().query("state == 'lacking'")["what"]
assert set(PACKAGES) <= set(lacking), lacking
"""


def test_an_audit_without_models(folder: Path) -> None:
    (folder / "cat" / "copy.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    modules = sorted({module for module, _ in OPTIONAL.values()})
    code = f"MODULES, PACKAGES = {modules}, {sorted(OPTIONAL)}\n{CODE}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    require(*OPTIONAL)
    assert version("numpy") and version("no-such-package-of-ours") is None
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError) as error:
        require("optuna", "keras")
    assert error.value.fix.endswith("pip install optuna")


def test_the_documented_list_is_all_but_the_optional_ones() -> None:
    page = (ROOT / "docs/how-to/install.md").read_text("utf-8")
    listed = re.search(r"pip install --no-deps imageclinic\npip install ([^`]*?)\n```", page)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split(r"[<>=\[]", line)[0] for line in project["dependencies"]}
    assert set(OPTIONAL) < needed
    assert listed and set(listed[1].replace("\\", " ").split()) == needed - set(OPTIONAL)
