"""New images → their copies among the images of an audited run.

The same look as within a dataset (`audit.copies.find_copies`): perceptual hashes in all orientations give candidates,
thumbnails say which are likely copies, full decodes have the last word. But only new images are looked up, so the work
grows with new × run, and not with the square of the run; and what counts as a look-alike is learnt from the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.copies import full_decode_match, hamming, thumbnail_match
from imageclinic.audit.copies.find_copies import EQUAL_BITS, FLAT, Thumbnails, radii
from imageclinic.audit.copies.strangers import strangers
from imageclinic.core import tables
from imageclinic.core.naming.wording import few

#: Nearest look-alikes of a new image in the run that are looked at, upright and turned apart.
NEAREST = 50
#: New images that are looked up at a time, and pairs per image above which a block is searched less far.
_BLOCK, _MOST_EACH = 256, 1_000
_PIXEL_MATCHES = 3
#: Of a table of pairs.
COLUMNS = ("image_id", "other_id", "kind", "distance", "transform", "similarity", "verified")

Progress = Callable[[int, int], None]
Ints = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Scanned:
    """Scanned images: the tables, thumbnails as uint8 (images, 32·32) with their ids, and image_id → file."""

    dataset: pd.DataFrame
    features: pd.DataFrame
    thumbnails: Thumbnails
    path: Callable[[str], Path]


@dataclass(frozen=True)
class _Candidates:
    """Pairs (row of the new features, row of the run's), bits between the hashes, orientation of the run's image, and
    whether the new image had more look-alikes than were kept."""

    i: Ints
    j: Ints
    distance: Bytes
    orientation: Bytes
    crowded: npt.NDArray[np.bool_]


def find(
    new: Scanned, run: Scanned, *, progress: Progress | None = None
) -> tuple[pd.DataFrame, set[tuple[str, str]], list[str]]:
    """Find the copies.

    Args:
        new, run: the two sides. Files of the run may be gone: then thumbnails have the last word.
        progress: called with (done, total) of each step.

    Returns:
        One row per pair: image_id (new), other_id (in the run), kind (bytes, pixels or near), distance in bits,
        transform (what turns the run's image into the new one), similarity in [−1, 1], and verified (whether both files
        were compared in full); pairs of new and known images that are no copies, by full decodes or as pictures of a
        scene that many show; and notes on what could not be looked at.
    """
    notes: list[str] = []
    readable = new.dataset[new.dataset["read_error"].isna()]
    known = run.dataset.loc[run.dataset["sha256"].notna(), ["image_id", "sha256"]]
    same = readable[["image_id", "sha256"]].merge(known.rename(columns={"image_id": "other_id"}), on="sha256")
    exact = same[["image_id", "other_id"]].assign(
        kind="bytes", distance=0, transform="identity", similarity=1.0, verified=True
    )
    looked_up = new.features[~new.features["image_id"].isin(exact["image_id"])].reset_index(drop=True)
    near, apart = _near(looked_up, new, run, notes, progress)
    pairs = pd.concat([p for p in (exact, near) if len(p)] or [exact], ignore_index=True)
    return pairs[list(COLUMNS)].sort_values(["image_id", "other_id"], ignore_index=True), apart, notes


def _near(
    features: pd.DataFrame, new: Scanned, run: Scanned, notes: list[str], progress: Progress | None
) -> tuple[pd.DataFrame, set[tuple[str, str]]]:
    none = pd.DataFrame(columns=list(COLUMNS)), set[tuple[str, str]]()
    if features.empty or run.features.empty:
        return none
    pairs = _candidates(features, run.features, progress)
    if not len(pairs.i):
        return none
    at, detail, window, first, sure = _likely(pairs, features, new, run, progress)
    i, j, distance, orientation = pairs.i[at], pairs.j[at], pairs.distance[at], pairs.orientation[at]
    alike = sure
    scene = np.bincount(i[sure], minlength=len(features)) >= NEAREST
    scene &= np.isin(np.arange(len(features)), pairs.i[pairs.crowded])
    if scene.any():
        notes.append(
            f"{scene.sum():,} new images show a scene that very many images of the run show, as from a camera that "
            "does not move: they were compared for equal pixels only"
        )
        sure = sure & ~scene[i]
    one, two = features["image_id"].to_numpy()[i], run.features["image_id"].to_numpy()[j]
    sizes = [
        side.dataset.set_index("image_id")[["width", "height"]].reindex(ids).to_numpy(dtype=np.int64)
        for side, ids in ((new, one), (run, two))
    ]
    may_equal = (sizes[0] == sizes[1]).all(axis=1) & (orientation == 0) & (distance <= EQUAL_BITS)
    there = {name: run.path(name).is_file() for name in set(two[sure | may_equal])}
    on_disk = np.array([there.get(name, False) for name in two], dtype=bool)
    asked = np.flatnonzero((sure | may_equal) & on_disk)
    verdicts = full_decode_match.compare(
        [
            full_decode_match.Pair(
                new.path(one[k]), run.path(two[k]), int(orientation[k]), bool(first[k]), tuple(window[k].tolist())
            )
            for k in asked
        ],
        progress=progress,
    )
    copy, equal = np.zeros(len(i), bool), np.zeros(len(i), bool)
    equal[asked] = np.array([v.equal for v in verdicts], dtype=bool) & may_equal[asked]
    copy[asked] = np.array([v.copy for v in verdicts], dtype=bool) & sure[asked]
    _note_unseen(sure & ~on_disk, [(one[k], v.error) for k, v in zip(asked, verdicts, strict=True)], notes)
    kept = np.flatnonzero(equal | copy | (sure & ~on_disk))
    separate = alike & ~sure
    separate[asked] |= np.array([v.separate for v in verdicts], dtype=bool)
    found = pd.DataFrame(
        {
            "image_id": one[kept],
            "other_id": two[kept],
            "kind": np.where(equal[kept], "pixels", "near"),
            "distance": distance[kept].astype(np.int64),
            "transform": np.array(tables.ORIENTATIONS)[orientation[kept]],
            "similarity": np.where(equal[kept], 1.0, detail[kept]),
            "verified": on_disk[kept],
        }
    )
    return found, set(zip(one[separate], two[separate], strict=True))


def _candidates(new: pd.DataFrame, run: pd.DataFrame, progress: Progress | None) -> _Candidates:
    """Look-alikes by perceptual hash; of nearly blank pictures, whose hashes say nothing, those of equal pixels."""
    columns = [f"phash_{o}" for o in tables.ORIENTATIONS]
    mine = np.flatnonzero(new["contrast"].to_numpy() >= FLAT)
    theirs = np.flatnonzero(run["contrast"].to_numpy() >= FLAT)
    query = new["phash_identity"].to_numpy(np.uint64)[mine]
    known = run[columns].to_numpy(np.uint64)[theirs]
    parts = [_equal_pixels(new, run)]
    for turned, radius in enumerate(radii(len(new) + len(run))):
        right = np.ascontiguousarray(known[:, 1:] if turned else known[:, :1]).ravel()
        each = 7 if turned else 1
        for start in range(0, len(query), _BLOCK):
            i, at, distance, crowded = _nearest(query[start : start + _BLOCK], right, radius)
            j, orientation = np.divmod(at, each)
            parts.append(
                _Candidates(mine[start + i], theirs[j], distance, (orientation + turned).astype(np.uint8), crowded)
            )
            if progress:
                progress(turned * len(query) + min(start + _BLOCK, len(query)), 2 * len(query))
    whole = [np.concatenate([getattr(p, name) for p in parts]) for name in _Candidates.__dataclass_fields__]
    order = np.lexsort((whole[3], whole[2], whole[1], whole[0]))
    i, j = whole[0][order], whole[1][order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (i[1:] != i[:-1]) | (j[1:] != j[:-1])
    return _Candidates(*(values[order[first]] for values in whole))


def _equal_pixels(new: pd.DataFrame, run: pd.DataFrame) -> _Candidates:
    """Pairs of equal pixels as far as the scan saw them, a few for each new image."""
    left = pd.DataFrame({"i": np.arange(len(new)), "hash": new["pixel_hash"].to_numpy()})
    right = pd.DataFrame({"j": np.arange(len(run)), "hash": run["pixel_hash"].to_numpy()})
    right = right[right["hash"].isin(left["hash"])]
    pairs = left.merge(right, on="hash").groupby("i").head(_PIXEL_MATCHES)
    zeros = np.zeros(len(pairs), np.uint8)
    return _Candidates(pairs["i"].to_numpy(np.intp), pairs["j"].to_numpy(np.intp), zeros, zeros, zeros.astype(bool))


def _nearest(query: Hashes, right: Hashes, radius: int) -> tuple[Ints, Ints, Bytes, npt.NDArray[np.bool_]]:
    """The nearest hashes in `right` of each of `query`, at most `NEAREST`, and whether there were more.

    Where a block has more than `_MOST_EACH` pairs an image, it is searched less far, so that memory stays bound."""
    while True:
        parts: list[tuple[Ints, Ints, Bytes]] = []
        count = 0

        def take(p: Ints, q: Ints, distance: Bytes) -> bool:
            nonlocal count
            count += len(p)
            parts.append((p, q, distance))  # noqa: B023 - the search is over before the next one begins
            return count <= _MOST_EACH * len(query)

        if hamming.search(query, right, radius, take) or radius == 0:
            break
        radius = max(0, radius - 2)
    if not parts:
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.uint8), np.empty(0, bool)
    p, q, distance = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((q, distance, p))
    p, q, distance = p[order], q[order], distance[order]
    starts = np.searchsorted(p, p)
    kept = np.arange(len(p)) - starts < NEAREST
    many = np.bincount(p, minlength=len(query)) > NEAREST
    return p[kept], q[kept], distance[kept], many[p[kept]]


def _likely(
    pairs: _Candidates, features: pd.DataFrame, new: Scanned, run: Scanned, progress: Progress | None
) -> tuple[Ints, npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Positions of the candidates that may be copies; of each the correlation of its detail, the best window and
    whose it is, and whether it reaches the threshold that the run's own look-alikes set."""
    hashes = run.features[[f"phash_{o}" for o in tables.ORIENTATIONS]].to_numpy(np.uint64)
    upright, turned = radii(len(features) + len(hashes))
    crowd = strangers(hashes, upright, turned=turned)
    needed = np.unique(np.concatenate([pairs.j, crowd.i, crowd.j]))
    mine = pd.Index(new.thumbnails[0]).get_indexer(pd.Index(features["image_id"]))
    theirs = pd.Index(run.thumbnails[0]).get_indexer(pd.Index(run.features["image_id"].iloc[needed]))
    pictures = np.concatenate([new.thumbnails[1][mine], run.thumbnails[1][theirs]])
    side = round(pictures.shape[1] ** 0.5)

    def row(positions: Ints) -> Ints:
        return np.asarray(len(mine) + np.searchsorted(needed, positions))

    at, seen, sure = thumbnail_match.likely(
        pictures.reshape(-1, side, side),
        pairs.i,
        row(pairs.j),
        pairs.distance,
        pairs.orientation,
        (row(crowd.i), row(crowd.j), crowd.distance, crowd.orientation),
        progress=progress,
    )
    return at, seen.detail, seen.window, seen.first, sure


def _note_unseen(gone: npt.NDArray[np.bool_], errors: list[tuple[str, str | None]], notes: list[str]) -> None:
    if gone.any():
        notes.append(
            f"{gone.sum():,} pairs were compared by thumbnails only: the run's image files are not where the audit "
            "read them"
        )
    failed = [f"{name} ({error})" for name, error in errors if error is not None]
    if failed:
        notes.append(f"{len(failed):,} pairs look like copies, but can't be compared: {few(failed, 3, '; ')}")
