"""Options are defined once: the dataclasses load nothing heavy, and the command line shows their fields."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from imageclinic.cli.commands import load
from imageclinic.core.errors import InputError
from imageclinic.core.option_fields import listed
from imageclinic.training.compare.compare_options import CompareOptions
from imageclinic.training.diagnose.diagnose_options import DiagnoseOptions
from imageclinic.training.fit.settings import Settings
from imageclinic.training.tune import search_options
from imageclinic.training.tune.search_options import SearchOptions

COMMANDS: list[tuple[str, Any]] = [
    ("train", Settings),
    ("tune", SearchOptions),
    ("compare", CompareOptions),
    ("diagnose", DiagnoseOptions),
]


def test_they_load_neither_tensorflow_nor_optuna() -> None:
    code = (
        "import sys\nfrom imageclinic.cli.commands import load\nload()\n"
        "print({name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "typer" in loaded
    for heavy in ("tensorflow", "keras", "optuna", "numpy", "pandas"):
        assert f"'{heavy}'" not in loaded


@pytest.mark.parametrize(("command", "options"), COMMANDS)
def test_a_command_has_the_options_of_its_dataclass(command: str, options: Any) -> None:
    parameters = inspect.signature(load()[command]).parameters
    for field in fields(options):
        if "help" not in field.metadata:
            assert field.name not in parameters, "for the Python API alone"
            continue
        assert parameters[field.name].default == (field.default or None if field.default == () else field.default)


def test_numbers_out_of_range() -> None:
    with pytest.raises(InputError, match=r"dropout 1\. Expected a number from 0, below 1"):
        Settings(dropout=1)
    assert Settings(size=None).size is None
    with pytest.raises(InputError, match=r"learning rate 0\. Expected a number above 0, up to 100"):
        Settings(learning_rate=0)
    with pytest.raises(InputError, match=r"seeds 0\. Expected a whole number from 1 to 1,000"):
        CompareOptions(seeds=0)
    with pytest.raises(InputError, match="trials 0"):
        SearchOptions(trials=0)
    with pytest.raises(InputError, match=r"seeds 1\. Expected 0, for no test, or at least 2"):
        search_options.check(SearchOptions(seeds=1))
    with pytest.raises(InputError, match="budget inf"):
        DiagnoseOptions(budget=float("inf"))


def test_names_in_a_sentence() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a or b", "a, b or c"]
