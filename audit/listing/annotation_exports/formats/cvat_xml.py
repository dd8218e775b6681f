"""CVAT's own format, "CVAT for images": annotations.xml with the tags of each image, and images/.

Read with expat, in one pass; a document type, which could declare entities that grow without end, is refused. Source:
CVAT's documentation, "XML annotation format".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from imageclinic.audit.listing.annotation_exports.export_source import Export, Given, Named
from imageclinic.audit.listing.annotation_exports.one_label import one_of
from imageclinic.audit.listing.packed.sample_labels import another_task
from imageclinic.core.errors import InputError

PLACE = 30
_FILE = "annotations.xml"
_SHAPES = frozenset(("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton"))


class _NotOurs(Exception):
    """Another kind of XML."""


@dataclass
class _Read:
    """Images (name, subset) with their tags; the number of shapes and of tracks."""

    images: list[tuple[str, str]] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
    shapes: int = 0
    tracks: int = 0
    depth: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """A tag of the file begins."""
        if self.depth == 0 and name != "annotations":
            raise _NotOurs
        self.depth += 1
        if name == "image" and self.depth == 2:
            self.images.append((attributes.get("name", ""), attributes.get("subset", "")))
            self.tags.append([])
        elif name == "tag" and self.images and attributes.get("label"):
            self.tags[-1].append(attributes["label"])
        elif name == "track":
            self.tracks += 1
        elif name in _SHAPES and self.depth == 3:
            self.shapes += 1

    def end(self, _: str) -> None:
        """A tag of the file ends."""
        self.depth -= 1


def recognise(given: Given) -> Export | None:
    """The annotations.xml that was given, or that lies in the given folder."""
    file = given.place if given.is_file(".xml") else given.file(_FILE)
    if file is None:
        return None
    try:
        read = _parse(file)
    except _NotOurs:
        return None
    if not read.images:
        if read.tracks:
            raise another_task(str(file), f"{read.tracks:,} tracks of objects in a video (CVAT)")
        return None
    notes = one_of(
        str(file), dict(zip((n for n, _ in read.images), read.tags, strict=True)), read.shapes, "shapes (CVAT)"
    )
    images = [
        Named(name, tags[0] if tags else None, subset, tuple(_folders(subset)))
        for (name, subset), tags in zip(read.images, read.tags, strict=True)
    ]
    return Export("CVAT", given.root, images, notes=notes)


def _folders(subset: str) -> list[str]:
    plain = subset if subset not in (".", "..") and "/" not in subset else ""
    return [*([f"images/{plain}"] if plain else []), "images", ""]


def _parse(file: Path) -> _Read:
    read = _Read()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = read.start, read.end

    def refuse(*_: object) -> None:
        raise InputError(f"{file} declares a document type", expected="annotations.xml as CVAT writes it")

    parser.StartDoctypeDeclHandler = refuse
    try:
        with file.open("rb") as opened:
            parser.ParseFile(opened)
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}", fix="make it readable") from error
    except expat.ExpatError as error:
        raise InputError(
            f"{file} is no readable XML file: {error}", expected="a whole annotations.xml", fix="export it again"
        ) from error
    return read
