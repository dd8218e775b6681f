"""Label Studio's JSON: a list of tasks, each with its data and the annotations of one or more persons.

Source: Label Studio's documentation, "Task format" and "Export annotations".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from imageclinic.audit.listing.annotation_exports.export_source import Export, Given, Named, records, text
from imageclinic.audit.listing.annotation_exports.label_studio_names import image_key, named, question
from imageclinic.audit.listing.annotation_exports.one_label import one_of

PLACE = 10
_NOT_IMAGE = frozenset(("choices", "textarea", "rating", "number", "datetime"))


def recognise(given: Given) -> Export | None:
    """The file that was given."""
    tasks = given.json
    if not (isinstance(tasks, list) and tasks and all(_is_task(task) for task in tasks)):
        return None
    where = str(given.place)
    key = image_key([task["data"] for task in tasks], where)
    answers = [list(_answers(task)) for task in tasks]
    asked = Counter(name for each in answers for person in each for name in person)
    chosen = question(asked, given.label, where) if asked else None
    images: list[Named] = []
    labels: dict[str, list[str]] = {}
    for at, (task, persons) in enumerate(zip(tasks, answers, strict=True)):
        image = text(task["data"].get(key)) or ""
        found = [person[chosen] for person in persons if chosen in person] if chosen is not None else []
        for person, one in enumerate(found):
            labels[f"{image} ({at}, {person})"] = one
        firsts = [one[0] for one in found if one]
        images += [named(image, label) for label in firsts] or [named(image, None)]
    parts = sum(
        1 for task in tasks for person in _annotations(task) for each in records(person, "result") if _part(each)
    )
    return Export(
        "Label Studio",
        given.root,
        images,
        questions=True,
        notes=one_of(where, labels, parts, "boxes or shapes (Label Studio)"),
    )


def _is_task(task: Any) -> bool:
    return (
        isinstance(task, dict)
        and isinstance(task.get("data"), dict)
        and bool({"annotations", "completions"} & task.keys())
    )


def _annotations(task: dict[str, Any]) -> list[dict[str, Any]]:
    """What persons annotated, without what they skipped; of a task with a ground truth only that."""
    key = "annotations" if "annotations" in task else "completions"
    done = [each for each in records(task, key) if not each.get("was_cancelled")]
    return [each for each in done if each.get("ground_truth")] or done


def _answers(task: dict[str, Any]) -> Iterator[dict[str, list[str]]]:
    """Of each person: question → the choices for the whole image."""
    for annotation in _annotations(task):
        answers: dict[str, list[str]] = {}
        for each in records(annotation, "result"):
            value = each.get("value")
            if each.get("type") == "choices" and isinstance(value, dict) and not _part(each):
                choices = value.get("choices")
                found = [name for one in choices if (name := text(one))] if isinstance(choices, list) else []
                answers.setdefault(str(each.get("from_name", "choice")), []).extend(found)
        yield answers


def _part(result: dict[str, Any]) -> bool:
    """Whether a result is of a part of the image."""
    value = result.get("value")
    return isinstance(value, dict) and (
        result.get("type") not in _NOT_IMAGE or bool({"x", "points", "rle"} & value.keys())
    )
