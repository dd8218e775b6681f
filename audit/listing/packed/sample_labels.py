"""WebDataset's samples: files of one name with several suffixes, ``0001.jpg`` and ``0001.cls``. What says the label."""

from __future__ import annotations

import json
from typing import Any

from imageclinic.audit.listing.packed.packed_source import Annotation
from imageclinic.core.errors import InputError

#: Suffixes of files that may say the label, the one that is believed first.
KINDS = ("cls", "label", "json", "txt")
#: Longer files say no label.
LONGEST = 1 << 20
_LONGEST_LABEL = 200
_KEYS = ("label", "class", "cls", "class_name", "category", "label_name", "target")
_OTHER_TASKS = {
    "boxes or masks": ("bbox", "bboxes", "boxes", "annotations", "objects", "segmentation", "segments", "polygons"),
}


def sample_stem(name: str) -> tuple[str, str]:
    """A member's name up to the first dot of its last component, and what follows that dot: WebDataset's rule."""
    folder, slash, last = name.rpartition("/")
    stem, _, kind = last.partition(".")
    return f"{folder}{slash}{stem}", kind.lower()


def annotation(name: str, data: bytes, where: str) -> Annotation:
    """What a file beside an image says.

    Raises:
        InputError: it says several labels, or boxes and no label: another task.
    """
    stem, kind = sample_stem(name)
    text = data.decode("utf-8", "replace").strip()
    label = _of_json(text, f"{where}, {name}") if kind == "json" else text
    plain = label is not None and 0 < len(label) <= _LONGEST_LABEL and "\n" not in label
    return Annotation(name, stem, kind, label if plain else None)


def _of_json(text: str, where: str) -> str | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(content, str | int) and not isinstance(content, bool):
        return str(content)
    if not isinstance(content, dict):
        return None
    value = next((content[key] for key in _KEYS if content.get(key) is not None), None)
    if value is None:
        for what, keys in _OTHER_TASKS.items():
            if any(content.get(key) for key in keys):
                raise another_task(where, what)
        return None
    return _one(value, where)


def _one(value: Any, where: str) -> str | None:
    if isinstance(value, list):
        if len(value) > 1:
            raise another_task(where, f"several labels for one image ({value[0]!r}, {value[1]!r})")
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("name", value.get("id"))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None or isinstance(value, bool | list | dict) else str(value)


def another_task(where: str, what: str) -> InputError:
    """The error for data that means more than one class for each image."""
    return InputError(
        f"{where} has {what}",
        expected="image classification: one class for each image",
        fix="imageclinic audits no detection or segmentation data: give each image one class, in folders or in a "
        "manifest with the columns path and label; where an image has several (multi-label), join them in that column "
        "and name what separates them: --label-separator '|' (label_separator= in Python)",
    )
