"""dataset + features + thumbnails → pairs of copies and clusters.

Candidates come from 64-bit perceptual hashes in eight orientations; `thumbnail_match` shows the likely copies, full
decodes have the last word. Where images are embedded, vectors and tiles give more (`embedding_pairs`, `tile_pairs`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.copies import clusters, crowds, full_decode_match, thumbnail_match
from imageclinic.audit.copies.candidate_pairs import MAX_EQUAL, Pairs, by_chance, hamming_pairs
from imageclinic.audit.copies.compact import image_rows
from imageclinic.audit.copies.compact.image_rows import ImageRows, ThumbnailSource
from imageclinic.audit.copies.hamming import Search
from imageclinic.audit.copies.heavy_steps import HERE, HeavySteps
from imageclinic.audit.copies.laid_over import embedding_pairs, tile_pairs
from imageclinic.audit.copies.strangers import strangers
from imageclinic.core import tables
from imageclinic.core.large import text_rows
from imageclinic.core.naming.wording import few

#: Changes when pairs that an older version found must not be reused.
VERSION = "8"
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

#: The columns of the dataset and features tables that the search needs.
COLUMNS = {
    tables.DATASET: ("image_id", "group", "sha256", "width", "height", "read_error"),
    tables.FEATURES: ("image_id", *(f"phash_{o}" for o in tables.ORIENTATIONS), "pixel_hash", "contrast", "frames"),
}

Progress = Callable[[int, int], None]
Ints = npt.NDArray[np.intp]
Thumbnails = tuple[pd.Series, npt.NDArray[np.uint8]]
_LISTED = 3


def find(
    dataset: pd.DataFrame,
    features: pd.DataFrame,
    thumbnails: ThumbnailSource,
    image_path: Callable[[str], Path],
    *,
    embeddings: tables.Embeddings | None = None,
    steps: HeavySteps = HERE,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Find the copies in a dataset.

    Args:
        dataset, features: the tables; of them `COLUMNS` are needed.
        thumbnails: image ids, and uint8 (n, 32·32), or the file that has them.
        image_path: image_id → file.
        embeddings: of its images, by which copies are found that a hash of the whole picture does not see.
        steps: what searches sets of hashes and compares images in full.
        progress: called with (done, total) of each step of the search.

    Returns:
        The neighbors table, the clusters table, and notes on what was left out.
    """
    notes: list[str] = []
    images = image_rows.readable(dataset, features)
    content = np.where(dataset["read_error"].isna(), images.content, -1)
    several = text_rows.repeated(content)
    same_bytes = clusters.equal(dataset["image_id"][several], dataset["sha256"][several])
    # From here on in an order that the contents define: which of equal ones stands for all, and which strangers are
    # drawn, decides which pairs are copies; and an export is proven free of copies under other names.
    images = images.without(_spare(same_bytes)).in_order_of_content()
    same_pixels = _same_pixels(images, image_path, steps, notes, progress)
    images = images.without(_spare(same_pixels))
    flat = images.measured("contrast") < FLAT
    if flat.any():
        notes.append(f"{flat.sum():,} nearly blank images were compared for equal pixels only, not for near copies")
        images = images.only(~flat)
    near, separate = _near(images, thumbnails, image_path, steps, notes, progress)
    if embeddings is not None:
        laid = _laid_over(images, thumbnails, embeddings, separate, image_path, steps, notes, progress)
        near = pd.concat([near, laid], ignore_index=True).drop_duplicates(["image_id", "other_id"], ignore_index=True)
    parts = [
        clusters.group_pairs(same_bytes, "bytes"),
        clusters.spread(clusters.group_pairs(same_pixels, "pixels"), same_bytes),
        clusters.spread(clusters.spread(near, same_pixels), same_bytes),
    ]
    pairs = pd.concat([p for p in parts if len(p)] or [tables.empty(tables.NEIGHBORS)], ignore_index=True)
    pairs = pairs.drop_duplicates(["image_id", "other_id"]).sort_values(["image_id", "other_id"], ignore_index=True)
    grouped = dataset.loc[dataset["group"].notna(), ["image_id", "group"]]
    return pairs, clusters.cluster(pairs, grouped.set_index("image_id")["group"]), notes


def _spare(first: pd.Series) -> pd.Index:
    """Members of equal groups but for the first ones."""
    return first.index[first.index != first]


def _same_pixels(
    images: ImageRows,
    image_path: Callable[[str], Path],
    steps: HeavySteps,
    notes: list[str],
    progress: Progress | None,
) -> pd.Series:
    """Groups of equal pixels (see `clusters.equal`), proven on full decodes, led by the first in order of content."""
    images = images.only(images.of_one_frame())  # of several frames the scan saw the first one only
    images = images.only(text_rows.repeated(images.measured("pixel_hash")))
    every = np.arange(len(images))
    ids, content = pd.Series(images.names(every), dtype="str"), pd.Series(every)
    alike = clusters.equal(ids, pd.Series(images.measured("pixel_hash")), content).index.to_series()
    found = steps.pixel_digests([image_path(i) for i in alike], progress=progress)
    gone = [f"{i} ({error})" for i, (_, error) in zip(alike, found, strict=True) if error is not None]
    _note_gone(gone, "files look equal to others", notes)
    order = alike.map(pd.Series(content.to_numpy(), index=ids))
    return clusters.equal(alike, pd.Series([digest for digest, _ in found], dtype="str"), order)


def _near(
    images: ImageRows,
    thumbnails: ThumbnailSource,
    image_path: Callable[[str], Path],
    steps: HeavySteps,
    notes: list[str],
    progress: Progress | None,
) -> tuple[pd.DataFrame, set[tuple[str, str]]]:
    """Near copies, and pairs that are separate shots of one scene."""
    hashes = images.hashes()
    pairs = _candidates(hashes, steps.search, notes, progress)
    if not len(pairs):
        return tables.empty(tables.NEIGHBORS), set()
    upright, turned = radii(len(hashes))
    crowd = strangers(hashes, upright, turned=turned)
    del hashes
    shown, (i, j, crowd_i, crowd_j) = images.thumbnails(thumbnails, pairs.i, pairs.j, crowd.i, crowd.j)
    others = (crowd_i, crowd_j, crowd.distance, crowd.orientation)
    at, seen, sure = thumbnail_match.likely(shown, i, j, pairs.distance, pairs.orientation, others, progress=progress)
    i, j, distance, orientation = pairs.i[at], pairs.j[at], pairs.distance[at], pairs.orientation[at]
    scene = crowds.one_scene(i[sure], j[sure], len(images), notes)
    first, second = images.names(i), images.names(j)
    separate = _pairs(first[sure][scene], second[sure][scene])
    sure[sure] = ~scene
    size, other_size = images.sizes(i), images.sizes(j)
    may_equal = (size == other_size).all(axis=1) & (orientation == 0) & (distance <= EQUAL_BITS)
    asked = np.flatnonzero(sure | may_equal)
    verdicts = steps.compare(
        [
            full_decode_match.Pair(
                image_path(first[k]),
                image_path(second[k]),
                int(orientation[k]),
                bool(seen.first[k]),
                tuple(seen.window[k].tolist()),
            )
            for k in asked
        ],
        progress=progress,
    )
    gone = [
        f"{first[k]} and {second[k]} ({v.error})" for k, v in zip(asked, verdicts, strict=True) if v.error is not None
    ]
    _note_gone(gone, "pairs look like copies", notes)
    same = np.array([v.equal for v in verdicts], dtype=bool)
    alike = np.array([v.copy for v in verdicts], dtype=bool)
    difference = np.array([v.difference for v in verdicts], dtype=np.float32)
    shots = sum(v.separate for v, asked_for in zip(verdicts, sure[asked], strict=True) if asked_for)
    shot = asked[np.array([v.separate for v in verdicts], dtype=bool)]
    separate |= _pairs(first[shot], second[shot])
    if shots:
        notes.append(
            f"{shots:,} pairs are separate shots of one scene, by their grain, and no copies; if some of them belong "
            "together in one split, say so in a group column"
        )
    kept = (same & may_equal[asked]) | (alike & sure[asked])
    k, same, difference = asked[kept], same[kept] & may_equal[asked][kept], difference[kept]
    found = tables.frame(
        tables.NEIGHBORS,
        image_id=first[k],
        other_id=second[k],
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
    images: ImageRows,
    thumbnails: ThumbnailSource,
    embeddings: tables.Embeddings,
    separate: set[tuple[str, str]],
    image_path: Callable[[str], Path],
    steps: HeavySteps,
    notes: list[str],
    progress: Progress | None,
) -> pd.DataFrame:
    """Copies that one picture laid over the other shows; but for pairs that are `separate` shots."""
    row = images.rows_in(embeddings.image_id)
    large = images.sizes(np.arange(len(images))).min(axis=1) >= embedding_pairs.LEAST_SIDE
    chosen = images.of_one_frame() & large & (row >= 0)
    images, row = images.only(chosen), row[chosen]
    if len(images) > embedding_pairs.MOST_IMAGES:
        what = "copies that are cropped, turned a little, framed or tiles were not looked for"
        notes.append(f"{what}: {len(images):,} images are more than {embedding_pairs.MOST_IMAGES:,}")
        return tables.empty(tables.NEIGHBORS)
    ids = images.names(np.arange(len(images)))
    (shown, (at,)), hashes = images.thumbnails(thumbnails, np.arange(len(ids))), images.measured("phash_identity")
    pairs, tiled = tile_pairs.joined(embedding_pairs.candidates(embeddings.alike[row]), shown[at], hashes)
    asked = np.array([(min(ids[i], ids[j]), max(ids[i], ids[j])) not in separate for i, j in pairs], dtype=bool)
    found = steps.confirm(pairs[asked], lambda at: image_path(ids[at]), progress=progress)
    _note_gone([str(ids[at]) for at in found.gone], "files look like others", notes)
    kept = ~crowds.one_scene(found.i, found.j, len(ids), notes)
    i, j = found.i[kept], found.j[kept]
    laid = tables.frame(
        tables.NEIGHBORS,
        image_id=ids[i],
        other_id=ids[j],
        kind=np.full(len(i), "near"),
        distance=np.bitwise_count(hashes[i] ^ hashes[j]).astype(np.int64),
        transform=tile_pairs.transforms(tile_pairs.numbered(i, j, len(ids)), tiled, found.moved[kept]),
        similarity=found.similarity[kept],
        difference=found.difference[kept],
    )
    return clusters.ordered(laid)


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
