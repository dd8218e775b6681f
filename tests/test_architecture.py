"""The layering of the house, held by reading the imports: core ← rooms ← workflows ← cli."""

from __future__ import annotations

import ast
import functools
import importlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import imageclinic

ROOT = Path(__file__).resolve().parents[1]
#: Folder of the repository → the package that it is.
PLACES = {
    "imageclinic/core": "imageclinic.core",
    "audit": "imageclinic.audit",
    "cleaning": "imageclinic.cleaning",
    "training": "imageclinic.training",
    "sample_data": "imageclinic.sample_data",
    "imageclinic/report": "imageclinic.report",
    "imageclinic/workflows": "imageclinic.workflows",
    "imageclinic/cli": "imageclinic.cli",
}
ROOMS = (
    "imageclinic.audit",
    "imageclinic.cleaning",
    "imageclinic.training",
    "imageclinic.sample_data",
    "imageclinic.report",
)
MODULES = sorted(p for place in PLACES for p in (ROOT / place).rglob("*.py"))
#: Edges between rooms that are wanted: (from, to) → why. One that nothing uses fails.
EDGES: dict[tuple[str, str], str] = {
    ("cleaning/decisions", "imageclinic.audit.runner"): "a check says how urgent it is and what it is about",
    ("cleaning/export/formats", "imageclinic.training"): "records are written and read by TensorFlow",
    ("cleaning/export/proof", "imageclinic.audit.copies"): "the proof searches copies again",
    ("cleaning/export/proof", "imageclinic.audit.scan"): "the proof searches copies again",
    ("cleaning/trust", "imageclinic.audit.runner"): "a check says what it is about",
    ("cleaning/review", "imageclinic.audit.runner"): "a check says how urgent it is",
}
#: Library → where it may be imported.
HOMES = {
    "tensorflow": ("training/", "imageclinic/workflows/doctor.py"),
    "keras": ("training/", "imageclinic/workflows/doctor.py"),
    "keras_hub": ("training/embed/hub_preset.py",),
    "kagglehub": ("training/embed/hub_preset.py",),
    "fiftyone": ("cleaning/review/",),
    "hypercorn": ("cleaning/review/door/",),
    "starlette": ("cleaning/review/door/",),
    "optuna": ("training/tune/",),
    "sqlalchemy": ("training/tune/",),
    "cleanlab": ("audit/labels/", "audit/checks/"),
    "imagehash": ("audit/scan/", "audit/copies/"),
    "cv2": ("audit/copies/local_differences.py", "audit/copies/laid_over/keypoint_alignment.py"),
    "fsspec": ("imageclinic/core/stores/store.py",),
    "ray": ("imageclinic/core/engines/ray_engine.py",),
    "rich": ("imageclinic/cli/",),
    "typer": ("imageclinic/cli/",),
}
HEAVY = {
    "tensorflow",
    "keras",
    "keras_hub",
    "fiftyone",
    "optuna",
    "pandas",
    "pyarrow",
    "sklearn",
    "scipy",
    "ray",
    "fsspec",
}
#: Libraries of extras: they need not be there, and are imported where they are used.
EXTRAS = ("keras_hub", "kagglehub", "ray", "fsspec", "s3fs")
#: Folders where every file is one of a kind, found by walking.
OPEN_ENDED = (
    "audit/checks",
    "audit/listing/annotation_exports/formats",
    "audit/listing/packed/formats",
    "cleaning/export/formats",
    "training/models/rungs",
    "training/diagnose/experiments",
    "imageclinic/cli/commands",
    "imageclinic/workflows",
)
#: The most files of another folder, and lines of a file.
MOST_FILES, MOST_LINES = 13, 300


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def package_of(path: Path) -> str:
    here = relative(path)
    return next(package for place, package in PLACES.items() if here.startswith(f"{place}/"))


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Dotted names of all modules that a file imports, lazily or not; `from a import b` gives a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {"relative import"} if node.level else {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def allowed(path: Path) -> list[str]:
    """The packages of ours that a module may import."""
    package, here = package_of(path), relative(path)
    if package == "imageclinic.cli":
        return ["imageclinic"]
    if package == "imageclinic.workflows":
        return ["imageclinic.core", *ROOMS, "imageclinic.workflows", "imageclinic.__version__"]
    edges = [to for (place, to) in EDGES if here.startswith(place)]
    return ["imageclinic.core"] if package == "imageclinic.core" else ["imageclinic.core", package, *edges]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_stay_in_their_layer(path: Path) -> None:
    names = imported(path)
    assert "relative import" not in names, "absolute imports only"
    foreign = {n for n in names if within(n, "imageclinic") and not any(within(n, a) for a in allowed(path))}
    assert not foreign, f"{relative(path)} may not import {sorted(foreign)}"
    assert not {"imageclinic.audit", "imageclinic.report"} & names, "these names are the API's functions"


def test_no_edge_is_listed_in_vain() -> None:
    for (place, to), reason in EDGES.items():
        assert reason
        assert any(within(n, to) for p in MODULES if relative(p).startswith(place) for n in imported(p)), (place, to)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_libraries_stay_at_home(path: Path) -> None:
    here = relative(path)
    for library, homes in HOMES.items():
        if any(within(name, library) for name in imported(path)):
            assert here.startswith(homes), f"{library} belongs in {homes}, not in {here}"


def test_extras_are_imported_inside_functions() -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for path in MODULES:
        tree = ast.parse(path.read_text("utf-8"))
        inside = {each for node in ast.walk(tree) if isinstance(node, functions) for each in ast.walk(node)}
        for node in ast.walk(tree):
            if node not in inside and isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [str(node.module)]
                assert not [n for n in names if any(within(n, extra) for extra in EXTRAS)], relative(path)


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
    assert not loaded_after(f"exec({code!r})") & HEAVY


def test_audit_loads_neither_tensorflow_nor_fiftyone() -> None:
    code = "from imageclinic.audit import runner; runner.load()"
    assert not loaded_after(code) & {"tensorflow", "keras", "fiftyone"}


def test_tensorflow_is_loaded_where_a_command_shows_it() -> None:
    names = ("train", "tune", "compare", "diagnose", "rerank", "check", "audit")
    code = "; ".join(f"import imageclinic.workflows.{name}" for name in names)
    assert not loaded_after(code) & {"tensorflow", "keras", "fiftyone"}


@pytest.mark.slow
def test_a_default_audit_of_photographs_needs_no_tensorflow(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for at in range(12):
            coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
            coarse.resize((160, 120)).save(tmp_path / "pets" / name / f"{at}.jpg")
    data, out = str(tmp_path / "pets"), str(tmp_path / "run")
    loaded = loaded_after(f"import imageclinic; imageclinic.audit({data!r}, {out!r})")
    made = pq.read_table(tmp_path / "run" / "predictions.parquet")
    assert made.num_rows == 24
    model = pq.read_schema(tmp_path / "run" / "embeddings.parquet").metadata[b"model"]
    assert model == b"efficientnet_lite2"
    assert "openvino" in loaded
    assert not loaded & {"tensorflow", "keras"}


def test_every_module_says_what_it_is_for() -> None:
    assert not [relative(p) for p in MODULES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]


def test_rooms_are_small() -> None:
    lines = {relative(p): len(p.read_text("utf-8").splitlines()) for p in MODULES}
    assert not {file for file, n in lines.items() if n > MOST_LINES}
    files = Counter(p.parent for p in MODULES if p.name != "__init__.py")
    full = {relative(folder): n for folder, n in files.items() if n > MOST_FILES}
    assert set(full) <= set(OPEN_ENDED)


def test_names_that_occur_twice_are_those_of_commands_checks_and_experiments() -> None:
    names: dict[str, list[str]] = {}
    for path in MODULES:
        if path.name != "__init__.py":
            names.setdefault(path.stem, []).append(relative(path))
    twins = [places for places in names.values() if len(places) > 1]
    # A check or an experiment has the name of what it looks for, a command that of what it does.
    assert not [places for places in twins if not any(str(Path(p).parent) in OPEN_ENDED for p in places)]


def test_the_api_is_the_workflows() -> None:
    workflows = {p.stem for p in (ROOT / "imageclinic/workflows").glob("*.py")} - {"__init__"}
    assert set(imageclinic.__all__) == workflows | {"__version__"}
    tree = ast.parse((ROOT / "imageclinic/__init__.py").read_text("utf-8"))
    typed = {
        n.names[0].name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and "workflows" in (n.module or "")
    }
    assert typed == workflows
    importlib.import_module("imageclinic.audit.runner")
    importlib.import_module("imageclinic.report.build")
    for name in workflows:
        assert getattr(imageclinic, name).__name__ == name, "a folder of the same name has taken the function's place"
