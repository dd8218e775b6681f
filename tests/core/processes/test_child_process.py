"""Children of ours don't import from the folder that we are started in."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imageclinic.core.processes import child_process


def test_modules_of_the_current_folder_are_not_imported(tmp_path: Path) -> None:
    for name in ("json.py", "random.py"):
        (tmp_path / name).write_text("raise ImportError('of the current folder')\n")
    command = child_process.python_module("json.tool", "--help")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    command.remove("-P")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode, "the test would show it"
