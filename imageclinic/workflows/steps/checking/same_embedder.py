"""Embeddings of new images by what embedded the run's, or the reason why that can't be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.against.copies_of_run import Scanned
from imageclinic.core import tables
from imageclinic.core.errors import NotApplicable
from imageclinic.core.progress import Progress
from imageclinic.workflows.steps.auditing.embeddings import rows_of
from imageclinic.workflows.steps.checking.both_sides import RunSide

#: Images of the run that are embedded again, to see whether it is the same embedder, and the least cosine between their
#: vectors then and now (other arithmetic, such as float32 for bfloat16, leaves more than .999).
_PROBES, _SAME = 4, 0.98


def embed(side: RunSide, new: Scanned, model: str | None, progress: Progress) -> tables.Embeddings:
    """Embed the readable new images.

    Args:
        side: the run.
        new: the new images.
        model: what to embed with where the run was embedded by a file or a function of the user's: a run may be
            somebody else's, and code that it names is not run.
        progress: called with (images done, images in all).

    Raises:
        NotApplicable: the run has no embeddings, the user's own, or some that can't be made here; says why.
        InputError: `model` is none.
    """
    run = side.run
    made = tables.metadata(run.embeddings)
    chosen = _name(made, model)
    ids = new.features["image_id"]
    if ids.empty:
        raise NotApplicable("no new image can be read")
    dataset = side.state.dataset
    readable = dataset.loc[dataset["read_error"].isna(), ["image_id", "bytes"]]
    files = run.files
    paths = [files(i) for i in readable["image_id"]]
    probes = _unchanged(readable, paths)
    if "patches" in chosen and len(probes) < min(_PROBES, len(paths)):
        raise NotApplicable(f"patches are learnt from the run's images, which are not in {run.root} any more")

    from imageclinic.training.embed import embed_images as embedding

    embedder = embedding.choose(chosen, layer=made.get("layer"))
    asked = [*(new.path(i) for i in ids), *(paths[k] for k in probes)]
    vectors, info = embedding.fit_embed(
        paths, asked, model=chosen, layer=made.get("layer"), seed=run.seed, progress=progress
    )
    _check_same(side, made, {**info, "name": embedder.name}, readable["image_id"].iloc[probes], vectors[len(ids) :])
    return tables.Embeddings(ids.reset_index(drop=True), vectors[: len(ids)], tables.shallow_columns(run.embeddings))


def _name(made: dict[str, str], model: str | None) -> str:
    """The embedder to use."""
    if not made:
        raise NotApplicable("the run has no embeddings: its audit left out all checks that need them")
    name = made.get("model", "")
    if name == "given":
        raise NotApplicable("the run has your own embeddings, and nothing says how to make such of new images")
    if model is not None:
        return model
    if name.endswith(".keras") or ":" in name:
        raise NotApplicable(f"the run was embedded by {name}, a model of yours: name it again with --model")
    return name


def _unchanged(readable: pd.DataFrame, paths: list[Path]) -> list[int]:
    """Positions of a few images of the run whose files are there, of the size that they had."""
    found = []
    for at in np.unique(np.linspace(0, len(paths) - 1, min(len(paths), 2 * _PROBES)).astype(int)):
        if paths[at].is_file() and paths[at].stat().st_size == readable["bytes"].iloc[at]:
            found.append(int(at))
    return found[:_PROBES]


def _check_same(
    side: RunSide, made: dict[str, str], info: dict[str, Any], probes: pd.Series, again: npt.NDArray[np.float32]
) -> None:
    """Raises NotApplicable when it is another embedder than the run's."""
    known = side.run.read_embeddings()
    if again.shape[1:] != known.vectors.shape[1:] or info["name"] != made["model"]:
        raise NotApplicable(f"the run was embedded by {made['model']}, and {info['name']} is another embedder")
    if made.get("size", info["size"]) != info["size"]:
        raise NotApplicable(
            f"the run's images were embedded at {made['size']} pixels, and new ones would be at {info['size']}: are "
            f"the run's images still in {side.run.root}?"
        )
    if len(probes):
        before = rows_of(known, probes)
        lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(again, axis=1)
        cosine = (before * again).sum(axis=1) / np.maximum(lengths, 1e-12)
        if cosine.min() < _SAME:
            raise NotApplicable(
                f"images of the run get other vectors now than at its audit (cosine {cosine.min():.2f}): audit it again"
            )
    elif made["version"] != info["version"]:
        raise NotApplicable(
            f"the run was embedded by {made['version']}, this is {info['version']}, and none of the run's images is "
            "there to compare them on"
        )
