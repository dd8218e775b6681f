"""Names and labels are hostile: nothing that a terminal would act on leaves any command."""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

import imageclinic
from imageclinic.cli import app
from imageclinic.cli.commands import load
from imageclinic.cli.safe_text import safe, safe_json
from imageclinic.cli.terminal import Terminal
from imageclinic.core.errors import Failed, InputError
from tests.cli.conftest import Run
from tests.conftest import picture

ROOT = Path(__file__).resolve().parents[2]
#: Sets the window's title, writes to the clipboard, moves the cursor, in seven and in eight bits; turns letters around.
EVIL = "a\x1b]0;title\x07b\x1b]52;c;eA==\x1b\\c\x1b[2Jd\x9b2Je\u202ef\u2066g\u200fh\u2028i\rj\x7fk"
ACTED_ON = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def unsafe(text: str) -> list[str]:
    return sorted(set(ACTED_ON.findall(text)))


def test_what_a_terminal_acts_on_is_written_out() -> None:
    assert unsafe(safe(EVIL)) == []
    assert safe("a\x1b[2Jb\u202ec\x9bd\udcffe") == "a\\x1b[2Jb\\u202ec\\x9bd\\udcffe"
    assert safe("two\nlines\tand tab") == "two\\nlines\\tand tab"
    assert safe("two\nlines\tand tab", lines=True) == "two\nlines\tand tab"
    plain = "Müller/日本語/שלום/हिन्दी 👩‍👩‍👧 ½ – …"
    assert safe(plain) == plain
    assert json.loads(safe_json({EVIL: [EVIL]})) == {EVIL: [EVIL]}
    assert unsafe(safe_json({EVIL: [EVIL]}, indent=2)) == []


def test_every_way_to_print_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        terminal = Terminal(as_json)
        terminal.say(EVIL)
        terminal.say(EVIL, lines=True)
        terminal.title(EVIL)
        terminal.proof(EVIL, EVIL, ok=True)
        terminal.table(pd.DataFrame({EVIL: [EVIL], "outcome": [EVIL]}), title=EVIL)
        with terminal.stage(EVIL):
            pass
        terminal.result({EVIL: EVIL})
        printed = "".join(capsys.readouterr())
        assert "52;c;eA==" in printed
        assert unsafe(printed) == []


@pytest.mark.parametrize("error", [InputError, Failed, ValueError, KeyError])
@pytest.mark.parametrize("command", [name for name in load() if name not in ("demo", "doctor")])
def test_errors_of_every_command_are_safe(
    command: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever its function of the API raises about a hostile name."""

    def fail(*args: object, **options: object) -> None:
        raise error(f"the image {EVIL}")

    monkeypatch.setattr(f"imageclinic.{command}", fail)
    needed = [
        name
        for name, parameter in inspect.signature(load()[command]).parameters.items()
        if parameter.default is inspect.Parameter.empty and name not in ("options", "settings")
    ]
    place = ["--out", "x"] if command == "export" else []  # an argument or an option, one of them is needed
    monkeypatch.setattr(sys, "argv", ["imageclinic", command, *["x"] * len(needed), *place])
    with pytest.raises(SystemExit) as end:
        app.main()
    printed = "".join(capsys.readouterr())
    assert end.value.code == {InputError: 2}.get(error, 1), printed
    assert "52;c;eA==" in printed
    assert unsafe(printed) == []


@pytest.mark.parametrize("command", [*load(), EVIL])
@pytest.mark.parametrize("words", [["--no\x1b]0;x\x07"], ["a\x1b[2J", "b\x9bc", "d\u202e", "e"]])
def test_wrong_usage_of_every_command_is_safe(
    command: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a shell expands to the names of hostile files."""
    monkeypatch.setattr(sys, "argv", ["imageclinic", command, *words])
    with pytest.raises(SystemExit) as end:
        app.main()
    printed = "".join(capsys.readouterr())
    assert end.value.code == 2
    assert unsafe(printed) == []


@pytest.mark.slow
def test_a_hostile_dataset_through_the_commands(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes and files with such names: audited, decided about, exported, verified, compared."""
    label = EVIL.replace("/", "_")
    for at, name in enumerate(("plain", label)):
        folder = tmp_path / f"data-{label}" / name
        folder.mkdir(parents=True)
        for n in range(12):
            picture(100 * at + n % 11).save(folder / f"{label}{n}.png")
    (folder / f"{label}broken.png").write_bytes(b"")
    data, to, out = tmp_path / f"data-{label}", tmp_path / f"run-{label}", tmp_path / f"out-{label}"
    monkeypatch.setenv("IMAGECLINIC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TERM", "xterm")
    commands = [
        ["audit", data, "--out", to, "--checks", "corrupted,exact_duplicate,class_imbalance"],
        ["audit", data, "--out", to, "--checks", "corrupted,exact_duplicate,class_imbalance", "--json"],
        ["decide", to, "--accept", "exact_duplicate", "--dry-run"],
        ["decide", to, "--accept", "exact_duplicate"],
        ["decide", to, "--from", tmp_path / f"none-{label}.csv", "--reviewer", "ann"],
        ["status", to],
        ["status", to, "--json"],
        ["export", to, out],
        ["export", to, out],
        ["verify", out],
        ["verify", out, "--json"],
        ["export", to, f"{out}-2", "--seed", "5", "--split", "0.5/0.1/0.4"],
        ["diff", out, f"{out}-2"],
        ["report", to],
        ["train", tmp_path / f"no-{label}"],
        ["compare", tmp_path / f"no-{label}"],
    ]
    shown = ""
    for command in commands:
        done = run(*command)
        printed = done.stdout + done.stderr
        assert "Traceback" not in printed, printed
        assert unsafe(printed) == [] and "\ufffd" not in printed, command[0]
        shown += printed
    assert shown.count("52;c;eA==") > 10, "the names are shown, written out"


def test_only_one_place_prints_for_each_kind_of_screen() -> None:
    """Whoever printed past `Terminal`, or what serves notebooks, would print foreign text as it is."""
    found = []
    for folder in ("cli", "workflows", "core", "report"):
        for path in (ROOT / "imageclinic" / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            if re.search(r"(?<![\w.])print\(|\becho\(|sys\.std(out|err)\.write|console\.print", text):
                found.append(path.relative_to(ROOT / "imageclinic").as_posix())
    assert sorted(found) == ["cli/app.py", "cli/notebook_progress.py", "cli/terminal.py"]
    assert imageclinic.__name__ == "imageclinic"
