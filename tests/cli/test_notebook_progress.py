"""Outside of a notebook nothing shows itself; inside, `tests/test_documentation.py` looks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import IPython
import pytest

from imageclinic.cli import notebook_progress


def given(*, stage: Any = None, say: Any = None, other: int = 0) -> tuple[Any, Any, int]:
    return stage, say, other


def silent(*, other: int = 0) -> int:
    return other


def test_only_a_kernel_gets_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notebook_progress.shown(given)(other=3) == (None, None, 3)
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=1))
    stage, say, other = notebook_progress.shown(given)(other=3)
    assert (stage, say, other) == (notebook_progress.stage, notebook_progress.say, 3)
    assert notebook_progress.shown(given)(say=print)[1] is print, "what the user gives is kept"
    assert notebook_progress.shown(silent)(other=4) == 4


def test_hostile_text_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert "<img" not in notebook_progress._bar("<img src=x onerror=alert(1)>", 1, 2)
    assert 'value="1" max="2"' in notebook_progress._bar("a", 1, 2)
    notebook_progress.say("a\x1b[2Jb")
    assert capsys.readouterr().out == "a\\x1b[2Jb\n"
