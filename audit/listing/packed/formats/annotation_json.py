"""JSON files of annotations (COCO and alike): mostly another task, which one sentence says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imageclinic.audit.listing.packed.packed_source import Reading, Source
from imageclinic.audit.listing.packed.sample_labels import another_task
from imageclinic.core.errors import InputError

PLACE = 90
_LARGEST = 1 << 29


def recognise(data: Any, reading: Reading) -> Source | None:
    """None for what is no JSON file.

    Raises:
        InputError: the file is one: what it holds, and what to give instead.
    """
    if not (isinstance(data, Path) and data.suffix.lower() in (".json", ".jsonl") and data.is_file()):
        return None
    content = None
    if data.stat().st_size <= _LARGEST:
        try:
            content = json.loads(data.read_bytes())
        except (ValueError, RecursionError, OSError):
            content = None
    if isinstance(content, dict) and isinstance(content.get("annotations"), list) and "images" in content:
        boxes = sum(1 for each in content["annotations"] if isinstance(each, dict) and each.get("bbox"))
        what = f"{boxes:,} boxes of objects (COCO)" if boxes else "annotations in COCO's format"
        raise another_task(str(data), what)
    raise InputError(
        f"{data} is a JSON file",
        expected="a folder, an archive, or a table of images",
        fix="write a .csv with the columns path and label into the folder above the images, and audit that",
    )
