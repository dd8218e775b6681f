"""Pairs of copies among the images of an export, searched again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc

from imageclinic.audit.copies import find_copies
from imageclinic.audit.scan import scan
from imageclinic.core import tables
from imageclinic.core.large import text_rows
from imageclinic.core.large.vector_file import thumbnails_of
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.run import create

#: Paths that are no ids of images below the folder as they are written: they leave it, have another form or escapes.
_ODD = r"(^|/)\.{0,2}(/|$)|\\"


def find_pairs(folder: Path, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Scan the images that the manifest.csv in `folder` lists, and compare them.

    Args:
        folder: the images as files, and manifest.csv. It only says which files to look at; that there are no others is
            a proof of its own.
        progress: called with (done, total).

    Returns:
        Pairs of copies: image_id and other_id (the manifest's ``path``), kind, as tables.NEIGHBORS.
    """
    paths = text_rows.distinct(tables.read_csv(folder / tables.MANIFEST.file, tables.MANIFEST)["path"])
    base = folder.resolve()
    if not pc.match_substring_regex(text_rows.text(paths), _ODD).true_count:
        return _pairs(paths, base, progress)
    return pairs_among({path: Path(os.path.normpath(base / tables.to_path(path))) for path in paths}, progress)


def pairs_among(files: Mapping[str, Path], progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """As `find_pairs`, of files that have a name each."""
    # A manifest names files outside of the export: the root of the search is the folder above all of them.
    root = Path(os.path.commonpath([file.parent for file in files.values()]))
    named = {tables.to_image_id(file.relative_to(root).as_posix()): path for path, file in files.items()}
    pairs = _pairs(text_rows.distinct(text_rows.column(named)), root, progress)
    return pairs.assign(image_id=pairs["image_id"].map(named), other_id=pairs["other_id"].map(named))


def _pairs(image_id: pd.Series, root: Path, progress: Callable[[int, int], None] | None) -> pd.DataFrame:
    """Pairs of copies among images, by their paths from the root, in order."""
    listing = pd.DataFrame({"image_id": image_id, "label": None, "split": None, "group": None})
    with temporary_folder("imageclinic-verify-") as scratch:
        run = create(scratch)
        dataset, features = scan.scan(run, listing, root, progress=progress)
        pairs, _, _ = find_copies.find(
            dataset, features, thumbnails_of(run), lambda i: root / tables.to_path(i), progress=progress
        )
    return pairs
