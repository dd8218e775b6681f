"""The results of a check: a row per new image, and the files of its output folder."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic.audit.against import run_checks
from imageclinic.audit.against.copy_words import worst_first
from imageclinic.audit.listing.listing import Listing
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run


def folder(out: str | Path | None, run: Run, listing: Listing) -> Path:
    """Where the results go: `out`; else a new folder in the run, named after the new images.

    Raises:
        InputError: it holds something already, or lies among the new images.
    """
    if out is None:
        names = [listing.name, *(f"{listing.name}-{n}" for n in range(2, 100_000))]
        return next(path for name in names if not (path := run.checks / name).exists())
    path = Path(out)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} is not empty", expected="a new or empty folder", fix="give another --out")
    if listing.manifest is None and path.resolve().is_relative_to(listing.root):
        raise InputError(f"{path} lies inside of the new images {listing.root}", fix="give another --out")
    return path


def images(
    dataset: pd.DataFrame,
    issues: pd.DataFrame,
    run_copies: pd.DataFrame | None,
    new_clusters: pd.DataFrame | None,
    predicted: pd.DataFrame | None,
    drift: Mapping[str, float],
) -> pd.DataFrame:
    """The table `tables.NEW_IMAGES`, those with findings first, the worst of them at the top."""
    at = dataset["image_id"]
    own = issues[issues["image_id"].notna()]
    urgency = {name: place for place, name in enumerate(run_checks.load())}
    own = own.assign(place=own["check"].map(urgency)).sort_values(["place", "score"], ascending=[True, False])
    by_image = own.groupby("image_id", sort=False)
    suggested = own.dropna(subset=["suggested_label"]).drop_duplicates("image_id").set_index("image_id")
    cluster = pd.Series(dtype="str") if new_clusters is None else new_clusters.set_index("image_id")["cluster"]
    spare = at.map(cluster)
    spare = spare.notna() & spare.duplicated()
    against = set(own.loc[own["check"] != "copy_among_new", "image_id"])
    columns: dict[str, Any] = {
        "label": dataset["label"],
        "split": dataset["split"],
        "accepted": ~at.isin(against) & ~spare,
        "findings": at.map(by_image["check"].agg(";".join)),
        "evidence": at.map(by_image["evidence"].agg(" ".join)),
        "new_cluster": at.map(cluster),
        "suggested_label": at.map(suggested["suggested_label"]),
        "drift_score": at.map(pd.Series(drift, dtype="float64")),
    }
    if run_copies is not None:
        first = worst_first(run_copies).drop_duplicates("image_id").set_index("image_id")
        for name, source in (("copy_of", "other_id"), ("copy_split", "run_split"), ("copy_label", "run_label")):
            columns[name] = at.map(first[source])
    if predicted is not None:
        known = predicted.set_index("image_id")
        for name in ("wrong", "predicted_label", "predicted_probability"):
            columns[name] = at.map(known[name])
    found = tables.frame(tables.NEW_IMAGES, image_id=at, **columns)
    order = at.map(own.drop_duplicates("image_id").set_index("image_id")["place"]).fillna(len(urgency))
    return found.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def commands(path: Path, listing: Listing) -> dict[str, str]:
    """What to do next, by name of a check; ``look`` for those not named, ``""`` when all is seen."""
    table, facts, names = (shlex.quote(str(path / n)) for n in ("new_images.csv", "check.json", "accepted.txt"))
    known = {name: f"grep {name} {table}" for name in run_checks.load() if name not in run_checks.OF_ALL}
    copy = f"rsync -a --files-from={names} {shlex.quote(str(listing.root))}/ DATASET/"
    return {
        "look": f"python -m json.tool {facts}",
        **known,
        "": copy if listing.packed is None else f"cat {names}",  # packed images are files no more
    }


def write(path: Path, found: pd.DataFrame, summary: Mapping[str, Any]) -> None:
    """Write new_images.parquet, new_images.csv, accepted.txt and check.json into the folder, the last one last."""
    tables.write(path / "new_images.parquet", found, tables.NEW_IMAGES)
    tables.write_csv(path / "new_images.csv", found, tables.NEW_IMAGES)
    names = [tables.to_path(i) for i in sorted(found.loc[found["accepted"], "image_id"])]
    with tables.replacing(path / "accepted.txt") as temporary:
        # A name with a line break can't be in a list of lines.
        temporary.write_bytes(b"".join(os.fsencode(name) + b"\n" for name in names if "\n" not in name))
    tables.write_json(path / "check.json", summary)
