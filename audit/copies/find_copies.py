"""dataset + features + thumbnails → pairs of copies and clusters.

Candidates come from the 64-bit perceptual hashes in all eight orientations (`lookalikes`); the thumbnails show which
of them are likely copies (`thumbnail_match`); full decodes have the last word (`full_decode_match`). Where there are
embeddings, they give further candidates, which are laid over each other (`embedding_pairs`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.copies import clusters, full_decode_match, thumbnail_match
from imageclinic.audit.copies.candidate_pairs import MAX_EQUAL, Pairs, by_chance, hamming_pairs, strangers
from imageclinic.audit.copies.hamming import Search
from imageclinic.audit.copies.heavy_steps import HERE, HeavySteps
from imageclinic.audit.copies.laid_over import embedding_pairs
from imageclinic.core import tables
from imageclinic.core.naming.wording import few

#: Changes when pairs that an older version found must not be reused.
VERSION = "7"
#: Hash distance up to which pairs are candidates. imagehash users take 8; a crop of 10 % moves a hash by up to 12.
RADIUS = 12
#: Images, and the radius for upright and for mirrored or turned copies up to so many. Candidates grow with the square
#: of the images, and seven of eight orientations are turned, so these have seven times the chances to be look-alikes:
#: hands before a wall are, at 12 bits. At 8 bits, recall of copies that are only turned, re-encoded, resized or
#: brightened is ≥ 95 %; of those cropped by 5 % 73 to 96 % (12 bits: 92 to 100 %), by 10 % 20 to 63 % (57 to 93 %).
RADII = ((100_000, RADIUS, 10), (300_000, RADIUS, 8), (None, 10, 8))
#: Bound on candidates: so many, and so many for each image.
CANDIDATES, CANDIDATES_EACH = 200_000, 8
#: Pairs by chance for each image from which on a note says so: at the last of RADII, 16 million images.
CHANCE = 0.1
#: Pictures whose brightness deviates less than this have no shape that could tell copies from look-alikes.
FLAT = 0.01
#: Upright pairs of one size within so many bits are checked for equal pixels: a PNG made from a JPEG.
EQUAL_BITS = 2
#: An image that looks like more than so many others, and like more than this share of a dataset, is one of a fixed
#: camera's, or of one kind of page: an original whose copies are so large a part of a dataset is not met with.
SCENE = (30, 0.25)

Progress = Callable[[int, int], None]
Ints = npt.NDArray[np.intp]
Thumbnails = tuple[pd.Series, npt.NDArray[np.uint8]]
_LISTED = 3


def find(
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    thumbnails: Thumbnails,
    image_path: Callable[[str], Path],
    *,
    embeddings: tables.Embeddings | None = None,
    steps: HeavySteps = HERE,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Find the copies in a dataset.

    Args:
        dataset, features: the tables.
        thumbnails: image ids, and uint8 (n, 32·32).
        image_path: image_id → file.
        embeddings: of its images, by which copies are found that a hash of the whole picture does not see.
        steps: what searches sets of hashes and compares images in full.
        progress: called with (done, total) of each step of the search.

    Returns:
        The neighbors table, the clusters table, and notes on what was left out.
    """
    notes: list[str] = []
    readable = dataset[dataset["read_error"].isna()]
    same_bytes = clusters.equal(readable["image_id"], readable["sha256"])
    single = features[~features["image_id"].isin(_spare(same_bytes))]
    # From here on in an order that the contents define: which of equal ones stands for all, and which strangers are
    # drawn, decides which pairs are copies; and an export is proven free of copies under other names.
    content = single["image_id"].map(dataset.set_index("image_id")["sha256"]).sort_values()
    single = single.loc[content.index].reset_index(drop=True)
    same_pixels = _same_pixels(single, content.reset_index(drop=True), image_path, steps, notes, progress)
    single = single[~single["image_id"].isin(_spare(same_pixels))]
    flat = single["contrast"] < FLAT
    if flat.any():
        notes.append(f"{flat.sum():,} nearly blank images were compared for equal pixels only, not for near copies")
    single = single[~flat].reset_index(drop=True)
    near, separate = _near(single, dataset, thumbnails, image_path, steps, notes, progress)
    if embeddings is not None:
        laid = _laid_over(single, dataset, embeddings, separate, image_path, steps, notes, progress)
        near = pd.concat([near, laid], ignore_index=True).drop_duplicates(["image_id", "other_id"], ignore_index=True)
    parts = [
        clusters.group_pairs(same_bytes, "bytes"),
        clusters.spread(clusters.group_pairs(same_pixels, "pixels"), same_bytes),
        clusters.spread(clusters.spread(near, same_pixels), same_bytes),
    ]
    pairs = pd.concat([p for p in parts if len(p)] or [tables.empty(tables.NEIGHBORS)], ignore_index=True)
    pairs = pairs.drop_duplicates(["image_id", "other_id"]).sort_values(["image_id", "other_id"], ignore_index=True)
    return pairs, clusters.cluster(pairs, dataset.set_index("image_id")["group"]), notes


def _spare(first: pd.Series) -> pd.Index:
    """Members of equal groups but for the first ones."""
    return first.index[first.index != first]


def _same_pixels(
    features: pd.DataFrame,
    content: pd.Series,
    image_path: Callable[[str], Path],
    steps: HeavySteps,
    notes: list[str],
    progress: Progress | None,
) -> pd.Series:
    """Groups of equal pixels (see `neighbors.equal`), proven on full decodes, led by the first in order of content."""
    single = features["frames"].fillna(1).le(1)  # of several frames the scan saw the first one only
    features, content = features[single].reset_index(drop=True), content[single.to_numpy()].reset_index(drop=True)
    alike = clusters.equal(features["image_id"], features["pixel_hash"], content).index.to_series()
    found = steps.pixel_digests([image_path(i) for i in alike], progress=progress)
    gone = [f"{i} ({error})" for i, (_, error) in zip(alike, found, strict=True) if error is not None]
    _note_gone(gone, "files look equal to others", notes)
    order = alike.map(pd.Series(content.to_numpy(), index=features["image_id"]))
    return clusters.equal(alike, pd.Series([digest for digest, _ in found], dtype="str"), order)


def _near(
    features: pd.DataFrame,
    dataset: pd.DataFrame,
    thumbnails: Thumbnails,
    image_path: Callable[[str], Path],
    steps: HeavySteps,
    notes: list[str],
    progress: Progress | None,
) -> tuple[pd.DataFrame, set[tuple[str, str]]]:
    """Near copies, and pairs that are separate shots of one scene."""
    ids = features["image_id"].to_numpy()
    hashes = features[[f"phash_{o}" for o in tables.ORIENTATIONS]].to_numpy(np.uint64)
    pairs = _candidates(hashes, steps.search, notes, progress)
    if not len(pairs):
        return tables.empty(tables.NEIGHBORS), set()
    upright, turned = radii(len(hashes))
    crowd = strangers(hashes, upright, turned=turned)
    row = pd.Index(thumbnails[0]).get_indexer(pd.Index(features["image_id"]))
    side = round(thumbnails[1].shape[1] ** 0.5)
    at, seen, sure = thumbnail_match.likely(
        thumbnails[1].reshape(-1, side, side),
        row[pairs.i],
        row[pairs.j],
        pairs.distance,
        pairs.orientation,
        (row[crowd.i], row[crowd.j], crowd.distance, crowd.orientation),
        progress=progress,
    )
    i, j, distance, orientation = pairs.i[at], pairs.j[at], pairs.distance[at], pairs.orientation[at]
    scene = _one_scene(i[sure], j[sure], len(ids), notes)
    separate = _pairs(ids[i[sure][scene]], ids[j[sure][scene]])
    sure[sure] = ~scene
    size = dataset.set_index("image_id")[["width", "height"]].reindex(ids).to_numpy(dtype=np.int64)
    may_equal = (size[i] == size[j]).all(axis=1) & (orientation == 0) & (distance <= EQUAL_BITS)
    asked = np.flatnonzero(sure | may_equal)
    verdicts = steps.compare(
        [
            full_decode_match.Pair(
                image_path(ids[i[k]]),
                image_path(ids[j[k]]),
                int(orientation[k]),
                bool(seen.first[k]),
                tuple(seen.window[k].tolist()),
            )
            for k in asked
        ],
        progress=progress,
    )
    gone = [
        f"{ids[i[k]]} and {ids[j[k]]} ({v.error})" for k, v in zip(asked, verdicts, strict=True) if v.error is not None
    ]
    _note_gone(gone, "pairs look like copies", notes)
    same = np.array([v.equal for v in verdicts], dtype=bool)
    alike = np.array([v.copy for v in verdicts], dtype=bool)
    difference = np.array([v.difference for v in verdicts], dtype=np.float32)
    shots = sum(v.separate for v, asked_for in zip(verdicts, sure[asked], strict=True) if asked_for)
    shot = asked[np.array([v.separate for v in verdicts], dtype=bool)]
    separate |= _pairs(ids[i[shot]], ids[j[shot]])
    if shots:
        notes.append(
            f"{shots:,} pairs are separate shots of one scene, by their grain, and no copies; if some of them belong "
            "together in one split, say so in a group column"
        )
    kept = (same & may_equal[asked]) | (alike & sure[asked])
    k, same, difference = asked[kept], same[kept] & may_equal[asked][kept], difference[kept]
    found = tables.frame(
        tables.NEIGHBORS,
        image_id=ids[i[k]],
        other_id=ids[j[k]],
        kind=np.where(same, "pixels", "near"),
        distance=distance[k].astype(np.int64),
        transform=np.array(tables.ORIENTATIONS)[orientation[k]],
        similarity=np.where(same, 1, seen.detail[k]),
        difference=difference,
    )
    return clusters.ordered(found), separate


def _pairs(one: npt.NDArray[np.object_], two: npt.NDArray[np.object_]) -> set[tuple[str, str]]:
    return {(min(a, b), max(a, b)) for a, b in zip(one, two, strict=True)}


def _laid_over(
    features: pd.DataFrame,
    dataset: pd.DataFrame,
    embeddings: tables.Embeddings,
    separate: set[tuple[str, str]],
    image_path: Callable[[str], Path],
    steps: HeavySteps,
    notes: list[str],
    progress: Progress | None,
) -> pd.DataFrame:
    """Copies that one picture laid over the other shows; but for pairs that are `separate` shots."""
    sides = dataset.set_index("image_id")[["width", "height"]].min(axis=1).reindex(features["image_id"])
    row = pd.Index(embeddings.image_id).get_indexer(pd.Index(features["image_id"]))
    large = (sides >= embedding_pairs.LEAST_SIDE).to_numpy()
    single = features["frames"].fillna(1).le(1).to_numpy() & large & (row >= 0)
    features, row = features[single].reset_index(drop=True), row[single]
    ids = features["image_id"].to_numpy()
    if len(ids) > embedding_pairs.MOST_IMAGES:
        notes.append(
            f"copies that are cropped to a part, turned a little or framed were not looked for: {len(ids):,} images "
            f"are more than {embedding_pairs.MOST_IMAGES:,}"
        )
        return tables.empty(tables.NEIGHBORS)
    pairs = embedding_pairs.candidates(embeddings.alike[row])
    asked = np.array([(min(ids[i], ids[j]), max(ids[i], ids[j])) not in separate for i, j in pairs], dtype=bool)
    found = steps.confirm(pairs[asked], lambda at: image_path(ids[at]), progress=progress)
    _note_gone([str(ids[at]) for at in found.gone], "files look like others", notes)
    kept = ~_one_scene(found.i, found.j, len(ids), notes)
    i, j = found.i[kept], found.j[kept]
    hashes = features["phash_identity"].to_numpy(np.uint64)
    laid = tables.frame(
        tables.NEIGHBORS,
        image_id=ids[i],
        other_id=ids[j],
        kind=np.full(len(i), "near"),
        distance=np.bitwise_count(hashes[i] ^ hashes[j]).astype(np.int64),
        transform=np.where(found.moved[kept], tables.ALIGNED, "identity"),
        similarity=found.similarity[kept],
        difference=found.difference[kept],
    )
    return clusters.ordered(laid)


def _one_scene(i: Ints, j: Ints, n: int, notes: list[str]) -> npt.NDArray[np.bool_]:
    """Which of these pairs are between images that are each like a large part of all n; see SCENE."""
    degree = np.bincount(np.concatenate([i, j]), minlength=n)
    scene = degree > max(SCENE[0], SCENE[1] * n)
    inside = scene[i] & scene[j]
    if inside.any():
        notes.append(
            f"{scene.sum():,} images show one scene, as from a camera that does not move: each looks like more than "
            f"{SCENE[1]:.0%} of all, which says nothing about copies. They were compared for equal pixels only; if "
            "some of them belong together in one split, say so in a group column"
        )
    return inside


def radii(n: int) -> tuple[int, int]:
    """Search radius in bits for upright copies, and for mirrored and turned ones, among n images; see RADII."""
    return next((upright, turned) for most, upright, turned in RADII if most is None or n <= most)


def _candidates(hashes: npt.NDArray[np.uint64], search: Search, notes: list[str], progress: Progress | None) -> Pairs:
    n = len(hashes)
    upright, turned = radii(n)
    limit = CANDIDATES + CANDIDATES_EACH * n
    pairs = hamming_pairs(hashes, upright, turned=turned, limit=limit, search=search, progress=progress)
    if (upright, turned) != RADII[0][1:]:
        notes.append(
            f"{n:,} images: near copies were searched to a hash distance of {upright} bits, mirrored and turned ones "
            f"to {turned}; in a smaller dataset {RADII[0][1]} and {RADII[0][2]} find more of the cropped ones"
        )
    chance = by_chance(n, upright, turned)
    if chance > CHANCE * n:
        notes.append(
            f"{n:,} images are many for hashes of 64 bits: about {chance:,.0f} pairs of different ones are near by "
            "chance; the search takes longer, and look-alikes are more easily taken for copies"
        )
    if pairs.crowded:
        notes.append(f"{pairs.crowded:,} images have so many look-alikes that only their nearest ones were compared")
    if pairs.equal:
        notes.append(
            f"{pairs.equal:,} images share their perceptual hash with more than {MAX_EQUAL} others and were compared "
            "with one of them only"
        )
    return pairs


def _note_gone(gone: Sequence[str], what: str, notes: list[str]) -> None:
    """Note files that vanished or changed since the scan: that must not stop the run."""
    if gone:
        notes.append(f"{len(gone):,} {what}, but can't be compared: {few(gone, _LISTED, '; ')}")
