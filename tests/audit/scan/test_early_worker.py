"""A worker process that waits for a scan."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import early_worker, scan
from imageclinic.core.run import create
from tests.conftest import picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(3):
        (tmp_path / "data" / "cat").mkdir(parents=True, exist_ok=True)
        picture(n).save(tmp_path / "data" / "cat" / f"{n}.png")
    return tmp_path / "data"


def scanned(folder: Path, out: Path) -> int:
    run, listing = create(out), image_listing.load(folder)
    return len(scan.scan(run, listing.images, listing.root, workers=1)[1])


def test_a_scan_takes_the_one_that_waits(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with early_worker.waiting(wanted=True):
        process = early_worker._waiting[0]
        monkeypatch.setattr(early_worker, "started", lambda: pytest.fail("another one was started"))
        assert scanned(folder, tmp_path / "run") == 3
        assert process.poll() is not None, "the scan has ended it"


def test_one_that_has_died_is_replaced(folder: Path, tmp_path: Path) -> None:
    with early_worker.waiting(wanted=True):
        early_worker._waiting[0].kill()
        early_worker._waiting[0].wait()
        assert scanned(folder, tmp_path / "run") == 3


def test_one_that_nobody_took_ends_with_its_context_and_with_us() -> None:
    with early_worker.waiting(wanted=False):
        assert early_worker.taken() is None
    with early_worker.waiting(wanted=True):
        process = early_worker._waiting[0]
    assert process.returncode is not None and early_worker.taken() is None
    code = (
        "import os, sys; from imageclinic.audit.scan import early_worker\n"
        "process = early_worker.started(); print(process.pid, flush=True); os._exit(0)"
    )
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended already
        psutil.Process(int(left.stdout)).wait(timeout=60)
    assert not psutil.pid_exists(int(left.stdout))


def test_it_is_light() -> None:
    """It is to be started before anything heavy is imported."""
    code = "import sys; from imageclinic.audit.scan import early_worker; print({'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
