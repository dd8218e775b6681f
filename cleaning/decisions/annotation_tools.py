"""Decisions from and for annotation tools: Label Studio (JSON) and CVAT (XML, "CVAT for images 1.1").

A task shows one image; it is answered with one of the classes, or with ``drop`` or ``unsure``. Formats:
https://labelstud.io/guide/task_format and https://docs.cvat.ai/docs/dataset_management/formats/xml_format/.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import pandas as pd

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import text_digest

#: Answers that are no class.
OTHERS = ("drop", "unsure")
#: Controls of the labelling configuration: the class, and what else can be decided.
LABEL, DECISION = "label", "decision"
#: What Label Studio's local storage serves files under.
LOCAL_FILES = "/data/local-files/?d="
_COLUMNS = ("image_id", "decision", "label", "reviewer")
_ID = "decision_id"


def label_studio_tasks(images: pd.DataFrame, prefix: str = LOCAL_FILES) -> str:
    """Tasks for Label Studio as JSON, in the order of `images`, the suggested label as a prediction.

    Args:
        images: image_id, label (the given one, nullable), suggested (nullable).
        prefix: of the images' addresses; the quoted image_id follows.
    """
    tasks = []
    for row in images.astype(object).where(images.notna(), None).to_dict("records"):
        name = str(row["image_id"])
        address = prefix + quote(os.fsencode(tables.to_path(name)))
        task: dict[str, Any] = {"data": {"image": address, "image_id": name, "given": row["label"] or ""}}
        if row["suggested"]:
            result = {
                "from_name": LABEL,
                "to_name": "image",
                "type": "choices",
                "value": {"choices": [row["suggested"]]},
            }
            task["predictions"] = [{"model_version": "imageclinic", "result": [result]}]
        tasks.append(task)
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


def label_studio_config(classes: Sequence[str]) -> str:
    """The labelling configuration that the tasks are made for."""
    choices = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in classes)
    others = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in OTHERS)
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n  <Text name="given" value="Given: $given"/>\n'
        f'  <Choices name="{LABEL}" toName="image" choice="single" showInline="true">\n{choices}\n  </Choices>\n'
        f'  <Choices name="{DECISION}" toName="image" choice="single" showInline="true">\n{others}\n  </Choices>\n'
        "</View>\n"
    )


def from_label_studio(file: Path, given: Mapping[str, str | None]) -> tuple[pd.DataFrame, list[str]]:
    """Decisions from Label Studio's JSON export; what annotators skipped is left out.

    Args:
        file: a JSON list of tasks with ``annotations``.
        given: image_id → given label; to name it is to keep the image.

    Returns:
        image_id, decision, label, reviewer (null where the annotation names nobody) and decision_id, the same for the
        same answer; and where each row stands.

    Raises:
        InputError: no such file, or an answer that is neither a class nor ``drop`` or ``unsure``.
    """
    try:
        tasks = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} can't be read: {error}", expected="Label Studio's export as JSON") from error
    rows, places = [], []
    try:
        for number, task in enumerate(tasks, start=1):
            for annotation in task["annotations"]:
                answers = {part["from_name"]: part["value"]["choices"] for part in annotation["result"]}
                if annotation.get("was_cancelled") or not (answers.get(LABEL) or answers.get(DECISION)):
                    continue
                place = f"task {task.get('id', number)}"
                name, decided = str(task["data"]["image_id"]), answers.get(DECISION)
                if decided and decided[0] not in OTHERS:
                    raise InputError(f"{file}, {place}: {decided[0]!r}", expected=" or ".join(OTHERS))
                answer = str(decided[0] if decided else answers[LABEL][0])
                who = _annotator(annotation.get("completed_by"))
                # Named, so that the same answer is not recorded twice when a later export is read.
                known = text_digest(json.dumps([task.get("project"), annotation.get("id"), name, who, answer]), 16)
                rows.append((name, *_decision(answer, given.get(name)), who, f"label-studio-{known}"))
                places.append(place)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(
            f"{file} is no export of our tasks: {error!r}",
            expected="a JSON list of tasks with data.image_id and annotations of choices",
            fix="make tasks with imageclinic review RUN --tasks FILE.json, and export as JSON, not JSON-MIN",
        ) from error
    return pd.DataFrame(rows, columns=[*_COLUMNS, _ID]), places


def cvat_tasks(images: pd.DataFrame, classes: Sequence[str]) -> str:
    """Annotations for CVAT as XML: a tag with the given label on each image of a task that holds these files.

    Args:
        images: image_id, label (nullable), width, height (nullable).
        classes: the labels of the task.
    """
    labels = "".join(
        f"<label><name>{_text(name)}</name><type>tag</type><attributes/></label>" for name in (*classes, *OTHERS)
    )
    lines = []
    for number, row in enumerate(images.astype(object).where(images.notna(), None).to_dict("records")):
        size = f'width="{row["width"] or 1}" height="{row["height"] or 1}"'
        tag = f'<tag label={quoteattr(row["label"])} source="manual"/>' if row["label"] else ""
        lines.append(f'  <image id="{number}" name={quoteattr(str(row["image_id"]))} {size}>{tag}</image>')
    body = "\n".join(lines)
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta><task><size>{len(lines)}</size><mode>annotation</mode><labels>{labels}</labels></task></meta>\n"
        f"{body}\n</annotations>\n"
    )


def from_cvat(file: Path, given: Mapping[str, str | None]) -> tuple[pd.DataFrame, list[str]]:
    """Decisions from CVAT's XML ("CVAT for images 1.1"), see `from_label_studio`. Images without a tag are left out;
    CVAT's file names no annotator."""
    try:
        images = ElementTree.parse(file).getroot().iter("image")  # noqa: S314 (expat limits what entities expand to)
        found = [(str(image.attrib["name"]), [tag.attrib["label"] for tag in image.iter("tag")]) for image in images]
    except (OSError, ElementTree.ParseError, KeyError) as error:
        raise InputError(f"{file} can't be read: {error}", expected="CVAT's export as CVAT for images 1.1") from error
    several = [name for name, tags in found if len(tags) > 1]
    if several:
        raise InputError(f"{file}: {several[0]!r} has several tags", expected="one tag an image")
    rows = [(name, *_decision(tags[0], given.get(name)), None) for name, tags in found if tags]
    return pd.DataFrame(rows, columns=_COLUMNS), [f"image {name!r}" for name, tags in found if tags]


def _decision(answer: str, given: str | None) -> tuple[str, str | None]:
    """Decision and new label that an answer means."""
    if answer in OTHERS:
        return answer, None
    return ("keep", None) if answer == given else ("relabel", answer)


def _annotator(completed_by: Any) -> str | None:
    """An annotator's name, as Label Studio exports it: an address, a name, or a number."""
    if isinstance(completed_by, dict):
        names = (completed_by.get("email"), completed_by.get("username"))
        full = " ".join(filter(None, (completed_by.get("first_name"), completed_by.get("last_name"))))
        return next((str(name) for name in (*names, full) if name), _annotator(completed_by.get("id")))
    return None if completed_by is None else f"annotator {completed_by}"


def _text(value: str) -> str:
    element = ElementTree.Element("a")
    element.text = value
    return ElementTree.tostring(element, encoding="unicode")[3:-4]


def read(file: Path, given: Mapping[str, str | None]) -> tuple[pd.DataFrame, list[str]] | None:
    """Decisions from a tool's file, by its suffix; None for other files."""
    readers = {".json": from_label_studio, ".xml": from_cvat}
    reader = readers.get(file.suffix.lower())
    return None if reader is None else reader(file, given)


def written(file: Path, images: pd.DataFrame, classes: Sequence[str], prefix: str) -> Iterator[tuple[Path, str]]:
    """The files of a set of tasks, by the suffix of `file`, and their content.

    Raises:
        InputError: for another suffix, and a class that is called like another answer.
    """
    if taken := sorted(set(OTHERS) & set(classes)):
        raise InputError(f"a class is called {taken[0]!r}", expected=f"no class called {' or '.join(OTHERS)}")
    if file.suffix.lower() == ".xml":
        yield file, cvat_tasks(images, classes)
    elif file.suffix.lower() == ".json":
        yield file, label_studio_tasks(images, prefix)
        yield file.with_suffix(".config.xml"), label_studio_config(classes)
    else:
        raise InputError(f"tasks in {file}", expected="a .json for Label Studio, or an .xml for CVAT")
