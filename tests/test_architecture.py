"""The layering of the house, held by reading the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("audit", "cleaning", "training", "report", "imageclinic", "sample_data")
MODULES = sorted(p for package in OURS for p in (ROOT / package).rglob("*.py"))
SHARED = ("imageclinic.core.tables", "imageclinic.core.errors", "imageclinic.core.run")
#: Modules that everything may import → what of ours they may import.
FOUNDATIONS: dict[str, tuple[str, ...]] = {
    "imageclinic/core/errors.py": (),
    "imageclinic/core/ids.py": (),
    "imageclinic/core/schema.py": (),
    "imageclinic/core/atomic.py": (),
    "imageclinic/core/tables.py": (
        "imageclinic.core.errors",
        "imageclinic.core.ids",
        "imageclinic.core.schema",
        "imageclinic.core.atomic",
    ),
}
#: Library → where it may be imported.
HOMES = {
    "tensorflow": ("training/", "imageclinic/workflows/doctor.py"),
    "keras": ("training/", "imageclinic/workflows/doctor.py"),
    "fiftyone": ("cleaning/review/", "cleaning/review/app.py", "cleaning/plugin/"),
    "optuna": ("training/",),
    "sqlalchemy": ("training/tune/studies.py",),
    "cleanlab": ("audit/labels/confident_learning.py", "audit/checks/"),
    "imagehash": ("audit/scan/scan.py", "audit/copies/full_decode_match.py"),
    "rich": ("imageclinic/",),
    "typer": ("imageclinic/cli/app.py", "imageclinic/commands/", "imageclinic/cli/docs_pages.py"),
}


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, lazily or not; `from a import b` gives a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            names.add("relative import")
    return names


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_stay_in_their_layer(path: Path) -> None:
    names, here = imported(path), relative(path)
    assert "relative import" not in names, "absolute imports only"
    if here in FOUNDATIONS:
        ours = {n for n in names if any(within(n, o) for o in OURS)}
        assert all(any(within(n, o) for o in FOUNDATIONS[here]) for n in ours)
    package = here.split("/")[0]
    if package in ("audit", "cleaning", "training", "report"):
        others = [o for o in OURS if o != package]
        foreign = {n for n in names if any(within(n, o) for o in others)}
        allowed = {n for n in foreign if n == "audit" or any(within(n, s) for s in SHARED)}
        assert foreign <= allowed, f"{here} may not import {sorted(foreign - allowed)}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_libraries_stay_at_home(path: Path) -> None:
    here = relative(path)
    for library, homes in HOMES.items():
        if any(within(name, library) for name in imported(path)):
            assert here.startswith(homes), f"{library} belongs in {homes}, not in {here}"


def loaded_after(code: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name.split(".")[0] for name in result.stdout.splitlines()[-1].split()}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['imageclinic', '--help']\nfrom imageclinic.cli.app import app\n"
        "try: app()\nexcept SystemExit: ..."
    )
    script = f"exec({code!r})"
    assert not loaded_after(script) & {
        "tensorflow",
        "keras",
        "fiftyone",
        "optuna",
        "pandas",
        "pyarrow",
        "sklearn",
        "scipy",
    }


def test_audit_loads_neither_tensorflow_nor_fiftyone() -> None:
    assert not loaded_after("import audit, imageclinic.audit.runner; imageclinic.audit.runner.load()") & {
        "tensorflow",
        "keras",
        "fiftyone",
    }


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        relative(p)
        for p in MODULES
        if p.read_text("utf-8").strip() and not ast.get_docstring(ast.parse(p.read_text("utf-8")))
    ]
    assert not silent
