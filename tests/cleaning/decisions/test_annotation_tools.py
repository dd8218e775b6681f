"""Tasks for annotation tools, and their exports as decisions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import imageclinic
from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.reviewers import team_settings
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run
from tests.helpers.review_run import HOSTILE, MISLABELED, make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("tasks"))


@pytest.fixture
def run(made: Run) -> Run:
    made.decisions.unlink(missing_ok=True)
    shutil.rmtree(made.team, ignore_errors=True)
    return made


def annotated(task: dict[str, Any], number: int, who: Any, **answers: str) -> dict[str, Any]:
    """A task as Label Studio exports it, with one annotation of choices."""
    result = [
        {
            "id": f"r{number}",
            "from_name": control,
            "to_name": "image",
            "type": "choices",
            "value": {"choices": [answer]},
        }
        for control, answer in answers.items()
    ]
    annotation = {"id": number, "completed_by": who, "result": result, "was_cancelled": not answers}
    return {**task, "id": number, "project": 1, "annotations": [annotation]}


def test_label_studio_and_back(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "tasks.json"
    imageclinic.review(run, tasks=file, image_prefix="https://images/")
    tasks = json.loads(file.read_text("utf-8"))
    assert [task["data"]["image_id"] for task in tasks[:2]] == list(MISLABELED[:2])
    assert tasks[0]["data"]["image"] == f"https://images/{MISLABELED[0]}"
    assert tasks[1]["predictions"][0]["result"][0]["value"]["choices"] == [HOSTILE]
    config = ElementTree.parse(tmp_path / "tasks.config.xml")
    assert [choice.attrib["value"] for choice in config.iter("Choice")] == ["cat", "dog", "drop", "unsure"]

    ann, bob = {"id": 1, "email": "ann@example.org"}, 7
    answered = [
        annotated(tasks[0], 1, ann, label="cat"),
        annotated(tasks[1], 2, ann, label="dog"),
        annotated(tasks[2], 3, bob, decision="drop"),
        annotated(tasks[3], 4, bob),
    ]
    file.write_text(json.dumps(answered), "utf-8")
    imageclinic.decide(run, source=file)
    log = decision_log.read(run.decisions)
    assert log[["image_id", "decision", "reviewer"]].to_numpy().tolist() == [
        [MISLABELED[0], "relabel", "ann@example.org"],
        [MISLABELED[1], "keep", "ann@example.org"],
        [MISLABELED[2], "drop", "annotator 7"],
    ]
    assert log["confirmed"].tolist()[0] == "mislabeled" and log["label"].tolist()[0] == "cat"
    assert imageclinic.decide(run, source=file).empty, "a second time nothing is new"
    imageclinic.review(run, tasks=file)
    left = [task["data"]["image_id"] for task in json.loads(file.read_text("utf-8"))]
    assert not set(left) & set(MISLABELED[:3])


def test_an_image_for_two_persons_waits_for_the_second(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "tasks.json"
    team_settings.write(run, team_settings.TeamSettings(two_reviewers=(MISLABELED[0],)))
    for name in MISLABELED[:2]:
        person_decision.append(run, [name], "keep", reviewer="ann")
    for reviewer, waiting in (("", {MISLABELED[0]}), ("ben", set())):
        if reviewer:
            person_decision.append(run, [MISLABELED[0]], "keep", reviewer=reviewer)
        imageclinic.review(run, tasks=file)
        tasks = {task["data"]["image_id"] for task in json.loads(file.read_text("utf-8"))}
        assert tasks & set(MISLABELED[:2]) == waiting


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"data": {}, "annotations": [{"result": []}, 3]}]', "[", "[[]]"])
def test_other_files_are_refused(run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError):
        imageclinic.decide(run, source=file, reviewer="ann")
    assert not run.decisions.exists()


def test_cvat_and_back(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "tasks.xml"
    imageclinic.review(run, tasks=file)
    tree = ElementTree.parse(file)
    images = list(tree.iter("image"))
    assert images[0].attrib["name"] == MISLABELED[0] and images[0][0].attrib["label"] == "dog"
    for image, answer in zip(images, ("cat", "dog", "unsure"), strict=False):
        image[0].attrib["label"] = answer
    for image in images[3:]:
        image.clear()
        image.attrib["name"] = "left alone"
    tree.write(file)
    with pytest.raises(InputError, match="reviewer"):
        imageclinic.decide(run, source=file)
    imageclinic.decide(run, source=file, reviewer="cleo")
    log = decision_log.read(run.decisions)
    assert log["decision"].tolist() == ["relabel", "keep", "unsure"] and set(log["reviewer"]) == {"cleo"}
    with pytest.raises(InputError, match="json"):
        imageclinic.review(run, tasks=tmp_path / "tasks.txt")
