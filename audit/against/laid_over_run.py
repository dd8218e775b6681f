"""New images → images of an audited run that they are cropped, turned, sheared, framed or joined copies of.

As within a dataset (`audit.copies.laid_over`): embeddings, and hashes of tiles, give pairs of which one picture may lie
over the other, and their keypoints have the last word. Only new images are compared with all of the run.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.against.copies_of_run import COLUMNS, Progress, Scanned
from imageclinic.audit.copies.laid_over import embedding_pairs, tile_pairs
from imageclinic.audit.verdict.line import number
from imageclinic.core import tables
from imageclinic.core.naming.wording import few

Ints = npt.NDArray[np.intp]


def find(
    new: tuple[Scanned, tables.Embeddings],
    run: tuple[Scanned, tables.Embeddings],
    settled: Collection[tuple[str, str]],
    *,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Find them.

    Args:
        new, run: the two sides, with embeddings by the same embedder.
        settled: pairs (new, in the run) that are known to be copies, or to be none.
        progress: called with (pairs done, pairs).

    Returns:
        As `copies_of_run.find`; and notes on what could not be looked at.
    """
    notes: list[str] = []
    ids, vectors, shown, hashes = _eligible(*new)
    run_ids, run_vectors, run_shown, run_hashes = _eligible(*run)
    if len(run_ids) > embedding_pairs.MOST_IMAGES:
        most = f"{embedding_pairs.MOST_IMAGES:,}"
        notes.append(
            "copies that are cropped, turned a little, framed or tiles were not looked for in the run: its "
            f"{len(run_ids):,} images are more than {most}"
        )
        return _none(), notes
    near = embedding_pairs.candidates_between(vectors, run_vectors)
    more, tile = tile_pairs.candidates_between((shown, hashes), (run_shown, run_hashes))
    pairs = np.unique(np.concatenate([near, more]), axis=0)
    there = {at: run[0].path(run_ids[at]).is_file() for at in np.unique(pairs[:, 1]).tolist()}
    asked = [there[j] and (ids[i], run_ids[j]) not in settled for i, j in pairs.tolist()]
    if gone := sum(not found for found in there.values()):
        what = number(gone, "image of the run is", "images of the run are")
        notes.append(f"{what} not where the audit read them: whether new ones are parts of them was not looked at")
    pairs = pairs[np.array(asked, dtype=bool)]
    n = len(ids)
    found = embedding_pairs.confirm(
        np.stack([pairs[:, 0], pairs[:, 1] + n], axis=1),
        lambda at: new[0].path(ids[at]) if at < n else run[0].path(run_ids[at - n]),
        progress=progress,
    )
    i, j = found.i, found.j - n
    if len(found.gone):
        broken = [str(ids[at] if at < n else run_ids[at - n]) for at in found.gone]
        what = number(len(broken), "image looks", "images look")
        notes.append(f"{what} like others, but can't be compared: {few(broken, 3, '; ')}")
    numbers = tile_pairs.numbered(i, j, len(run_ids))
    tiled = tile_pairs.numbered(more[tile, 0], more[tile, 1], len(run_ids))
    table = {
        "image_id": ids[i],
        "other_id": run_ids[j],
        "kind": "near",
        "distance": np.bitwise_count(hashes[i] ^ run_hashes[j]).astype(np.int64),
        "transform": tile_pairs.transforms(numbers, tiled, found.moved),
        "similarity": found.similarity,
        "verified": True,
    }
    return (pd.DataFrame(table)[list(COLUMNS)] if len(i) else _none()), notes


def _none() -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS))


def _eligible(
    side: Scanned, embeddings: tables.Embeddings
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.uint64]]:
    """Ids, vectors, thumbnails and hashes of the images of one frame that are large enough to have keypoints."""
    features = side.features[side.features["frames"].fillna(1).le(1)]
    ids = features["image_id"]
    shorter = side.dataset.set_index("image_id")[["width", "height"]].min(axis=1).reindex(ids).to_numpy()
    row = pd.Index(embeddings.image_id).get_indexer(pd.Index(ids))
    thumbnail = pd.Index(side.thumbnails[0]).get_indexer(pd.Index(ids))
    kept = (shorter >= embedding_pairs.LEAST_SIDE) & (row >= 0) & (thumbnail >= 0)
    shown = np.asarray(side.thumbnails[1][thumbnail[kept]])
    width = round(shown.shape[1] ** 0.5)
    hashes = features["phash_identity"].to_numpy(np.uint64)[kept]
    return ids.to_numpy(object)[kept], embeddings.alike[row[kept]], shown.reshape(-1, width, width), hashes
