"""Images that ``imageclinic check --add`` put into a run are audited with its dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from imageclinic.audit.listing.listing import COLUMNS, Listing
from imageclinic.core.errors import InputError
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.reading import added_table
from imageclinic.core.run import MARKER, Run


def with_added(listing: Listing, path: Path) -> Listing:
    """A dataset's listing and the images that were added to the run at `path`, if there is one.

    Raises:
        InputError: an image of the dataset has the id of an added one.
    """
    if not (path / MARKER).is_file():
        return listing
    run = Run(path.absolute())
    added = added_table.read(run)
    if added.empty:
        return listing
    folders = added["image_id"].str.partition("/")[0]
    taken = set(listing.images["image_id"].str.partition("/")[0]) & set(folders)
    if taken:
        name = sorted(taken)[0]
        raise InputError(
            f"{listing.root} has {shown(name)}, and images were added to the run {path} under this name",
            expected="another name",
            fix=f"rename it; or delete {added_table.file(run, name)}, and they are no part of the run any more",
        )
    rows = added.assign(given_labels=pd.Series(None, index=added.index, dtype="str"))[list(COLUMNS)]
    # Of a dataset with splits, an image without one would be drawn into any; to one without, these bring none: `frozen`
    # says where they are.
    rows["split"] = rows["split"].fillna("train") if listing.images["split"].nunique() > 1 else None
    images = pd.concat([listing.images, rows], ignore_index=True).astype("str")
    counts = few([f"{shown(str(name))} {n:,}" for name, n in folders.value_counts(sort=False).items()])
    note = f"{len(added):,} images that were added to the run are audited with the dataset: {counts}"
    ordered = images.sort_values("image_id", ignore_index=True)
    return replace(listing, images=ordered, notes=[note, *listing.notes])


def frozen(added: pd.DataFrame) -> pd.DataFrame:
    """The split of each added image, image_id and split: training where it came with none."""
    return added[["image_id"]].assign(split=added["split"].fillna("train"))
