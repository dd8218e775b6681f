"""Images as row numbers: what a search for copies holds of millions of them, instead of frames with their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core import tables
from imageclinic.core.large import text_rows
from imageclinic.core.large.vector_file import VectorFile
from imageclinic.core.rows import lookup

Ints = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
#: Image ids, and uint8 (n, pixels), or the file that has them.
ThumbnailSource = tuple[pd.Series, npt.NDArray[np.uint8] | VectorFile]


@dataclass(frozen=True)
class ImageRows:
    """Some images of a dataset, in an order.

    Attributes:
        dataset, features: the tables; of their columns only those that are asked for need be there.
        at: the dataset's row of each row of `features`, intp (features,).
        content: the number of each file's content in order of hashes, intp (dataset,); −1: not known.
        row: the images' rows of `features`, intp (images,).
    """

    dataset: pd.DataFrame
    features: pd.DataFrame
    at: Ints
    content: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.row)

    def only(self, chosen: Flags | Ints) -> ImageRows:
        """Those that are chosen."""
        return replace(self, row=self.row[chosen])

    def without(self, names: pd.Index) -> ImageRows:
        """Those that are not among some names."""
        return self.only(~lookup.among(self.dataset["image_id"], names)[self.at[self.row]]) if len(names) else self

    def in_order_of_content(self) -> ImageRows:
        """Ordered by the hashes of their files; those of which none is known come last."""
        number = self.content[self.at[self.row]]
        return self.only(np.argsort(np.where(number < 0, len(self.content), number), kind="stable"))

    def names(self, places: Ints | Flags) -> npt.NDArray[np.object_]:
        """Ids of the images at some places."""
        return self.features["image_id"].iloc[self.row[places]].to_numpy(dtype=object)

    def measured(self, column: str) -> npt.NDArray[Any]:
        """What the features table has in a column without gaps, (images,)."""
        return np.asarray(self.features[column].to_numpy()[self.row])

    def of_one_frame(self) -> Flags:
        """Which have one frame, as far as is known."""
        return self.features["frames"].fillna(1).le(1).to_numpy()[self.row]

    def hashes(self, orientations: Sequence[str] = tables.ORIENTATIONS) -> npt.NDArray[np.uint64]:
        """Perceptual hashes, uint64 (images, orientations)."""
        made = np.empty((len(self.row), len(orientations)), np.uint64)
        for at, orientation in enumerate(orientations):
            made[:, at] = self.measured(f"phash_{orientation}")
        return made

    def sizes(self, places: Ints) -> npt.NDArray[np.int64]:
        """Width and height of the images at some places, int64 (places, 2)."""
        return self.dataset[["width", "height"]].iloc[self.at[self.row[places]]].to_numpy(dtype=np.int64)

    def rows_in(self, ids: pd.Series) -> Ints:
        """The row of each image in another table's ids, intp (images,); −1: not there."""
        return lookup.places(self.features["image_id"], ids)[self.row]

    def thumbnails(self, every: ThumbnailSource, *places: Ints) -> tuple[npt.NDArray[np.uint8], list[Ints]]:
        """Thumbnails (n, side, side) among which are those of the images at some places, and where they are there. Of
        those in a file only these are read."""
        ids, pixels = every
        rows = self.rows_in(ids)
        found = [rows[place] for place in places]
        if isinstance(pixels, VectorFile):
            needed = np.unique(np.concatenate(found))
            pixels, found = pixels.rows(needed), [np.searchsorted(needed, row) for row in found]
        side = round(pixels.shape[1] ** 0.5)
        return pixels.reshape(-1, side, side), found


def readable(dataset: pd.DataFrame, features: pd.DataFrame) -> ImageRows:
    """All images that the features table has."""
    rows = np.flatnonzero(dataset["read_error"].isna().to_numpy())
    found = lookup.places(features["image_id"], dataset["image_id"].iloc[rows])
    return ImageRows(dataset, features, rows[found], text_rows.ranks(dataset["sha256"]), np.arange(len(features)))
