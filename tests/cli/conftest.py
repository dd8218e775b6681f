"""The command line in the process of the tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from imageclinic.cli.app import main


@dataclass
class Result:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Calls the entry point as the shell would; in this process, because TensorFlow takes seconds to import."""

    def call(*arguments: object, cwd: Path | None = None) -> Result:
        monkeypatch.setattr(sys, "argv", ["imageclinic", *map(str, arguments)])
        if cwd is not None:
            monkeypatch.chdir(cwd)
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        out, err = capfd.readouterr()
        return Result(status, out, err)

    return call
