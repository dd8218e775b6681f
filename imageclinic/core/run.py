"""The run folder: create, open, lock, and the names of everything in it. No other module names a path in a run."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.core import run_lock, tables
from imageclinic.core.atomic import sweep
from imageclinic.core.errors import InputError, remedied
from imageclinic.core.ids import is_below, require_unicode
from imageclinic.core.reading import image_files, other_folders, run_shapes, saved_verdict
from imageclinic.core.reading.json_files import parse_json, read_json
from imageclinic.core.reading.links import refuse_links
from imageclinic.core.reading.table_checks import check_same_images
from imageclinic.core.rows.parquet_tables import Columns

FORMAT = 1
MARKER = ".imageclinic-run"


@dataclass(frozen=True)
class Run:
    """An opened run folder. Reading and writing go through the tables' schemas."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def decisions(self) -> Path:
        """The decision log (CSV, append-only)."""
        return self.path / "decisions.csv"

    @property
    def shards(self) -> Path:
        """Folder of finished scan batches: what a killed audit resumes from."""
        return self.path / "shards"

    @property
    def embeddings(self) -> Path:
        """Parquet: image_id, embedding."""
        return self.path / "embeddings.parquet"

    @property
    def embedding_map(self) -> Path:
        """Parquet: image_id, position in the plane. Made when a report or a review wants it."""
        return self.path / "embedding_map.parquet"

    @property
    def predictions(self) -> Path:
        """Parquet: image_id, fold, pred_probs, label_quality; class names in the metadata."""
        return self.path / "predictions.parquet"

    @property
    def embedder_choice(self) -> Path:
        """JSON: the embedder that ``auto`` means for these images, and why."""
        return self.path / "embedder_choice.json"

    @property
    def embedding_parts(self) -> Path:
        """Folder of vectors, pairs of hashes and pieces of checks that are there: what a killed stage resumes from."""
        return self.path / "embedding_parts"

    @property
    def folds(self) -> Path:
        """Folder of finished folds of networks, and parts of predictions, from which a killed audit goes on."""
        return self.path / "folds"

    @property
    def thumbnails(self) -> Path:
        """Parquet: image_id, thumbnail (grey, 32 × 32 pixels, as 1,024 bytes)."""
        return self.path / "thumbnails.parquet"

    @property
    def images(self) -> Path:
        """Folder of unpacked images (``images/NAME/…``), their manifest, and what a killed unpacking resumes from."""
        return self.path / "images"

    @property
    def stopping(self) -> Path:
        """JSON: at which yield the reviewers stop."""
        return self.path / "stopping.json"

    @property
    def team(self) -> Path:
        """Folder: which images two reviewers must see, which have a known answer, and the answers about these."""
        return self.path / "team"

    @property
    def review(self) -> Path:
        """Folder for what the App shows instead of files that a browser can't draw."""
        return self.path / "review"

    @property
    def comparison(self) -> Path:
        """JSON: accuracy before and after."""
        return self.path / "comparison.json"

    @property
    def diagnosis(self) -> Path:
        """JSON: why accuracy is not improving."""
        return self.path / "diagnosis.json"

    @property
    def tuning(self) -> Path:
        """JSON: a hyperparameter search, where ``imageclinic tune --to`` names the run."""
        return self.path / "tuning.json"

    @property
    def report(self) -> Path:
        """The self-contained HTML report."""
        return self.path / "report.html"

    @property
    def label_model(self) -> Path:
        """NumPy arrays: what ``imageclinic check`` predicts the labels of new images with; can be made again."""
        return self.path / "label_model.npz"

    @property
    def added(self) -> Path:
        """Folder of images that ``imageclinic check --add`` accepted; see `core.reading.image_files`."""
        return self.path / "added"

    @property
    def checks(self) -> Path:
        """Folder for the results of ``imageclinic check``, a folder each."""
        return self.path / "checks"

    @property
    def info_file(self) -> Path:
        """JSON: root, versions, arguments, seeds, outcomes."""
        return self.path / "run.json"

    def rerank(self, number: int) -> Path:
        """Label quality after the `number`-th batch of decisions."""
        return self.path / f"rerank-{number:04d}.parquet"

    @property
    def root(self) -> Path:
        """The dataset's root folder, never written to. Of packed data it is in the run, wherever that was moved."""
        info = self.info()
        if not (root := self.images / info["packed"] if info.get("packed") else info.get("root")):
            raise InputError(f"{self.info_file} names no dataset", fix="audit again")
        return Path(root)

    @property
    def seed(self) -> int:
        """The seed that the audit drew by."""
        if (seed := self.info().get("seed")) is None:
            raise InputError(f"{self.info_file} names no seed", fix="audit again")
        return int(seed)

    def image_path(self, image_id: str) -> Path:
        """Where an image is on disk. Raises InputError for an id that leads out of the dataset's root."""
        if not is_below(image_id):
            raise InputError(f"{self.path} has an image {image_id[:300]!r}", expected="a path inside of the dataset")
        return self.files(image_id)

    @property
    def files(self) -> image_files.ImageFiles:
        """image_id → file, for ids of the run's own tables."""
        return image_files.ImageFiles(self.root, self.added)

    def info(self) -> dict[str, Any]:
        """The content of run.json; empty before the first audit has written it."""
        try:
            status = self.info_file.stat()
        except FileNotFoundError:
            return {}
        return dict(_info(self.info_file, status.st_mtime_ns, status.st_size, status.st_ino))

    @property
    def verdict(self) -> list[dict[str, Any]]:
        """What matters most, worst first: `core.reading.saved_verdict`. Empty before an audit, and in early runs."""
        return saved_verdict.with_run(self.info().get("verdict") or [], self.path)

    @property
    def headlines(self) -> list[dict[str, Any]]:
        """What is shown of the verdict."""
        return saved_verdict.headlines(self.verdict)

    def update_info(self, values: Mapping[str, Any]) -> None:
        """Merge `values` into run.json."""
        tables.write_json(self.info_file, {**self.info(), **values})

    def table_path(self, table: tables.Table) -> Path:
        """Where a table is."""
        return self.path / table.file

    def has(self, table: tables.Table) -> bool:
        """Whether a table has been written."""
        return self.table_path(table).is_file()

    def read(self, table: tables.Table, columns: Columns = None) -> pd.DataFrame:
        """Read and validate a table, or some of its columns. Raises InputError when the audit has not written it."""
        return tables.read(self.table_path(table), table, columns)

    def read_beside(self, dataset: pd.DataFrame, table: tables.Table, columns: Columns = None) -> pd.DataFrame:
        """As `read`, of a table about images: raises InputError for one that `dataset` (the table, or its columns
        image_id and read_error) has not, and where features are not of the readable images."""
        found = self.read(table, columns)
        check_same_images(found, dataset, self.table_path(table), of_readable=table is tables.FEATURES)
        return found

    def read_dataset(self) -> pd.DataFrame:
        """The dataset table."""
        return self.read(tables.DATASET)

    def write(self, table: tables.Table, data: pd.DataFrame, key: str = "") -> None:
        """Validate and write a table; `key` names the inputs that it was made from (see `tables.is_current`)."""
        tables.write(self.table_path(table), data, table, {"key": key})

    def read_predictions(self) -> tables.Predictions:
        """Read predictions.parquet. Raises InputError when the audit has not written it."""
        rows, probs = tables.read_vectors(self.predictions, "pred_probs")
        names = tables.metadata(self.predictions).get("classes", "null")
        where, fix = str(self.predictions), "delete it and audit again"
        with remedied(fix):
            classes = parse_json(names, list[str], where=f"{where}, classes in its metadata")
            tables.validate(rows, tables.PREDICTIONS, where=where)
            if len(set(classes)) != len(classes) or len(classes) != probs.shape[1]:
                raise InputError(f"{where} has {probs.shape[1]} probabilities a row", expected="one for each class")
        return tables.Predictions(rows, probs, tuple(classes))

    def read_embeddings(self) -> tables.Embeddings:
        """Read embeddings.parquet. Raises InputError when the audit has not written it."""
        rows, vectors = tables.read_vectors(self.embeddings, "embedding")
        return tables.Embeddings(self._ids(rows, self.embeddings), vectors, tables.shallow_columns(self.embeddings))

    def read_thumbnails(self) -> tuple[pd.Series, npt.NDArray[np.uint8]]:
        """Image ids, and thumbnails as uint8 (images, pixels)."""
        rows, pixels = tables.read_vectors(self.thumbnails, "thumbnail")
        return self._ids(rows, self.thumbnails), pixels

    def _ids(self, rows: pd.DataFrame, file: Path) -> pd.Series:
        """The ids of a file of vectors: each once."""
        with remedied("delete it and audit again"):
            return tables.validate(rows, tables.VECTOR_IDS, where=str(file))["image_id"]

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold the run for an audit. Raises InputError at once when another audit holds it."""
        return run_lock.hold(self.path)


def create(path: Path) -> Run:
    """Open the run folder at `path`, making it if it is not there or empty. Raises InputError when it holds something
    else, or a run of another format."""
    require_unicode(path.absolute(), "the run")
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file", expected="a folder for the run", fix="give another --out")
    if not (path / MARKER).exists():
        if path.is_dir() and any(path.iterdir()):
            expected, fix = "a new or empty folder, or an earlier run", "give another --out; nothing was written"
            raise InputError(f"{path} is not empty and no imageclinic run", expected=expected, fix=fix)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold decisions
            tables.write_json(path / MARKER, {"format": FORMAT})
        except OSError as error:
            raise InputError(f"can't write to {path}: {error.strerror}", fix="give another --out") from error
    return open_run(path)


def open_run(path: Path) -> Run:
    """Open a run folder. Raises InputError when `path` is none, or one of a format that this version does not read."""
    require_unicode(path.absolute(), "the run")
    marker = path / MARKER
    if not marker.is_file():
        raise other_folders.no_run(path)
    try:
        version = read_json(marker, run_shapes.Marker, fix="")["format"]
    except InputError as error:
        raise InputError(
            f"{marker} is damaged: {error}", fix=f'write {{"format": {FORMAT}}} into it, or audit into a new folder'
        ) from error
    if version != FORMAT:
        fix = "audit again into a new folder, or use the imageclinic version that made it"
        raise InputError(f"{path} is a run of format {version}", expected=f"format {FORMAT}", fix=fix)
    refuse_links(path)
    run = Run(path.absolute())
    for folder in (run.path, run.shards, run.folds, run.review, run.team):  # what killed processes left
        sweep(folder)
    return run


@functools.lru_cache(maxsize=8)
def _info(path: Path, *version: int) -> dict[str, Any]:
    """The content of run.json in one version of the file: it is asked for once an image."""
    return dict(read_json(path, run_shapes.Info, fix="audit again"))
