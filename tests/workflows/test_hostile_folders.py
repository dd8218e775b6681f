"""Runs and exports that somebody else made, or that are damaged: errors of ours in one line, and no write outside."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import imageclinic
from imageclinic.cleaning.export.proof import prove_export
from imageclinic.core.errors import Failed, InputError
from tests.cleaning.export.conftest import equal_files
from tests.conftest import LEARNING, picture

EXAMPLES = 25
STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 80, 0.5, float("nan"), float("inf"), "", "x", "../../up", "/etc/passwd", "a\0b", "\\x2e",
    "\ud800", [], {}, [None], {"a": None}, [[[]]], "=1+1",
)  # fmt: skip
HOSTILE_IDS = (
    "../outside.png",
    "/etc/passwd",
    "cat/../../outside.png",
    "cat/\0.png",
    "\\x2e\\x2e/x",
    "",
    ".." + "/x" * 3000,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, run, out (an export), all sound, and a file that nobody should read or change."""
    base = tmp_path_factory.mktemp("made")
    for at, label in enumerate(("cat", "dog")):
        (base / "data" / label).mkdir(parents=True)
        for n in range(8):
            picture(100 * at + n).save(base / "data" / label / f"{n}.png")
    picture(0).save(base / "data" / "dog" / "copy.png")
    picture(7).save(base / "outside.png")
    (base / "data" / "cat" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    imageclinic.audit(base / "data", base / "run", skip=LEARNING, workers=1)
    imageclinic.decide(base / "run", accept=["corrupted"])
    imageclinic.status(base / "run", stop_below=30)
    imageclinic.export(base / "run", base / "out", balance="weights")
    others = {
        "comparison": {
            "verdict": "v",
            "arms": {"original": {"n_train": 3, "original": {"accuracy": [0.5], "macro_f1": [0.5]}}},
            "delta": {},
        },
        "diagnosis": {
            "verdict": "v",
            "causes": [],
            "experiments": {"a": {"question": "q", "answer": "a", "effects": []}},
            "not_tested": {},
            "images": {"train": 3, "val": 3},
            "seeds": [0, 1],
        },
        "tuning": {
            "out": "out",
            "trials": [
                {"trial": 0, "state": "finished", "val_accuracy": 0.5, "options": {"dropout": 0.1}, "reason": ""}
            ],
            "space": {"dropout": {"low": 0.0, "high": 0.5, "log": False, "whole": False}},
            "words": ["w"],
            "importance": {"shares": []},
            "counts": {"finished": 1},
            "command": "c",
        },
    }
    for name, content in others.items():
        (base / "run" / f"{name}.json").write_text(json.dumps(content))
    return base


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """The proof compares bytes, not pictures, for that takes processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prove_export, "find_pairs", equal_files)
        yield


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@contextlib.contextmanager
def own_errors() -> Iterator[None]:
    """Errors of ours pass, when they are one line; all others fail the test."""
    try:
        yield
    except (InputError, Failed) as error:
        assert "\n" not in str(error) and len(str(error)) < 20_000, str(error)


def use(base: Path, folder: str) -> None:
    """Every command that reads a run, or an export."""
    run, out = base / "run", base / "out"
    of_a_run: list[Callable[[], Any]] = [
        lambda: imageclinic.status(run),
        lambda: imageclinic.report(run),
        lambda: imageclinic.decide(
            run, accept=["exact_duplicate", "near_duplicate", "conflicting_label"], dry_run=True
        ),
        lambda: imageclinic.decide(run, accept=["exact_duplicate"]),
        lambda: imageclinic.decide(run, undo=True),
        lambda: imageclinic.export(run, base / "new", balance="oversample"),
    ]
    of_an_export: list[Callable[[], Any]] = [
        lambda: imageclinic.verify(out),
        lambda: imageclinic.diff(out, base / "sound"),
    ]
    for call in {"run": of_a_run, "out": of_an_export}[folder]:
        with own_errors():
            call()


def strange_json(content: Any, draw: Any) -> Any:
    """The content with one value, at any depth, exchanged."""
    if isinstance(content, dict) and content and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(content)))
        return {**content, key: strange_json(content[key], draw)}
    if isinstance(content, list) and content and draw(st.integers(0, 4)):
        at = draw(st.integers(0, len(content) - 1))
        return [*content[:at], strange_json(content[at], draw), *content[at + 1 :]]
    return draw(st.sampled_from(STRANGE))


def strange_parquet(path: Path, draw: Any) -> None:
    """One column exchanged, dropped, doubled or made of another type; or the metadata dropped."""
    table = pq.read_table(path)
    if not table.num_columns:
        return
    at = draw(st.integers(0, table.num_columns - 1))
    name, rows = table.column_names[at], table.num_rows
    way = draw(
        st.sampled_from(
            ["drop", "double", "null", "text", "number", "nan", "ids", "bytes", "metadata", "empty", "twice"]
        )
    )
    column: Any = None
    if way == "drop":
        table = table.drop_columns([name])
    elif way == "metadata":
        table = table.replace_schema_metadata({b"pandas": b"{]", b"classes": b"[1", b"key": b"\xff", b"notes": b"7"})
    elif way == "empty":
        table = table.slice(0, 0)
    elif way == "twice":
        table = pa.concat_tables([table, table])
    elif way == "double":
        table = table.append_column(name, table.column(at))
    else:
        column = {
            "null": lambda: pa.nulls(rows),
            "text": lambda: pa.array([draw(st.sampled_from(["", "x", "train", "\ufffd", "9" * 40]))] * rows),
            "number": lambda: pa.array(np.full(rows, draw(st.sampled_from([-1, 0, 2**62])))),
            "nan": lambda: pa.array(np.full(rows, np.nan)),
            "ids": lambda: pa.array([draw(st.sampled_from(HOSTILE_IDS)) + str(n) for n in range(rows)]),
            "bytes": lambda: pa.array([b"\xff\0"] * rows),
        }[way]()
        table = table.set_column(at, name, column)
    pq.write_table(table, path)


def spoil(path: Path, base: Path, draw: Any) -> None:
    """Damage a file, or make it hostile."""
    data = path.read_bytes()
    ways = ["cut", "empty", "bytes", "zeros", "folder", "gone", "other", "link"]
    ways += {".json": ["json"] * 12, ".parquet": ["parquet"] * 12, ".csv": ["cell"] * 12}.get(path.suffix, [])
    way = draw(st.sampled_from(ways))
    if way == "cut":
        path.write_bytes(data[: draw(st.integers(0, len(data)))])
    elif way == "empty":
        path.write_bytes(b"")
    elif way == "zeros":
        path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    elif way == "bytes":
        at = draw(st.integers(0, max(0, len(data) - 1)))
        path.write_bytes(data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at + 1 :])
    elif way in ("folder", "gone", "link"):
        path.unlink()
        if way == "folder":
            path.mkdir()
        elif way == "link":
            path.symlink_to(base / "outside.png")
    elif way == "other":
        path.write_bytes(draw(st.sampled_from([f for f in sorted(base.rglob("*")) if f.is_file()])).read_bytes())
    elif way == "json":
        path.write_text(json.dumps(strange_json(json.loads(data), draw)), "utf-8", "surrogatepass")
    elif way == "parquet":
        strange_parquet(path, draw)
    else:
        rows = data.decode().split("\n")
        at = draw(st.integers(0, len(rows) - 1))
        cells = rows[at].split(",")
        to = draw(st.integers(0, len(cells) - 1))
        cells[to] = draw(
            st.sampled_from(
                ['"', '"../../outside.png"', "/etc/passwd", "", "x", "9" * 30, "nan", "-1", "1,2", "=1", "\0"]
            )
        )
        path.write_text("\n".join([*rows[:at], ",".join(cells), *rows[at + 1 :]]), "utf-8")


def check_spoiled(made: Path, base: Path, folder: str, draw: Any) -> None:
    for name in ("data", "run", "out"):
        shutil.copytree(made / name, base / name)
    shutil.copytree(made / "out", base / "sound")
    shutil.copy(made / "outside.png", base)
    info = json.loads((base / "run" / "run.json").read_text())
    (base / "run" / "run.json").write_text(json.dumps({**info, "root": str(base / "data")}))
    files = [f for f in sorted((base / folder).rglob("*")) if f.is_file() and not f.name.endswith(".lock")]
    before = content_of(base / "data"), content_of(base / "sound"), (base / "outside.png").read_bytes()
    spoil(draw(st.sampled_from(files)), base, draw)
    use(base, folder)
    assert (content_of(base / "data"), content_of(base / "sound"), (base / "outside.png").read_bytes()) == before
    assert {f.name for f in base.iterdir()} <= {"data", "run", "out", "sound", "new", "outside.png"}


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["run", "out"])
def test_no_traceback_and_no_write_outside(folder: str, made: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        phases=[Phase.generate],
    )
    @given(st.data())
    def spoiled(data: Any) -> None:
        base = tmp_path_factory.mktemp("spoiled")
        try:
            check_spoiled(made, base, folder, data.draw)
        finally:
            shutil.rmtree(base)

    spoiled()
