"""Composes `export --reencode`: which images a loader of Keras can't read, encoded anew, and looked at again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.checks import wrong_extension
from imageclinic.audit.scan import scan
from imageclinic.cleaning.export import encode_images, safe_names
from imageclinic.core import tables
from imageclinic.core.progress import Progress
from imageclinic.core.run import create
from imageclinic.workflows.steps.run_state import State


@dataclasses.dataclass(frozen=True)
class Reencoded:
    """Images that were encoded anew.

    `files` as `cleaning.export.encode_images.encode` gives it, and why; `features` and `thumbnails` as a scan of the
    new files gives them, under the images' own ids.
    """

    files: pd.DataFrame
    features: pd.DataFrame
    thumbnails: tuple[pd.Series, npt.NDArray[np.uint8]]


def unloadable(state: State) -> pd.Series:
    """Why Keras's folder loader stops at, skips or misreads an image, by image_id, also under the name that an export
    gives it; images that it reads well are not there."""
    dataset = state.dataset[state.dataset["read_error"].isna()]
    features = state.run.read(tables.FEATURES)
    new = {
        image_id: f"{n}/{safe_names.with_suffix(image_id.rpartition('/')[2], None if pd.isna(kind) else kind)}"
        for n, (image_id, kind) in enumerate(zip(dataset["image_id"], dataset["format"], strict=True))
    }
    old = {name: image_id for image_id, name in new.items()}
    found = wrong_extension.find(
        dataset.assign(image_id=dataset["image_id"].map(new)),
        features[features["image_id"].isin(dataset["image_id"])].assign(image_id=lambda f: f["image_id"].map(new)),
    )
    return pd.Series(found["evidence"].to_numpy(object), found["image_id"].map(old), dtype="str")


def reencoded(state: State, reasons: pd.Series, kind: str, folder: Path, progress: Progress) -> Reencoded | None:
    """Encode images anew and look at them: those of `reasons` that stay, and the damaged ones that were decided to be
    kept or relabelled, as far as they can be decoded.

    Args:
        reasons: see `unloadable`.
        kind: see `cleaning.export.encode_images.encode`.
        folder: an empty folder, which has to be there until the export is written.

    Returns:
        The new files; None when there are none: nothing needs it, or nothing could be decoded.
    """
    dataset = state.dataset.set_index("image_id")
    decided = state.current.set_index("image_id")["decision"]
    kept = decided.index[decided.isin(["keep", "relabel"])]
    damaged = dataset["read_error"].fillna("").str.startswith(encode_images.DAMAGED)
    rescued = dataset["read_error"][damaged & dataset.index.isin(kept)]
    dropped = decided.index[decided == "drop"]
    why = pd.concat([reasons[~reasons.index.isin(dropped)], rescued + "; what could be decoded is kept"]).sort_index()
    sources = {image_id: state.run.image_path(image_id) for image_id in why.index}
    (folder / "files").mkdir()
    files = encode_images.encode(sources, kind, folder / "files", progress)
    if files.empty:
        return None
    files["why"] = files["image_id"].map(why)
    own = {file.name: image_id for file, image_id in zip(files["file"], files["image_id"], strict=True)}
    listing = pd.DataFrame({"image_id": sorted(own), "label": None, "split": None, "group": None})
    run = create(folder / "run")
    _, features = scan.scan(run, listing, folder / "files", progress=progress)
    ids, pixels = run.read_thumbnails()
    features = features.assign(image_id=features["image_id"].map(own))
    return Reencoded(files, features, (ids.map(own), pixels))


def mended(state: State, new: Reencoded) -> State:
    """The state with the files that were encoded anew in the place of their sources: readable, other contents."""
    files = new.files.set_index("image_id")
    at = state.dataset["image_id"]
    inside = at.isin(files.index)
    dataset = state.dataset.assign(read_error=state.dataset["read_error"].mask(inside))
    for column in ("sha256", "format", "bytes"):
        dataset[column] = dataset[column].where(~inside, at.map(files[column]))
    return dataclasses.replace(state, dataset=tables.validate(dataset, tables.DATASET))
