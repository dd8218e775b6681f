"""Image ids that several tables hold alike are in memory once: of ten million images they are 0.4 GB each time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from imageclinic.core import tables
from imageclinic.core.rows import lookup


def shared(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of checks by name, the same in all but what they share.

    Args:
        inputs: the tables by name; features, embeddings and predictions are of the same images where all can be read
            and have a label.
    """
    made, known = dict(inputs), [inputs["dataset"]["image_id"]]
    for name in ("features", "embeddings", "predictions"):
        of = inputs.get(name)
        if isinstance(of, pd.DataFrame):
            made[name] = of.assign(image_id=lookup.shared(of["image_id"], known))
        elif isinstance(of, tables.Embeddings):
            made[name] = dataclasses.replace(of, image_id=lookup.shared(of.image_id, known))
        elif isinstance(of, tables.Predictions):
            rows = of.rows.assign(image_id=lookup.shared(of.rows["image_id"], known))
            made[name] = dataclasses.replace(of, rows=rows)
        else:
            continue
        held = made[name]
        known.append(held["image_id"] if isinstance(held, pd.DataFrame) else _ids(held))
    return made


def _ids(of: tables.Embeddings | tables.Predictions) -> pd.Series:
    return of.image_id if isinstance(of, tables.Embeddings) else of.rows["image_id"]
