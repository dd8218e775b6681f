"""An export that is killed, finds the disk full or fails its proof leaves nothing behind and says what to do."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from imageclinic.cleaning.export import write_export
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.proof.outcome import Proof
from imageclinic.cleaning.export.proof.prove_export import verify
from imageclinic.core import tables
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.run import Run, open_run
from tests.cleaning.export.test_write_export import audited

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("only_equal_files_are_copies")]

ROOT = Path(__file__).resolve().parents[3]
FORMATS = ("folders", "imagefolder", "fiftyone", "tfrecord")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """200 files of 20 kB, as an audit leaves them."""
    root = tmp_path_factory.mktemp("interrupted") / "data"
    for n in range(200):
        file = root / ("even" if n % 2 == 0 else "odd") / f"{n:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(n.to_bytes(2, "big") * 10_000)
    opened: Run = audited(root)
    return opened


def exported(run: Run, out: Path, format: str = "folders", progress: Callable[[int, int], None] | None = None) -> None:
    dataset = run.read(tables.DATASET)
    split = ["train" if n % 4 < 2 else "test" for n in range(len(dataset))]
    splits = tables.frame(tables.SPLIT_TABLE, image_id=dataset["image_id"], split=split)
    none = pd.DataFrame(columns=["image_id", "change", "from_label", "to_label", "why", "reviewer"], dtype="str")
    content = write_export.CleanedDataset(dataset, splits, tables.empty(tables.CLUSTERS), none)
    write_export.export(content, run, out, ExportOptions(format=format), progress)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


SCRIPT = """
import sys
from pathlib import Path
from tests.cleaning.export.test_interruptions import exported
from imageclinic.core.run import open_run
run = open_run(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    exported(run, Path(sys.argv[2]) / "out", format=sys.argv[3])
    (Path(sys.argv[2]) / "out").rename(Path(sys.argv[2]) / "whole")
    __import__("shutil").rmtree(Path(sys.argv[2]) / "whole")
"""


def test_a_kill_at_any_moment_leaves_no_half(run: Run, tmp_path: Path) -> None:
    """One process exports again and again, and is killed; what bears OUT's name then is proven."""
    torn = kills = 0
    while kills < 3 or (not torn and kills < 20):
        folder = tmp_path / str(kills)
        folder.mkdir()
        command = [sys.executable, "-c", SCRIPT, str(run.path), str(folder), "folders"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(0.03 + 0.07 * kills)
            process.send_signal(signal.SIGKILL)
        kills += 1
        torn += any(name.startswith(".out.partial-") for name in left(folder))
        if (folder / "out").exists():
            assert all(proof.ok for proof in verify(folder / "out"))
            (folder / "out").rename(folder / "kept")
        exported(run, folder / "out")
        assert not [name for name in left(folder) if name.startswith(".")]
    assert torn, "no kill came while an export was under way"


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Lets no file grow beyond so many bytes, as a full disk does: pytest must not log meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [10_000, 22_000])
def test_a_full_disk(format: str, size: int, run: Run, tmp_path: Path) -> None:
    """With 10 kB no image fits, with 22 kB the images do and the manifest does not."""
    message = r"an't write .*Free space or fix that.*nothing of it is left"
    with pytest.raises(InputError, match=message), small_files(size):
        exported(run, tmp_path / "out", format=format)
    assert left(tmp_path) == []


def test_a_proof_that_fails_keeps_the_name_away(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def doubt(folder: Path, progress: object) -> list[Proof]:
        seen.append(sorted(path.name for path in folder.iterdir()))
        return [Proof("hashes", True, "fine"), Proof("copies", False, "1 pair in two splits: a = b")]

    monkeypatch.setattr(write_export, "verify", doubt)
    with pytest.raises(Failed, match=r"copies: 1 pair in two splits: a = b.*was not made"):
        exported(run, tmp_path / "out")
    assert seen == [["DATASET.md", "classes.json", "export.json", "manifest.csv", "test", "train"]]
    assert left(tmp_path) == []


def test_a_file_that_is_torn_while_it_is_written_is_found_before_the_name(run: Run, tmp_path: Path) -> None:
    def tear(done: int, total: int) -> None:
        for file in tmp_path.glob(".out.partial-*/*/even/100.png"):
            os.truncate(file, 1000)

    with pytest.raises(Failed, match=r"hashes: 1 changed: (train|test)/even/100\.png"):
        exported(run, tmp_path / "out", progress=tear)
    assert left(tmp_path) == []


def test_a_second_export_waits_for_nobody(run: Run, tmp_path: Path) -> None:
    tried = []

    def second(done: int, total: int) -> None:
        if not tried:
            tried.append(done)
            with pytest.raises(InputError, match=r"nother export to .* is running\. Wait for it, or give another OUT"):
                exported(open_run(run.path), tmp_path / "out")

    exported(run, tmp_path / "out", progress=second)
    assert tried and left(tmp_path) == ["out"]
