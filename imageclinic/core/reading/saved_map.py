"""The map of the embeddings in a run folder: whether it is of the embeddings that are there now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import file_sha256
from imageclinic.core.reading.parquet_files import metadata, read_vectors, write_vectors

_COLUMN = "position"


def write(
    path: Path, image_id: pd.Series, positions: npt.NDArray[np.float32], *, embeddings: Path, method: str, seed: int
) -> None:
    """Write where each image lies, with how it was worked out and the hash of the file of embeddings.

    Args:
        path: the map.
        image_id: of the rows.
        positions: float32 (images, 2), in [0, 1].
        embeddings: the file that the map was made from.
        method: its name and version.
        seed: that it drew by.
    """
    made = {"method": method, "seed": str(seed), "source": file_sha256(embeddings)}
    write_vectors(path, {"image_id": image_id}, _COLUMN, positions, made)


def read(path: Path, embeddings: Path, method: str | None = None) -> pd.DataFrame | None:
    """``image_id, x, y``; None when there is no map, it is of other embeddings or of another method, or it is damaged.

    Args:
        path: the map.
        embeddings: the file of embeddings that it has to be of.
        method: that it has to be made by; None for any.
    """
    try:
        made = metadata(path)
        if not made or not embeddings.is_file() or made.get("source") != file_sha256(embeddings):
            return None
        rows, positions = read_vectors(path, _COLUMN)
    except InputError:  # it is only a picture of what is elsewhere: it is made again
        return None
    fits = positions.shape[1] == 2 and list(rows) == ["image_id"] and rows["image_id"].is_unique
    if not fits or (method is not None and made.get("method") != method):
        return None
    return rows.assign(x=positions[:, 0], y=positions[:, 1])
