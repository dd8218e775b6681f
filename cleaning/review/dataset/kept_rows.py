"""The rows of a run's tables that the App needs. Of a large run they are chosen once and kept in the run folder.

Choosing reads all findings and sorts them. What is kept is written again when a table has changed, or when it lacks an
image that must be shown; decisions are not in it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.decisions.log_reading import kept_log
from imageclinic.cleaning.review.dataset import shown_images
from imageclinic.cleaning.trust import random_sample
from imageclinic.core import tables
from imageclinic.core.columns import IMAGE_ID, Column, Table
from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.reading.parquet_files import row_count
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run

#: Above this many images so many of the worst of each check and class are loaded, see `shown_images`.
MOST_IMAGES = 100_000
_VERSION = 2
_SOURCES = (tables.DATASET, tables.ISSUES, tables.CLUSTERS, tables.SPLIT_TABLE, tables.FEATURES)
#: What decides which decisions hold.
_CONTENT = ("image_id", "sha256", "label")
_CHOSEN_BY = ("check", "image_id", "score")
_TEXT, _NUMBER = pa.string(), pa.int64()
ABOUT = Table(
    "chosen images",
    "rows-about.parquet",
    "image that the App may show, or a copy of one",
    (
        IMAGE_ID,
        Column("worst", pa.bool_(), "shown whatever is decided"),
        Column("calibrate", _NUMBER, "position in the random sample", nullable=True, low=0),
        Column(
            "inclusion_prob", pa.float64(), "chance with which the random sample draws it", nullable=True, low=0, high=1
        ),
        Column("cluster", _TEXT, "see clusters", nullable=True),
        Column("group", _NUMBER, "of the cluster, from 1", nullable=True, low=1),
        Column("split", _TEXT, "see splits", nullable=True),
        Column("sharpness", pa.float64(), "see features", nullable=True),
    ),
    ("image_id",),
)


@dataclass(frozen=True)
class Rows:
    """Rows of a run's tables about some of its images, or about all."""

    dataset: pd.DataFrame
    """tables.DATASET, with all copies of each image."""
    issues: pd.DataFrame
    """tables.ISSUES about these."""
    about: pd.DataFrame
    """`ABOUT`, one row for each row of `dataset`."""
    images: int
    """How many the run has."""
    classes: list[str]
    """All given labels, sorted."""

    @property
    def whole(self) -> bool:
        """Whether these are all images of the run."""
        return self.images == len(self.dataset)

    def shown(self, wanted: Collection[str]) -> Rows:
        """Of these the rows about images that the App shows: all of a small run, else the worst, and the wanted."""
        if self.whole and self.about["worst"].all():
            return self
        ids = self.about.loc[self.about["worst"] | lookup.among(self.about["image_id"], wanted), "image_id"]
        dataset, issues, about = (
            part[lookup.among(part["image_id"], ids)] for part in (self.dataset, self.issues, self.about)
        )
        return Rows(dataset, issues, about, self.images, self.classes)


def of_run(run: Run, wanted: Collection[str] = ()) -> Rows:
    """The rows of a run; of one with more than `MOST_IMAGES` images those that the App may show.

    Args:
        run: an audited run.
        wanted: images that must be among them.
    """
    images = row_count(run.table_path(tables.DATASET))
    if images <= MOST_IMAGES:
        return _gathered(run, None, images, wanted)
    key = _key(run)
    kept = _read(run, key)
    if kept is None or not lookup.among(list(wanted), kept.about["image_id"]).all():
        kept = _gathered(run, MOST_IMAGES, images, wanted)
        _write(run, kept, key)
    return kept


def keep(run: Run) -> None:
    """Choose the rows of a large run now, so that its first opening finds them."""
    if row_count(run.table_path(tables.DATASET)) > MOST_IMAGES:
        of_run(run)


def judged(run: Run, rows: Rows, log: pd.DataFrame) -> pd.DataFrame:
    """What tells which images the decisions are about: image_id, sha256, label.

    Where each decision fits an image of `rows` no other image has a say; else one may have gone anywhere, and all are
    read. Those that decisions fit are kept: a policy decides about more images than are shown.
    """
    known = rows.dataset[list(_CONTENT)]
    if rows.whole or decision_log.fits(log, known).all():
        return known
    found = _decided(run, known, log)
    return run.read(tables.DATASET, _CONTENT) if found is None else found


def keep_decided(run: Run) -> None:
    """Keep what tells which images of a large run the decisions are about, so that the next opening finds it."""
    if row_count(run.table_path(tables.DATASET)) > MOST_IMAGES:
        _decided(run, tables.empty(tables.DATASET)[list(_CONTENT)], kept_log.read(run.decisions))


def _decided(run: Run, known: pd.DataFrame, log: pd.DataFrame) -> pd.DataFrame | None:
    """The `known` images and all that decisions name, as they are kept or looked up; None where some decision fits none
    of them."""
    path, table, key = run.review / "rows-judged.parquet", tables.DATASET.only(_CONTENT), _key(run, [tables.DATASET])
    with contextlib.suppress(InputError):  # damaged: it is made again
        if tables.is_current(path, key):
            both = _both(known, tables.read(path, table))
            if decision_log.fits(log, both).all():
                return both
    named = tables.read_rows(run.table_path(tables.DATASET), table, log["image_id"].drop_duplicates())
    both = _both(known, named)
    if not decision_log.fits(log, both).all():
        return None
    run.review.mkdir(exist_ok=True)
    tables.write(path, named, table, {"key": key})
    return both


def _both(known: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([known, named], ignore_index=True).drop_duplicates("image_id")


def _gathered(run: Run, most: int | None, images: int, wanted: Collection[str]) -> Rows:
    """The rows, from the tables."""
    if most is None:
        dataset, issues = run.read(tables.DATASET), run.read(tables.ISSUES)
    else:
        dataset, issues = run.read(tables.DATASET, ["image_id", "label"]), run.read(tables.ISSUES, _CHOSEN_BY)
    classes = sorted(dataset["label"].dropna().unique())
    sample = random_sample.draw(issues, dataset)
    clusters = _clusters(run, dataset)
    worst = None
    if most is not None:
        worst = shown_images.shown(issues, dataset, clusters, sample, most)
        ids = shown_images.with_copies(worst.union(pd.Index(list(wanted), dtype="str")), clusters)
        dataset, issues = _rows(run, tables.DATASET, ids), _rows(run, tables.ISSUES, ids)
    names = dataset["image_id"]
    about = pd.DataFrame({"image_id": names, "worst": True if worst is None else lookup.among(names, worst)})
    places = sample.assign(calibrate=sample.index)
    about["calibrate"] = lookup.values(names, places, "calibrate").astype("Int64")
    about["inclusion_prob"] = lookup.values(names, sample, "inclusion_prob")
    for column in ("cluster", "group"):
        about[column] = lookup.values(names, clusters, column)
    for table, column in ((tables.SPLIT_TABLE, "split"), (tables.FEATURES, "sharpness")):
        there = run.has(table)
        about[column] = lookup.values(names, run.read(table, ["image_id", column]), column) if there else None
    return Rows(dataset, issues, tables.validate(about[ABOUT.names], ABOUT), images, classes)


def _rows(run: Run, table: tables.Table, ids: pd.Index) -> pd.DataFrame:
    return tables.read_rows(run.table_path(table), table, ids)


def _clusters(run: Run, dataset: pd.DataFrame) -> pd.DataFrame:
    """image_id, cluster, and the cluster's number in the order in which the views of copies show them."""
    if not run.has(tables.CLUSTERS):
        return pd.DataFrame({"image_id": [], "cluster": [], "group": []}).astype(
            {"image_id": "str", "cluster": "str", "group": "Int64"}
        )
    clusters = run.read(tables.CLUSTERS, ["image_id", "cluster"])
    clusters = clusters[clusters["cluster"].notna()]
    clusters = clusters[lookup.among(clusters["image_id"], dataset["image_id"])]
    codes, _ = pd.factorize(clusters["cluster"], sort=True)
    return clusters.assign(group=pd.array(codes + 1, dtype="Int64"))


def _key(run: Run, sources: Iterable[tables.Table] = _SOURCES) -> str:
    """What changes with each writing of one of these tables: all are renamed into place."""
    facts = []
    for table in sources:
        if run.has(table):
            found = run.table_path(table).stat()
            facts.append((table.name, found.st_size, found.st_mtime_ns, found.st_ino))
    return text_digest(json.dumps([_VERSION, MOST_IMAGES, facts]), 32)


def _files(run: Run) -> tuple[tuple[Path, tables.Table], ...]:
    return tuple(
        (run.review / name, table)
        for name, table in (
            ("rows-dataset.parquet", tables.DATASET),
            ("rows-issues.parquet", tables.ISSUES),
            (ABOUT.file, ABOUT),
        )
    )


def _read(run: Run, key: str) -> Rows | None:
    """What was kept, if it was made from the tables as they are."""
    try:
        made = [tables.metadata(path) for path, _ in _files(run)]
        # One writing: two may differ in the images that were wanted.
        if made[0].get("key") != key or any(one != made[0] for one in made):
            return None
        dataset, issues, about = (tables.read(path, table) for path, table in _files(run))
    except InputError:
        return None  # damaged: it is made again
    return Rows(dataset, issues, about, int(made[0]["images"]), json.loads(made[0]["classes"]))


def _write(run: Run, rows: Rows, key: str) -> None:
    ids = text_digest("\n".join(rows.about["image_id"]), 32)
    made = {"key": key, "ids": ids, "images": str(rows.images), "classes": json.dumps(rows.classes)}
    run.review.mkdir(exist_ok=True)
    for (path, table), part in zip(_files(run), (rows.dataset, rows.issues, rows.about), strict=True):
        tables.write(path, part, table, made)
