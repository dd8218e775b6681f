"""dataset + features + thumbnails → pairs of copies and clusters: candidates (`neighbors`), then proof (`confirm`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit import confirm, neighbors, tables
from audit.scan import THUMBNAIL

#: Hash distance up to which pairs are candidates. imagehash users take 8; a crop of 10 % moves a hash by up to 12.
RADIUS = 12
#: More candidates than this are not compared; the radius is lowered, and that is noted.
MAX_CANDIDATES = 2_000_000
#: Pictures whose brightness deviates less than this have no shape that could tell copies from look-alikes.
FLAT = 0.01

Progress = Callable[[int, int], None]


def find(
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    thumbnails: tuple[pd.Series, npt.NDArray[np.uint8]],
    image_path: Callable[[str], Path],
    *,
    radius: int = RADIUS,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Find the copies in a dataset.

    Args:
        dataset, features: the tables.
        thumbnails: image ids, and uint8 (n, 32·32).
        image_path: image_id → file.
        radius: largest Hamming distance of candidates, in bits of 64.
        progress: called with (done, total) of the search.

    Returns:
        The neighbors table, the clusters table, and notes on what was left out.
    """
    notes: list[str] = []
    readable = dataset[dataset["read_error"].isna()]
    same_bytes = neighbors.equal_groups(readable["image_id"], readable["sha256"])
    spare = {i for group in same_bytes for i in group[1:]}
    single = features[~features["image_id"].isin(spare)]
    same_pixels = [
        part
        for group in neighbors.equal_groups(single["image_id"], single["pixel_hash"])
        for part in _proven(group, image_path, notes)
    ]
    spare |= {i for group in same_pixels for i in group[1:]}
    flat = features["contrast"] < FLAT
    if n_flat := int((flat & ~features["image_id"].isin(spare)).sum()):
        notes.append(f"{n_flat} nearly blank images were compared for equal pixels only, not for near copies")
    candidates = features[~features["image_id"].isin(spare) & ~flat].reset_index(drop=True)
    near = _near(candidates, thumbnails, image_path, radius, notes, progress)
    parts = [
        neighbors.group_pairs(same_bytes, "bytes"),
        neighbors.spread(neighbors.group_pairs(same_pixels, "pixels"), same_bytes),
        neighbors.spread(neighbors.spread(near, same_pixels), same_bytes),
    ]
    pairs = pd.concat([p for p in parts if len(p)] or [tables.empty(tables.NEIGHBORS)], ignore_index=True)
    pairs = pairs.drop_duplicates(["image_id", "other_id"]).sort_values(["image_id", "other_id"], ignore_index=True)
    groups = dataset.set_index("image_id")["group"]
    return pairs, neighbors.cluster(pairs, groups, dataset["image_id"]), notes


def _near(
    features: pd.DataFrame,
    thumbnails: tuple[pd.Series, npt.NDArray[np.uint8]],
    image_path: Callable[[str], Path],
    radius: int,
    notes: list[str],
    progress: Progress | None,
) -> pd.DataFrame:
    ids = features["image_id"].to_numpy()
    hashes = features[[f"phash_{o}" for o in tables.ORIENTATIONS]].to_numpy(np.uint64)
    i, j, distance, orientation = neighbors.hamming_pairs(hashes, radius, progress=progress)
    while len(i) > MAX_CANDIDATES:
        radius -= 2
        kept = distance <= radius
        i, j, distance, orientation = i[kept], j[kept], distance[kept], orientation[kept]
        notes.append(f"too many look-alikes: near copies were searched to a hash distance of {radius} bits only")
    position = pd.Series(np.arange(len(thumbnails[0])), index=thumbnails[0].to_numpy())
    pictures = thumbnails[1].reshape(-1, THUMBNAIL, THUMBNAIL)[position[ids].to_numpy()] if len(ids) else None
    if pictures is None or not len(i):
        return tables.empty(tables.NEIGHBORS)
    seen = confirm.look(pictures, i, j, orientation, progress=progress)
    threshold = confirm.detail_threshold(seen.detail, distance, orientation, radius)
    likely = np.flatnonzero((seen.similarity >= confirm.MIN_SIMILARITY) & (seen.detail >= threshold))
    agreed = []
    for k in likely:
        one, two = ids[i[k]], ids[j[k]]
        try:
            share = confirm.hash_share(
                image_path(one), image_path(two), int(orientation[k]), bool(seen.first[k]), seen.window[k]
            )
        except OSError as error:  # a file that vanished or changed since the scan must not stop the run
            notes.append(f"{one} and {two} look like copies, but can't be compared: {error}")
            continue
        if share <= confirm.MAX_HASH_SHARE:
            agreed.append(k)
    return tables.frame(
        tables.NEIGHBORS,
        image_id=ids[i[agreed]],
        other_id=ids[j[agreed]],
        kind=["near"] * len(agreed),
        distance=distance[agreed].astype(np.int64),
        transform=[tables.ORIENTATIONS[o] for o in orientation[agreed]],
        similarity=seen.detail[agreed],
    )


def _proven(group: list[str], image_path: Callable[[str], Path], notes: list[str]) -> list[list[str]]:
    """Divide ids of equal pixel hashes into sets of truly equal pixels, by full decodes."""
    left, proven = group, []
    while left:
        first, equal = left[0], [left[0]]
        for other in left[1:]:
            try:
                if confirm.same_pixels(image_path(first), image_path(other)):
                    equal.append(other)
            except OSError as error:  # as above
                notes.append(f"{first} and {other} look equal, but can't be compared: {error}")
        if len(equal) > 1:
            proven.append(equal)
        left = [i for i in left if i not in equal]
    return proven
