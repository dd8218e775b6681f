"""What the Python API makes of arguments of other types."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pandas as pd
import pytest

import imageclinic
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run
from imageclinic.training.compare.compare_options import CompareKeywords, CompareOptions
from imageclinic.training.diagnose.diagnose_options import DiagnoseKeywords, DiagnoseOptions
from imageclinic.training.fit.settings import Settings, TrainKeywords
from imageclinic.training.tune.search_options import SearchOptions, TuneKeywords
from imageclinic.workflows.audit import Audit
from imageclinic.workflows.steps.argument_types import checked
from tests.conftest import picture


def take(run: str | Path, data: str | Path | pd.DataFrame = "", to: str | Path | None = None, skip: Sequence[str] = ()):  # noqa: F821
    return run, data, to, skip


def test_a_name_is_a_list_of_one() -> None:
    assert checked(take)("a", skip="mislabeled")[3] == ["mislabeled"]
    assert checked(take)("a", skip=("dark", "blurry"))[3] == ["dark", "blurry"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"run": ["a"]},
            r"take\(run=…\) is list. Expected the path of a run folder, or what imageclinic.audit returned.",
        ),
        ({"run": np.zeros((2, 3))}, r"is ndarray of shape \(2, 3\)"),
        ({"run": None}, "is NoneType"),
        ({"run": "a", "data": ["x.jpg"]}, "or a frame with the columns path and label"),
        ({"run": "a", "to": 3}, r"take\(to=…\) is int. Expected a path."),
        ({"run": "a", "skip": 3}, "Expected a list of names"),
        ({"run": "a", "skip": ["dark", 3]}, "holds int"),
        ({"run": "a", "skip": {"dark": 1}}, "is dict"),
    ],
)
def test_other_types_are_one_line(given: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        checked(take)(**given)


def test_a_frame_and_what_an_audit_returned_are_taken(tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": []})
    assert checked(take)("a", data=frame)[1] is frame
    result = Audit(Run(tmp_path), frame, frame)
    assert Path(checked(take)(result)[0]) == tmp_path


def test_the_api_is_checked(tmp_path: Path) -> None:
    for n in range(4):
        path = tmp_path / "pets" / ("cat" if n % 2 else "dog") / f"{n}.gif"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(n).save(path, save_all=True, append_images=[picture(90 + n)])
    found = imageclinic.audit(tmp_path / "pets", tmp_path / "run", checks="dark", workers=1)
    assert set(found.outcomes.loc[found.outcomes["outcome"] != "skipped", "check"]) == {"dark"}
    assert any("several pages or frames" in note for note in found.notes)
    assert imageclinic.audit(tmp_path / "pets", tmp_path / "run", checks="dark").notes == found.notes
    assert imageclinic.status(found)["images"] == 4
    with pytest.raises(InputError, match="there is no check 'nodark'"):
        imageclinic.audit(tmp_path / "pets", tmp_path / "run", skip="nodark")
    with pytest.raises(InputError, match=r"status\(run=…\) is DataFrame"):
        imageclinic.status(found.issues)
    with pytest.raises(InputError, match=r"columns=\{'path'"):
        imageclinic.audit(pd.DataFrame({"file": ["a"], "label": ["b"]}), tmp_path / "other", root=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"can't write .*report.html.*--to FILE"):
        imageclinic.report(found, to=tmp_path / "file" / "report.html")
    assert imageclinic.report(found, to=tmp_path / "here.html").read_text().startswith("<!DOCTYPE html>")


KEYWORDS: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("train", TrainKeywords, (Settings,)),
    ("tune", TuneKeywords, (SearchOptions, Settings)),
    ("compare", CompareKeywords, (CompareOptions,)),
    ("diagnose", DiagnoseKeywords, (DiagnoseOptions,)),
]


@pytest.mark.parametrize(("command", "keywords", "options"), KEYWORDS)
def test_type_checkers_and_signatures_name_the_fields_of_the_options(
    command: str, keywords: Any, options: tuple[Any, ...]
) -> None:
    known = {each.name: get_type_hints(kind)[each.name] for kind in options for each in fields(kind)}
    assert get_type_hints(keywords) == known
    function = getattr(imageclinic, command)
    hints = inspect.get_annotations(inspect.unwrap(function))
    assert keywords.__name__ in str(hints.get("options", hints.get("settings"))), "as PEP 692 has it"
    parameters = inspect.signature(function).parameters
    assert set(known) < set(parameters)
    for kind in options:
        assert all(parameters[each.name].default == each.default for each in fields(kind))


@pytest.mark.parametrize(
    ("command", "name", "nearest"),
    [
        ("audit", "chekcs", "checks"),
        ("compare", "sedes", "seeds"),
        ("diagnose", "learningrate", "learning_rate"),
        ("train", "batchsize", "batch_size"),
        ("tune", "trial", "trials"),
        ("export", "reencoding", "reencode"),
    ],
)
def test_a_misspelt_option_names_the_nearest(command: str, name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=rf"imageclinic\.{command} .*'{name}'.*'{nearest}'"):
        getattr(imageclinic, command)("nowhere", **{name: 1})
