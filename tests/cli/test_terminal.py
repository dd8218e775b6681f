"""What the terminal does to lines: prose wraps at words, commands and pipes are left whole."""

from __future__ import annotations

import pandas as pd
import pytest

from imageclinic.cli.terminal import Terminal

LONG = "  the perfect model would measure an accuracy of about ninety-six percent on the labels of the test images"


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_prose_wraps_at_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Terminal(as_json=False).say(LONG)
    lines = printed(capsys)
    assert max(map(len, lines)) <= 40
    assert " ".join(line.strip() for line in lines) == LONG.strip()
    assert all(line.startswith("  ") for line in lines), "the indent is kept"


def test_headings_wrap_at_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Terminal(as_json=False).title(LONG.strip())
    lines = printed(capsys)
    assert lines[0] == "" and max(map(len, lines)) <= 40
    assert " ".join(lines[1:]) == LONG.strip()


def test_a_long_name_and_a_command_are_left_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    terminal = Terminal(as_json=False)
    terminal.say("see /a/very/long/path/that/no/line/holds.png")
    terminal.command("imageclinic decide /tmp/run --accept split_leakage --dry-run")
    assert printed(capsys) == [
        "see",
        "/a/very/long/path/that/no/line/holds.png",
        "imageclinic decide /tmp/run --accept split_leakage --dry-run",
    ]


def test_a_pipe_gets_whole_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    Terminal(as_json=False).say(LONG)
    assert printed(capsys) == [LONG]


def test_counts_are_whole_numbers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    frame = pd.DataFrame({"check": ["a", "b"], "planted": [10.0, None], "precision": [1.0, 0.5]})
    Terminal(as_json=False).table(frame, right=("planted", "precision"))
    text = capsys.readouterr().out
    assert "10.00" not in text
    assert "10" in text
    assert "1.00" in text, "a share of one is no count"
