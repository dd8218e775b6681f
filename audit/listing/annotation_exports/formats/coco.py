"""COCO's JSON where an image has one category: images, categories, and annotations without boxes, or with boxes of the
whole image. A file; in a folder, _annotations.coco.json, in it or in train, valid and test (as Roboflow writes it), or
annotations/*.json, of which labels_*.json are of whole images (as Datumaro and CVAT write them)."""

from __future__ import annotations

from typing import Any

from imageclinic.audit.listing.annotation_exports.export_source import Export, Given, Named, read_json, records, text
from imageclinic.audit.listing.annotation_exports.one_label import one_of
from imageclinic.core.errors import InputError

PLACE = 80
_FILE = "_annotations.coco.json"


def recognise(given: Given) -> Export | None:
    """The file that was given, or the files in the given folder."""
    beside = given.files_in("annotations", ".json")
    files = given.files(_FILE) or [file for file in beside if file.name.startswith("labels_")] or beside
    parts = {file: content for file in files if _is_one(content := read_json(file))}
    if _is_one(given.json):
        parts = {given.place: given.json}
    if not parts:
        return None
    images: list[Named] = []
    labels: dict[str, list[str]] = {}
    boxes = 0
    for file, content in parts.items():
        folder = file.resolve().parent.relative_to(given.root).as_posix() if file.name == _FILE else ""
        names = {each.get("id"): text(each.get("name")) for each in records(content, "categories")}
        known = {each.get("id"): each for each in records(content, "images")}
        found: dict[Any, list[str]] = {number: [] for number in known}
        for each in records(content, "annotations"):
            image = known.get(each.get("image_id"))
            if image is None:
                raise InputError(f"{file} has an annotation of the image {each.get('image_id')!r}", expected="its id")
            if _is_part(each, image):
                boxes += 1
            elif "category_id" in each:
                name = names.get(each["category_id"])
                if name is None:
                    raise InputError(
                        f"{file} has the category {each['category_id']!r}", expected="the id of one of its categories"
                    )
                found[each["image_id"]].append(name)
        split = folder if folder not in ("", ".") else file.stem.rpartition("_")[2]
        for number, image in known.items():
            name = str(image.get("file_name", ""))
            labels[f"{folder}/{name}"] = found[number]
            images.append(
                Named(name, next(iter(found[number]), None), split, (folder, f"images/{split}", "images", split))
            )
    return Export("COCO", given.root, images, notes=one_of(str(given.place), labels, boxes, "boxes or masks (COCO)"))


def _is_one(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(content.get(n), list) for n in ("images", "annotations"))


def _is_part(annotation: dict[str, Any], image: dict[str, Any]) -> bool:
    """Whether an annotation is of a part of its image: it has a shape, and not that of the whole."""
    box = annotation.get("bbox")
    if not box:
        return bool(annotation.get("segmentation") or annotation.get("keypoints"))
    size: list[Any] = [0, 0, image.get("width"), image.get("height")]
    try:
        return not all(abs(float(a) - float(b)) <= 1 for a, b in zip(box, size, strict=True))
    except (TypeError, ValueError):
        return True
