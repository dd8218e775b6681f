"""Numbers, for all commands: every option that takes one has a range; what is out of it is one line and status 2."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest

import imageclinic
from imageclinic.audit import runner
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cli.app import main
from imageclinic.cli.commands import load
from imageclinic.cli.option_signature import numbers_of
from imageclinic.core.errors import InputError
from imageclinic.core.option_fields import Range

HUGE = "99999999999999999999"


def kinds(annotation: Any) -> set[Any]:
    """The types that a parameter takes."""
    kind = get_args(annotation)[0] if get_args(annotation) else annotation
    return set(get_args(kind)) or {kind}


def numbers() -> Iterator[Any]:
    """Every option of every command that takes a number: the command, the option, its range."""
    for command, function in load().items():
        for name, parameter in inspect.signature(function).parameters.items():
            if kinds(parameter.annotation) & {int, float}:
                yield pytest.param(command, name, numbers_of(parameter.annotation), id=f"{command}-{name}")


OPTIONS = list(numbers())


def wrong(range_: Range) -> list[str]:
    """Values that a range does not hold."""
    step = 1 if range_.whole else 0.5
    values = ["nan", "inf", "-inf", HUGE, str(range_.least - step), str(range_.most + step)]
    return [*values, *([str(range_.least)] if range_.above else []), *([str(range_.most)] if range_.below else [])]


def status_of(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "argv", ["imageclinic", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code


def test_the_walk_finds_options() -> None:
    assert {p.values[0] for p in OPTIONS} >= {"audit", "review", "export", "status", "train", "tune", "compare", "demo"}
    assert len(OPTIONS) > 40


@pytest.mark.parametrize(("command", "name", "range_"), OPTIONS)
def test_a_number_out_of_range_is_one_line_and_status_2(
    command: str, name: str, range_: Range | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert range_ is not None, "write it as Annotated[int, Option(…), Range(…)], or give the option a range"
    assert math.isfinite(range_.least) and math.isfinite(range_.most)
    option = f"--{name.replace('_', '-')}"
    needed = [n for n, p in inspect.signature(load()[command]).parameters.items() if p.default is p.empty]
    for value in wrong(range_):
        assert status_of([command, *("nowhere" for _ in needed), f"{option}={value}"], monkeypatch) == 2, value
        out, err = capsys.readouterr()
        assert not out
        assert err.count("\n") == 1 and option in err, err


@pytest.mark.parametrize(("command", "name", "range_"), OPTIONS)
def test_the_default_is_in_the_range(command: str, name: str, range_: Range) -> None:
    default = inspect.signature(load()[command]).parameters[name].default
    assert default is None or default in range_


@pytest.mark.parametrize("check", runner.load().values(), ids=lambda check: check.name)
def test_options_of_checks_have_ranges(check: runner.Check) -> None:
    for name, default in check.options.items():
        if type(default) not in (int, float):
            continue
        range_ = check.ranges[name]
        assert range_ is not runner.ANY_NUMBER, "ours say what they take: Annotated[float, Range(…)]"
        assert default in range_
        assert runner.parse_options([f"{check.name}.{name}={default}"]) == {check.name: {name: default}}
        for value in wrong(range_):
            with pytest.raises(InputError, match=f"{check.name}.{name}="):
                runner.parse_options([f"{check.name}.{name}={value}"])


def test_a_threshold_that_is_no_number_is_no_all_clear(
    folder: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["audit", str(folder), "--out", str(tmp_path / "run"), "--checks", "dark", "--fail-on", "dark"]
    assert status_of([*arguments, "--set", "dark.threshold=nan"], monkeypatch) == 2
    assert "dark.threshold=nan" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_numbers_in_texts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["export", "nowhere", "out", "--split", "nan,0.1,0.1"],
        ["export", "nowhere", "out", "--split", "9,rest,inf"],
        ["tune", "nowhere", "--over", "batch_size=1:" + HUGE],
        ["tune", "nowhere", "--over", "learning_rate=0.1,nan"],
        ["tune", "nowhere", "--over", "dropout=0:inf"],
        ["audit", "nowhere", "--fail-on", "dark:0"],
        ["audit", "nowhere", "--fail-on", "dark:-1"],
        ["audit", "nowhere", "--fail-on", "dark:²"],
        ["audit", "nowhere", "--fail-on", "dark:" + "9" * 5000],
    ):
        assert status_of(arguments, monkeypatch) == 2, arguments
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and arguments[-1][:20] in err.replace(", ", ","), err


@pytest.mark.parametrize(
    "call",
    [
        lambda v: imageclinic.audit("nowhere", workers=v),
        lambda v: imageclinic.audit("nowhere", timeout=v),
        lambda v: imageclinic.audit("nowhere", max_pixels=v),
        lambda v: imageclinic.audit("nowhere", seed=v),
        lambda v: imageclinic.review("nowhere", port=v),
        lambda v: imageclinic.compare("nowhere", seeds=v),
        lambda v: imageclinic.tune("nowhere", trials=v),
        lambda v: imageclinic.diagnose("nowhere", budget=v),
        lambda v: ExportOptions(seed=v),
    ],
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, int(HUGE), "3", True])
def test_the_python_api_has_the_same_ranges(call: Any, value: Any) -> None:
    with pytest.raises(InputError, match=r"Expected a (whole )?number (from|above) \d"):
        call(value)
