"""Vectors that stay in their file until some of them are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core import tables
from imageclinic.core.reading import parquet_files
from imageclinic.core.run import Run


@dataclass(frozen=True)
class VectorFile:
    """The column `name` of what `write_vectors` or `write_byte_chunks` wrote to `path`."""

    path: Path
    name: str

    def rows(self, wanted: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """The vectors of some rows, (wanted, width); a large array is in a file, see `core.large.large_arrays`.

        Args:
            wanted: row numbers, ascending.

        Raises:
            InputError: see `core.reading.parquet_files.read_vectors`.
        """
        return parquet_files.read_vector_rows(self.path, self.name, wanted)


def thumbnails_of(run: Run) -> tuple[pd.Series, VectorFile]:
    """As `Run.read_thumbnails`, but of the thumbnails only those are read that are asked for."""
    return tables.read(run.thumbnails, tables.VECTOR_IDS, ["image_id"])["image_id"], VectorFile(
        run.thumbnails, "thumbnail"
    )
