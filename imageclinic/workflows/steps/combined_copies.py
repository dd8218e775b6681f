"""Copies among images from several places: the audit's search over all of them at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from imageclinic.audit.copies import clusters, find_copies
from imageclinic.audit.scan import scan
from imageclinic.core import tables
from imageclinic.core.large.vector_file import thumbnails_of
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.run import create


def split_groups(images: pd.DataFrame, *, progress: Callable[[int, int], None] | None = None) -> pd.Series:
    """The group of each image: images that are copies of each other, near ones too, or that have a group in common.

    Args:
        images: `sha256`, `path` (of a readable image file) and `split_group` (null: unknown); rows of one content count
            as one image, with the last group that is known.
        progress: called with (done, total) of each step.

    Returns:
        Names of groups by sha256; one that is missing has no copies and no group.
    """
    unknown_first = images["split_group"].isna().sort_values(ascending=False, kind="stable").index
    known = images.loc[unknown_first].drop_duplicates("sha256", keep="last")
    files = [Path(path).absolute() for path in known["path"]]
    root = Path(os.path.commonpath([file.parent for file in files]))
    ids = [tables.to_image_id(file.relative_to(root).as_posix()) for file in files]
    known = known.assign(image_id=pd.Series(ids, index=known.index, dtype="str"))
    listing = known[["image_id"]].assign(label=None, split=None, group=None).sort_values("image_id", ignore_index=True)
    with temporary_folder("imageclinic-alike-") as scratch:
        run = create(scratch)
        dataset, features = scan.scan(run, listing, root, progress=progress)
        pairs, _, _ = find_copies.find(
            dataset, features, thumbnails_of(run), lambda i: root / tables.to_path(i), progress=progress
        )
    found = clusters.cluster(pairs, known.set_index("image_id")["split_group"])
    return found.set_index(found["image_id"].map(known.set_index("image_id")["sha256"]))["split_group"]
