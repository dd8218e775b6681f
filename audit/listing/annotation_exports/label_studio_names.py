"""What Label Studio's formats share: which field of a task is the image, which question is the label, and how images
are named: by an address, a path in Label Studio (``/data/upload/1/ab12cd34-cat.jpg``) or in its storage
(``/data/local-files/?d=pets/cat.jpg``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from imageclinic.audit.listing.annotation_exports.export_source import Named
from imageclinic.audit.listing.packed.member_kind import may_be_image
from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few

#: Questions that are taken for the label where there are several.
_USUAL = ("choice", "label", "class", "category")
# Uploaded files have eight digits put before their names.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")


def named(reference: str, label: str | None) -> Named:
    """An image by what a task says of where it is. Without folders in its way it is looked for by the end of its path;
    an uploaded one also by the name that it had before."""
    path = _path(reference)
    folder, slash, last = path.rpartition("/")
    before = _UPLOADED.sub("", last)
    return Named(path, label, None, ("",), (f"{folder}{slash}{before}",) if before != last else ())


def image_key(tasks: Sequence[Mapping[str, Any]], where: str) -> str:
    """The field of a task's data that holds the image.

    Raises:
        InputError: none does, or more than one.
    """
    keys = dict.fromkeys(str(key) for task in tasks for key in task)
    found = [key for key in keys if any(looks_like_image(task.get(key)) for task in tasks)]
    if "image" in keys and (not found or "image" in found):
        return "image"
    if len(found) != 1:
        what = (
            f"images in several fields ({few(found)})" if found else f"no field with an image; it has {few(list(keys))}"
        )
        raise InputError(f"{where} is an export of Label Studio with {what}", expected="tasks with one image each")
    return found[0]


def looks_like_image(value: Any) -> bool:
    """Whether a value is the path or address of an image."""
    return isinstance(value, str) and may_be_image(_path(value))


def question(asked: Mapping[str, int], chosen: str | None, where: str) -> str:
    """The question whose answers are the labels.

    Args:
        asked: question → how many answers it has.
        chosen: what the user named.
        where: what messages call the export.

    Raises:
        InputError: it was not asked; or several were, and none has a usual name.
    """
    names = list(asked) if chosen is None else [name for name in asked if name == chosen]
    usual = [name for name in _USUAL if name in names]
    if len(names) == 1 or usual:
        return usual[0] if usual else names[0]
    raise InputError(
        f"{where} answers the questions {few(list(asked))}",
        expected="one that says the class" if chosen is None else f"one of them, and not {chosen!r}",
        fix="name it with --label-column (in Python: columns={'label': …})",
    )


def _path(reference: str) -> str:
    """The path in an address: relative, as it is below the folder of the storage."""
    if "?d=" in reference:
        return unquote(reference.split("?d=", 1)[1].split("&", 1)[0])
    try:
        parts = urlsplit(reference)
    except ValueError:
        return reference
    if parts.scheme in ("http", "https", "s3", "gs", "azure-blob", "redis") or reference.startswith("/data/upload/"):
        return unquote(parts.path).removeprefix("/data/upload").lstrip("/")
    return reference
