"""Every column of every table: name, type, range, meaning. `core.tables` validates, reads and writes them.

Apart from `core.tables`, so that a process that only measures images need not load pandas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from imageclinic.core.columns import IMAGE_ID as _ID
from imageclinic.core.columns import Column, Table
from imageclinic.core.schemas.annotator_tables import ANNOTATIONS, CONSENSUS

#: The eight orientations of the plane, in the order of the hash columns. ``rot90`` turns anticlockwise;
#: ``flip_*`` mirrors left-right first, then turns.
ORIENTATIONS = ("identity", "rot90", "rot180", "rot270", "flip", "flip_rot90", "flip_rot180", "flip_rot270")
#: A map that lays one copy over the other, see `audit.copies.laid_over.keypoint_alignment`.
ALIGNED = "aligned"
#: One is a tile of the other, a collage: they belong into one split, and neither can replace the other.
TILE = "tile"
TRANSFORMS = (*ORIENTATIONS, ALIGNED, TILE)
OUTCOMES = ("found", "clean", "not_applicable", "skipped", "failed")
#: Who decides by a policy is a reviewer whose name begins so; all others are persons.
POLICY = "policy:"
#: The file of an export that holds the weights of its classes.
CLASS_WEIGHTS = "class_weights.json"
ACTIONS = ("keep", "drop", "relabel", "review")
DECISIONS = ("keep", "drop", "relabel", "unsure", "undo")
PAIR_KINDS = ("bytes", "pixels", "near")
SPLITS = ("train", "val", "test")


#: The tables that paths are made from; ids of other tables are joined to these.
_PATH = replace(_ID, path="inside")

DATASET = Table(
    "dataset",
    "dataset.parquet",
    "image file",
    (
        _PATH,
        Column("label", pa.string(), "given class; null when unlabelled", nullable=True),
        Column("split", pa.string(), "the split that the dataset came with", nullable=True),
        Column("group", pa.string(), "person, patient, camera: never divided between splits", nullable=True),
        Column("given_labels", pa.string(), "several labels, as a JSON list; label is null", nullable=True, later=True),
        Column("bytes", pa.int64(), "file size in bytes", low=0),
        Column("mtime_ns", pa.int64(), "modification time, nanoseconds since 1970"),
        Column("sha256", pa.string(), "hash of the file's bytes; null when it could not be read", nullable=True),
        Column("format", pa.string(), "format by content (JPEG, PNG, …); null if unknown", nullable=True),
        Column("width", pa.int64(), "pixels, as stored (EXIF orientation not applied)", nullable=True, low=1),
        Column("height", pa.int64(), "pixels, as stored (EXIF orientation not applied)", nullable=True, low=1),
        Column("mode", pa.string(), "pixel layout in Pillow's terms (L, RGB, CMYK, …)", nullable=True),
        Column("read_error", pa.string(), "why the image can't be decoded; null when it can", nullable=True),
    ),
    ("image_id",),
)


def _keras(name: str, meaning: str, high: float = 1) -> Column:
    meaning = f"{meaning}; null where both see the same"
    return Column(f"keras_{name}", pa.float32(), meaning, nullable=True, low=0, high=high, later=True)


FEATURES = Table(
    "features",
    "features.parquet",
    "readable image",
    (
        _ID,
        *(
            Column(f"phash_{o}", pa.uint64(), f"64-bit perceptual hash (imagehash.phash) of the image, {o}")
            for o in ORIENTATIONS
        ),
        Column("pixel_hash", pa.uint64(), "xxh3 of size and decoded (scaled) pixels: equal for equal pictures"),
        Column("luminance_mean", pa.float32(), "mean perceived brightness", low=0, high=1),
        Column("luminance_p05", pa.float32(), "5th percentile of perceived brightness", low=0, high=1),
        Column("luminance_p99", pa.float32(), "99th percentile of perceived brightness", low=0, high=1),
        Column("contrast", pa.float32(), "standard deviation of perceived brightness", low=0, high=1),
        Column("entropy", pa.float32(), "entropy of the 256-bin grey histogram, in bits", low=0, high=8),
        Column(
            "sharpness",
            pa.float32(),
            "mean squared Laplacian over mean squared slope of the grey picture at 64 pixels; 0 for a flat picture",
            low=0,
        ),
        Column("colour", pa.float32(), "99th percentile of max − min over the channels", low=0, high=1),
        Column("border", pa.float32(), "share of the area that plain bars at the edges take", True, 0, 1, later=True),
        Column("jpeg_quality", pa.int64(), "by its luminance table; null if no JPEG", True, 1, 100, later=True),
        Column("camera", pa.string(), "make and model in the EXIF data; null if none", nullable=True),
        Column("exif_orientation", pa.int64(), "EXIF orientation, 1 = upright; null if none", True, 1, 8),
        Column("frames", pa.int64(), "pages or animation frames; the first one is judged", nullable=True, low=1),
        Column("transparent", pa.bool_(), "whether it has pixels that are not opaque", nullable=True, later=True),
        Column("value_low", pa.float64(), "least value, of more than 8 bits a pixel; else null", True, later=True),
        Column("value_high", pa.float64(), "greatest value, of more than 8 bits a pixel; else null", True, later=True),
        _keras("difference", "mean difference, in [0, 1], of what Keras's loaders see from what a person sees"),
        _keras("luminance_mean", "luminance_mean of what a loader of Keras sees"),
        _keras("luminance_p99", "luminance_p99 of what a loader of Keras sees"),
        _keras("entropy", "entropy of what a loader of Keras sees", 8),
    ),
    ("image_id",),
)

NEIGHBORS = Table(
    "neighbors",
    "neighbors.parquet",
    "pair of copies",
    (
        _ID,
        Column("other_id", pa.string(), "the other image of the pair; image_id < other_id"),
        Column("kind", pa.string(), "same bytes, same pixels, or near copies", choices=PAIR_KINDS),
        Column("distance", pa.int64(), "Hamming distance of the 64-bit hashes, in bits", low=0, high=64),
        Column("transform", pa.string(), "what turns other_id into image_id", choices=TRANSFORMS),
        Column("similarity", pa.float32(), "correlation of the pictures' detail after alignment", low=-1, high=1),
        Column(
            "difference",
            pa.float32(),
            "largest local difference, relative to what re-encoding and the like leave; above 1: another picture "
            "there, such as a logo at the margin",
            nullable=True,
            low=0,
            later=True,
        ),
    ),
    ("image_id", "other_id"),
)

CLUSTERS = Table(
    "clusters",
    "clusters.parquet",
    "image in any pair or group",
    (
        _ID,
        Column("cluster", pa.string(), "every two members are copies of each other; null if none", nullable=True),
        Column("split_group", pa.string(), "connected component over all pairs and the group column"),
    ),
    ("image_id",),
)

SPLIT_TABLE = Table(
    "splits",
    "splits.parquet",
    "labelled image",
    (_ID, Column("split", pa.string(), "frozen before any decision", choices=SPLITS)),
    ("image_id",),
)

ISSUES = Table(
    "issues",
    "issues.parquet",
    "finding",
    (
        Column("check", pa.string(), "name of the check"),
        Column("image_id", pa.string(), "null for a finding about the dataset or a class", nullable=True),
        Column("label", pa.string(), "the class, for findings about a class", nullable=True),
        Column("score", pa.float64(), "1 = worst; comparable within a check only", low=0, high=1),
        Column("cluster", pa.string(), "cluster of copies that the finding is about", nullable=True),
        Column("suggested_action", pa.string(), "copies say review: survivors are chosen later", choices=ACTIONS),
        Column("suggested_label", pa.string(), "for relabel", nullable=True),
        Column("evidence", pa.string(), "one sentence with the number that decided"),
    ),
)

RERANK = Table(
    "rerank",
    "rerank-0001.parquet",
    "labelled image",
    (
        _ID,
        Column("label_quality", pa.float64(), "with the decisions so far; 0 = worst", low=0, high=1),
        Column("suggested_label", pa.string(), "likeliest class; null when it is the label held now", nullable=True),
    ),
    ("image_id",),
)

DECISION_LOG = Table(
    "decisions",
    "decisions.csv",
    "event, append-only",
    (
        Column("decision_id", pa.string(), "unique"),
        Column("batch", pa.string(), "decisions made by one action share it; undo takes back a batch"),
        _ID,
        Column("sha256", pa.string(), "content that was judged: decisions follow it to a re-audit", nullable=True),
        Column("given_label", pa.string(), "label at the time", nullable=True),
        Column("decision", pa.string(), "what was decided", choices=DECISIONS),
        Column("label", pa.string(), "new label, for relabel", nullable=True),
        Column("confirmed", pa.string(), "checks found right, joined by ';'", nullable=True),
        Column("rejected", pa.string(), "checks found wrong, joined by ';'", nullable=True),
        Column("score", pa.float64(), "the finding's score when it was decided", nullable=True, low=0, high=1),
        Column("sample", pa.string(), "how the image came up", choices=("ranked", "random")),
        Column("stratum", pa.string(), "score band, for random samples", nullable=True),
        Column("inclusion_prob", pa.float64(), "for random samples", nullable=True, low=0, high=1),
        Column("reviewer", pa.string(), "a person, or policy:<name>"),
        Column("decided_at", pa.string(), "UTC, ISO 8601"),
        Column("note", pa.string(), "free text", nullable=True),
    ),
    ("decision_id",),
    command="review",
)

#: Beside the vectors of these files: their width depends on the classes or the network.
PREDICTIONS = Table(
    "predictions",
    "predictions.parquet",
    "readable, labelled image",
    (
        _ID,
        Column("fold", pa.int64(), "fold that the image was left out of; -1: not known", low=-1),
        Column("label_quality", pa.float64(), "0 = worst", low=0, high=1),
    ),
    ("image_id",),
)
VECTOR_IDS = Table("ids", "embeddings.parquet", "readable image", (_ID,), ("image_id",))
_CLASS_INDEX = Column(
    "class_index", pa.int64(), "number of the class in the export, from 0", nullable=True, low=0, later=True
)

MANIFEST = Table(
    "manifest",
    "manifest.csv",
    "exported image",
    (
        _PATH,
        Column("path", pa.string(), "POSIX path relative to the export", path="relative"),
        Column("label", pa.string(), "class after cleaning"),
        Column("original_label", pa.string(), "class before cleaning", nullable=True),
        Column("split", pa.string(), "train, val or test", choices=SPLITS),
        Column("split_group", pa.string(), "images that must share a split"),
        Column("sha256", pa.string(), "hash of the exported file's bytes"),
        Column("decision", pa.string(), "keep, relabel, or null when undecided", nullable=True),
        Column("original_sha256", pa.string(), "of the source, where it was re-encoded; else null", True, later=True),
        _CLASS_INDEX,
    ),
    ("image_id",),
    command="export",
)

BALANCE = Table(
    "balance",
    "balance.csv",
    "training image of an export",
    (
        _PATH,
        Column("path", pa.string(), "POSIX path relative to the export", path="relative"),
        Column("label", pa.string(), "class after cleaning"),
        Column("times", pa.int64(), "how often it is shown in an epoch, so that classes are shown alike", low=0),
        _CLASS_INDEX,
    ),
    ("image_id",),
    command="export",
)

NEW_IMAGES = Table(
    "new_images",
    "new_images.parquet",
    "image that was checked against a run",
    (
        _PATH,
        Column("label", pa.string(), "given class; null when unlabelled", nullable=True),
        Column("split", pa.string(), "the split that it came with", nullable=True),
        Column("accepted", pa.bool_(), "whether nothing speaks against adding it"),
        Column("findings", pa.string(), "names of checks that found something, joined by ';'", nullable=True),
        Column("copy_of", pa.string(), "image of the run that it is a copy of", nullable=True),
        Column("copy_split", pa.string(), "that one's split", nullable=True),
        Column("copy_label", pa.string(), "that one's label, as decided", nullable=True),
        Column("new_cluster", pa.string(), "cluster of copies among the new images", nullable=True),
        Column("suggested_label", pa.string(), "for a label that is doubted", nullable=True),
        Column("wrong", pa.float64(), "probability that its label is wrong", nullable=True, low=0, high=1),
        Column("predicted_label", pa.string(), "likeliest class by the run's models", nullable=True),
        Column("predicted_probability", pa.float64(), "of that class", nullable=True, low=0, high=1),
        Column("drift_score", pa.float64(), "probability of being new, out of fold", nullable=True, low=0, high=1),
        Column("evidence", pa.string(), "a sentence per finding", nullable=True),
    ),
    ("image_id",),
    command="check",
)

_ALL = (
    DATASET,
    FEATURES,
    NEIGHBORS,
    CLUSTERS,
    SPLIT_TABLE,
    ISSUES,
    ANNOTATIONS,
    CONSENSUS,
    RERANK,
    DECISION_LOG,
    MANIFEST,
    BALANCE,
    NEW_IMAGES,
)
TABLES: Mapping[str, Table] = {t.name: t for t in _ALL}
