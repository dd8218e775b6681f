"""A folder of class folders, a split/class tree, a CSV/Parquet manifest, or an annotation tool's export → a listing of
image files.

The listing says which files there are and what the dataset says of them; `audit.scan.scan` opens them.
"""

from __future__ import annotations

from pathlib import Path

from imageclinic.audit.listing import manifest
from imageclinic.audit.listing.annotation_exports import export_listing, export_source
from imageclinic.audit.listing.class_folders import from_folder
from imageclinic.audit.listing.listing import COLUMNS, Listing
from imageclinic.audit.listing.manifest import from_frame
from imageclinic.core.errors import InputError

__all__ = ["COLUMNS", "Listing", "from_folder", "from_frame", "load"]


def load(
    data: Path,
    *,
    columns: dict[str, str] | None = None,
    layout: str | None = None,
    label_separator: str | None = None,
) -> Listing:
    """List the dataset at `data`: a folder, a .csv/.parquet manifest, or an export of an annotation tool.

    Args:
        data: folder, manifest or export; a manifest's folder is the root of its paths.
        columns: for manifests, our column name → theirs (path, label, split, group).
        layout: for folders, what their levels are, such as ``split/class``; None: found from names and shape.
        label_separator: for manifests, what separates the classes in a label; None: each image has one class.

    Raises:
        InputError: nothing there, no images, no class folders, folders that can mean several things, missing columns,
            paths that leave the root, exports of another task.
    """
    try:
        export = export_source.recognise(data, columns or {}, layout)
    except InputError as error:  # class folders may have annotations of another task beside them
        return _class_folders_instead(data, error)
    if label_separator is not None and (export is not None or data.is_dir()):
        raise InputError(
            f"{data} is no manifest, and a label separator was given", expected="a .csv or .parquet manifest"
        )
    if export is not None:
        return export_listing.listing(export, data)
    if data.is_dir():
        if columns:
            raise InputError(
                f"{data} is a folder, and column names were given",
                expected="a .csv or .parquet manifest with them",
            )
        return from_folder(data.resolve(), layout)
    if not data.exists():
        raise InputError(f"{data} does not exist", expected="a folder of class folders, or a .csv or .parquet manifest")
    if layout is not None:
        raise InputError(f"{data} is a file, and a layout of folders was given", expected="a folder")
    return manifest.load(data, columns, label_separator)


def _class_folders_instead(data: Path, error: InputError) -> Listing:
    """A folder as class folders, where its annotations can't be used; else raises that error."""
    try:
        listing = from_folder(data.resolve()) if data.is_dir() else None
    except InputError:
        listing = None
    if listing is None or listing.images["label"].isna().all():
        raise error
    listing.notes.insert(0, f"the class folders are the labels, and not the annotations beside them: {error.problem}")
    return listing
