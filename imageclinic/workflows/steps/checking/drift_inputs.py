"""What the tests of drift are made of: properties and embeddings of comparable images of both sides."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imageclinic.audit.against import classifier_test, property_tests, same_mix
from imageclinic.audit.against.classifier_test import EmbeddingTest
from imageclinic.audit.against.copies_of_run import Scanned
from imageclinic.audit.against.property_tests import FEWEST, PropertyTest
from imageclinic.core import tables
from imageclinic.core.errors import NotApplicable
from imageclinic.workflows.steps.auditing.embeddings import rows_of
from imageclinic.workflows.steps.checking.both_sides import RunSide

_FROM_FEATURES = {
    "luminance_mean": "brightness",
    "contrast": "contrast",
    "entropy": "entropy",
    "sharpness": "sharpness",
    "colour": "colour",
    "border": "border",
    "jpeg_quality": "JPEG quality",
    "camera": "camera",
}


def comparable(side: RunSide, new: Scanned, clusters: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Properties of the images of each side that can be compared: one of each cluster of copies, of the same classes in
    the same shares.

    Raises:
        NotApplicable: too few new images.
    """
    run = _properties(side.state.dataset, side.features, side.state.clusters)
    run = run.assign(label=run["image_id"].map(side.known.set_index("image_id")["label"]))
    fresh = _properties(new.dataset, new.features, clusters)
    if len(fresh) < FEWEST:
        raise NotApplicable(f"too few new images to tell: n = {len(fresh)} (at least {FEWEST})")
    at, of = same_mix.reference(run["label"], fresh["label"], side.run.seed)
    if len(of) < FEWEST or len(at) < FEWEST:
        raise NotApplicable(
            f"too few comparable images to tell: {len(of)} new ones against {len(at)} of the run with the same classes "
            f"(at least {FEWEST} each)"
        )
    return run.iloc[at], fresh.iloc[of]


def of_properties(side: RunSide, new: Scanned, run: pd.DataFrame, fresh: pd.DataFrame) -> list[PropertyTest]:
    """The tests of all properties, and of the shares of classes in all images."""
    names = [c for c in run.columns if c not in ("image_id", "label")]
    values = {name: (run[name], fresh[name]) for name in names}
    mine, theirs = new.dataset["label"].dropna(), side.labelled["label"]
    if len(mine) >= FEWEST and len(theirs):
        values["class shares"] = (theirs, mine)
    return property_tests.compare(values, seed=side.run.seed)


def of_embeddings(
    run: pd.DataFrame, fresh: pd.DataFrame, known: tables.Embeddings, new: tables.Embeddings, seed: int
) -> tuple[EmbeddingTest, dict[str, float]]:
    """The test of the embeddings, and its score of each new image that took part."""
    run = run[run["image_id"].isin(known.image_id)]
    found = classifier_test.compare(rows_of(known, run["image_id"]), rows_of(new, fresh["image_id"]), seed=seed)
    ids = fresh["image_id"].to_numpy()
    return found, {str(ids[at]): score for at, score in found.scores.items()}


def _properties(dataset: pd.DataFrame, features: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """image_id, label and properties of readable images, the first one of each cluster of copies."""
    columns = ["image_id", "label", "width", "height", "bytes", "format", "mode"]
    found = dataset.loc[dataset["read_error"].isna(), columns].merge(
        features[["image_id", *_FROM_FEATURES]].rename(columns=_FROM_FEATURES), on="image_id"
    )
    cluster = found["image_id"].map(clusters.set_index("image_id")["cluster"]).astype("str")
    cluster = cluster.fillna(found["image_id"])
    found = found[~cluster.duplicated()].reset_index(drop=True)
    width, height = (found[c].astype(np.float64) for c in ("width", "height"))
    return found.assign(
        width=width, height=height, aspect_ratio=width / height, bytes_per_pixel=found["bytes"] / (width * height)
    )
