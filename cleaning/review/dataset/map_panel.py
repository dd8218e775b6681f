"""The map in the App: where images lie by their embeddings, in FiftyOne's Embeddings panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from imageclinic.cleaning.review.dataset.appearance import PANEL

if TYPE_CHECKING:
    import fiftyone as fo

#: The key of the map among the dataset's brain runs, and the name of the workspace that shows it.
MAP = "map"


def show(dataset: fo.Dataset, positions: pd.DataFrame) -> None:
    """Give the dataset its map, and a workspace with map, images and our panel side by side.

    Args:
        dataset: the App's, see `build_dataset.build`.
        positions: ``image_id, x, y``. Images without a position are not in the map.
    """
    import fiftyone as fo
    import fiftyone.brain as fob

    dataset.reload()  # the App's server may have saved it meanwhile
    ids, names = dataset.values(["id", "image_id"])
    points = positions.set_index("image_id")[["x", "y"]].reindex(names)
    there = points["x"].notna().to_numpy()
    if not there.any():
        return
    mapped = [i for i, known in zip(ids, there, strict=True) if known]
    of = dataset if there.all() else dataset.select(mapped)
    # The App's panel has y upwards, the report downwards.
    places = points[there].to_numpy(dtype="float32") * [1, -1]
    # By id: FiftyOne would else ask the database for all ids once more.
    fob.compute_visualization(of, points=dict(zip(mapped, places, strict=True)), brain_key=MAP)
    scatter = fo.Panel(type="Embeddings", state={"brainResult": MAP, "colorByField": "ground_truth.label"})
    panels = (scatter, fo.Panel(type="Samples", pinned=True), fo.Panel(type=PANEL))
    left, middle, right = (fo.Space(children=[panel], active_child=panel.component_id) for panel in panels)
    beside = fo.Space(children=[middle, right], orientation="horizontal", sizes=[0.62, 0.38])
    workspace = fo.Space(children=[left, beside], orientation="horizontal", sizes=[0.45, 0.55])
    dataset.save_workspace(MAP, workspace, description="the map of the images: a lasso chooses some", overwrite=True)
