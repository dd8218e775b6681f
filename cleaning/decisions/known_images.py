"""What is known of the images that the App decides about.

Of a large run these are the rows of its tables that the App may show, as they are kept in the run folder
(`cleaning.review.dataset.kept_rows`): all rows are gigabytes, and the first key would wait for them.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.decisions.log_reading import kept_log
from imageclinic.cleaning.review.dataset import kept_rows
from imageclinic.cleaning.review.dataset.kept_rows import Rows
from imageclinic.core import tables
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run


def rows_of(run: Run, image_ids: Collection[str] = ()) -> Rows:
    """The rows of a run, or of a large one those that the App may show; the same ones again, not to be changed.

    Args:
        run: an audited run.
        image_ids: images that must be among them, where they are images of the run: the rows are chosen again if not.
    """
    rows = _rows(run.path, *_versions(run))
    if rows.whole or lookup.among(list(image_ids), rows.about["image_id"]).all():
        return rows
    beside = rows.about.loc[~rows.about["worst"], "image_id"]  # what was wanted before is wanted still
    kept_rows.of_run(run, [*beside, *image_ids])
    return _rows(run.path, *_versions(run))


def contents(rows: Rows, image_ids: Sequence[str]) -> pd.DataFrame:
    """image_id, label and sha256 of some images in their order; all null where `rows` has not the image."""
    at = lookup.places(image_ids, rows.dataset["image_id"])
    return pd.DataFrame({name: lookup.taken(rows.dataset[name], at) for name in ("image_id", "label", "sha256")})


def decided(run: Run, rows: Rows, log: pd.DataFrame, image_ids: Collection[str]) -> pd.DataFrame:
    """What tells what a log says about some images: image_id, sha256, label of these, and of what else has a say.

    Args:
        run: an audited run.
        rows: see `rows_of`.
        log: what the decision log says about the images, or about contents that they have.
        image_ids: the images, in `rows` or named by the run's decision log.
    """
    known = rows.dataset[["image_id", "sha256", "label"]]
    there = rows.whole or (
        lookup.among(list(image_ids), known["image_id"]).all() and decision_log.fits(log, known).all()
    )
    return known if there else kept_rows.judged(run, rows, kept_log.read(run.decisions))


def suggestions(run: Run, check: str) -> pd.DataFrame:
    """All flags of a check that suggest a label: image_id, score, suggested_label; an image once, by its highest score,
    and the highest first. Not to be changed."""
    return _suggestions(run.path, run.table_path(tables.ISSUES).stat().st_mtime_ns, check)


def _versions(run: Run) -> tuple[int, int]:
    """What changes when the findings, or the rows that are kept, are written again."""
    kept = run.review / kept_rows.ABOUT.file
    return run.table_path(tables.ISSUES).stat().st_mtime_ns, kept.stat().st_mtime_ns if kept.is_file() else 0


@functools.lru_cache(maxsize=1)
def _rows(path: Path, *versions: int) -> Rows:
    return kept_rows.of_run(Run(path))


@functools.lru_cache(maxsize=1)
def _suggestions(path: Path, changed: int, check: str) -> pd.DataFrame:
    wanted = ["check", "image_id", "score", "suggested_label"]
    kept = []
    for piece in tables.read_pieces(Run(path).table_path(tables.ISSUES), tables.ISSUES, wanted):
        of_check = piece["check"].eq(check) & piece["image_id"].notna() & piece["suggested_label"].notna()
        kept.append(piece.loc[of_check, wanted[1:]])
    flags = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=wanted[1:])
    flags = flags.sort_values("score", ascending=False, kind="stable")
    return flags.drop_duplicates("image_id", ignore_index=True)
