"""An annotation tool's export → a listing. What it names and is not there, and what is there and not named, is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from imageclinic.audit.listing import folder_walk, manifest
from imageclinic.audit.listing.annotation_exports.export_source import Export, Named
from imageclinic.audit.listing.annotation_exports.named_files import NamedFiles
from imageclinic.audit.listing.folder_names import split_of
from imageclinic.audit.listing.listing import Listing
from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.tables import to_image_id


def listing(export: Export, place: Path) -> Listing:
    """List the images that an export names.

    Args:
        export: what a format made of it.
        place: the file or folder that the user gave.

    Raises:
        InputError: a name that leads out of the folder, or may mean several files; none of the images is there.
    """
    files = NamedFiles(export.root, str(place), stems=export.stems)
    found = [_find(files, image) for image in export.images]
    paths = [path for path, _ in found]
    missing = list(dict.fromkeys(path for path, there in found if not there))
    if len(missing) == len(set(paths)):
        raise InputError(
            f"none of the {len(missing):,} images that {place} names is below {export.root}, such as "
            f"{shown(to_image_id(missing[0]))}",
            expected="the images beside the export",
            fix="put them into that folder; some tools export no images, and imageclinic downloads nothing",
        )
    table = pd.DataFrame(
        {
            "path": paths,
            "label": pd.Series([image.label for image in export.images], dtype=object),
            "split": pd.Series([split_of(image.split or "") for image in export.images], dtype=object),
        }
    ).drop_duplicates()  # several annotators who agree
    listed = manifest.from_frame(table, export.root, where=str(place))
    notes = [*export.notes, *folder_walk.notes(files.trouble)]
    if missing:
        are = "image is" if len(missing) == 1 else "images are"
        examples = few([shown(to_image_id(path)) for path in missing])
        notes.append(f"WARNING: {len(missing):,} {are} named by {place} and not there: {examples}")
    if unnamed := files.unnamed():
        are = "image is" if unnamed == 1 else "images are"
        notes.append(f"{unnamed:,} {are} below {export.root} and not named by {place}: not audited")
    own = place.resolve() if place.is_file() else None
    return replace(listed, notes=[*notes, *listed.notes], layout=export.tool, manifest=own)


def _find(files: NamedFiles, image: Named) -> tuple[str, bool]:
    first = files.find(image.name, image.folders)
    others = (files.find(name, image.folders) for name in image.other_names) if not first[1] else iter(())
    return next((each for each in others if each[1]), first)
