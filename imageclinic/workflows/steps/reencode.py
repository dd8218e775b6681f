"""Composes `export --reencode`: which images Keras's loaders can't read or show otherwise than a person sees them,
re-encoded, and looked at again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.checks import exif_orientation, misread_by_keras, wrong_extension
from imageclinic.audit.scan import scan
from imageclinic.cleaning.export import encode_images, safe_names
from imageclinic.cleaning.export.losses import value_range
from imageclinic.cleaning.export.losses.value_range import ValueRange
from imageclinic.core import pixels, tables
from imageclinic.core.progress import Progress
from imageclinic.core.rows import lookup
from imageclinic.core.run import create
from imageclinic.workflows.steps.run_state import State

# Where the evidence of a check begins to say that an export fixes it.
_REMEDY = "; `imageclinic export"
#: Images that are looked at together.
_PIECE = 1 << 18
#: What says how Keras reads an image.
_OF_FEATURES = (
    *("image_id", "frames", "transparent", "luminance_mean", "entropy", "value_low", "value_high"),
    *("keras_difference", "keras_luminance_mean", "keras_entropy", "exif_orientation"),
)


@dataclasses.dataclass(frozen=True)
class Reencoded:
    """Images that were re-encoded.

    `files` as `cleaning.export.encode_images.encode` gives it, why, and width, height and mode; `ranges`: see
    `cleaning.export.losses.value_range.measure`; `features` and `thumbnails` as a scan of the new files gives them,
    under the images' own ids.
    """

    files: pd.DataFrame
    ranges: Mapping[str, ValueRange]
    features: pd.DataFrame
    thumbnails: tuple[pd.Series, npt.NDArray[np.uint8]]


def unloadable(state: State) -> pd.Series:
    """Why Keras's folder loader stops at or skips an image, also under the name that an export gives it, or why it or
    `load_img` shows another picture than a person sees, by image_id; images that they read well are not there."""
    features = state.run.read(tables.FEATURES, _OF_FEATURES)
    found: tuple[list[pd.DataFrame], ...] = ([], [], [])
    row = lookup.places(state.dataset["image_id"], features["image_id"])
    row[state.dataset["read_error"].notna()] = -1
    for start in range(0, max(1, len(row)), _PIECE):  # names are Python strings
        at = row[start : start + _PIECE]
        dataset, known = state.dataset.iloc[start : start + _PIECE][at >= 0], features.iloc[at[at >= 0]]
        new = {
            image_id: f"{n}/{safe_names.with_suffix(image_id.rpartition('/')[2], None if pd.isna(kind) else kind)}"
            for n, (image_id, kind) in enumerate(zip(dataset["image_id"], dataset["format"], strict=True))
        }
        old = {name: image_id for image_id, name in new.items()}
        named = wrong_extension.find(
            dataset.assign(image_id=dataset["image_id"].map(new)), known.assign(image_id=known["image_id"].map(new))
        )
        found[0].append(named.assign(image_id=named["image_id"].map(old).astype("str")))
        found[1].append(misread_by_keras.find(dataset, known))
        found[2].append(exif_orientation.find(known))
    every = pd.concat([rows for kind in found for rows in kind], ignore_index=True).drop_duplicates("image_id")
    reasons = [evidence.partition(_REMEDY)[0].rstrip(".") + "." for evidence in every["evidence"]]
    return pd.Series(reasons, pd.Index(every["image_id"], dtype="str"), dtype="str")


def reencoded(state: State, reasons: pd.Series, kind: str, folder: Path, progress: Progress) -> Reencoded | None:
    """Re-encode images and look at them: those of `reasons` that stay, and the damaged ones that were decided to be
    kept or relabelled, as far as they can be decoded.

    Args:
        reasons: see `unloadable`.
        kind: see `cleaning.export.encode_images.encode`.
        folder: an empty folder, which has to be there until the export is written.

    Returns:
        The new files; None when there are none: nothing needs it, or nothing could be decoded.

    Raises:
        InputError: see `cleaning.export.losses.value_range.measure`.
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
    modes = dataset["mode"].reindex(list(sources)).fillna("")
    ranges = value_range.measure({i: sources[i] for i in modes.index[modes.map(pixels.deep).astype(bool)]})
    files = encode_images.encode(sources, kind, folder / "files", progress, ranges)
    if files.empty:
        return None
    files["why"] = files["image_id"].map(why)
    own = {file.name: image_id for file, image_id in zip(files["file"], files["image_id"], strict=True)}
    listing = pd.DataFrame({"image_id": sorted(own), "label": None, "split": None, "group": None})
    run = create(folder / "run")
    encoded, features = scan.scan(run, listing, folder / "files", progress=progress)
    ids, thumbnails = run.read_thumbnails()
    features = features.assign(image_id=features["image_id"].map(own))
    layout = encoded[["width", "height", "mode"]].assign(image_id=encoded["image_id"].map(own))
    files = files.merge(layout, on="image_id", validate="1:1")
    return Reencoded(files, ranges, features, (ids.map(own), thumbnails))


def mended(state: State, new: Reencoded) -> State:
    """The state with the files that were re-encoded in the place of their sources: readable, other contents."""
    files = new.files.set_index("image_id")
    at = state.dataset["image_id"]
    inside = at.isin(files.index)
    dataset = state.dataset.assign(read_error=state.dataset["read_error"].mask(inside))
    for column in ("sha256", "format", "bytes", "width", "height", "mode"):
        dataset[column] = dataset[column].where(~inside, at.map(files[column]))
    return dataclasses.replace(state, dataset=tables.validate(dataset, tables.DATASET))
