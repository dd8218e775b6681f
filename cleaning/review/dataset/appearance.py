"""How the App shows the dataset: sidebar, colours, what tiles say, the picture to draw, and the workspace."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from imageclinic.cleaning.review.dataset.fields import TESTED

if TYPE_CHECKING:
    import fiftyone as fo

PANEL = "imageclinic_review"
_FILE = ("image_id", "split", "queue", "in_inbox", "settled", "calibrate")
_PICTURE = ("format", "width", "height", "bytes", "display_path")
_DECIDED = ("decision", "decided_label", "reviewer", "decided_at", "disputed", "who_decided_what")
_BUILT_IN = ("filepath", "id", "metadata", "created_at", "last_modified_at")
_COLOURS = {
    "ground_truth": "#4c8dff",
    "suggested": "#ff8f3a",
    "proposal": "#ff8f3a",
    "checks": "#8a8f98",
    "decision": "#d9b92e",
    "decided_label": "#d9b92e",
    "cluster": "#b57bee",
    "survivor": "#b57bee",
    "test_predicted": "#4cc3d9",
}


def tile_fields(checks: Collection[str]) -> list[str]:
    """Fields that tiles show; where copies are in several splits, which one an image is in."""
    sides = ["split"] if "split_leakage" in checks else []
    return ["ground_truth", "proposal", "checks", "survivor", *sides, "test_predicted", "decision", "decided_label"]


def furnish(dataset: fo.Dataset, checks: list[str]) -> None:
    """Sidebar, colours, what tiles show, the picture to draw, and the workspace."""
    import fiftyone as fo

    group = fo.SidebarGroupDocument
    config = dataset.app_config
    config.sidebar_groups = [
        group(name="labels", paths=["ground_truth", "suggested", "proposal"], expanded=False),
        group(name="findings", paths=["checks", "evidence", "cluster", "survivor"], expanded=False),
        group(name="decision", paths=list(_DECIDED), expanded=False),
        group(name="scores", paths=["doubt", *checks], expanded=False),
        group(name="test images", paths=list(TESTED), expanded=False),
        group(name="tags", paths=["tags", "_label_tags"], expanded=False),
        group(
            name="metadata",  # the App would add an empty group of this name
            paths=[*_FILE, *_PICTURE, *_BUILT_IN],
            expanded=False,
        ),
    ]
    config.active_fields = fo.ActiveFields(paths=tile_fields(checks))
    colours = [{"path": path, "fieldColor": colour} for path, colour in _COLOURS.items()]
    config.color_scheme = fo.ColorScheme(color_by="field", fields=colours)
    config.media_fields = ["filepath", "display_path"]
    config.grid_media_field = config.modal_media_field = "display_path"
    config.media_fallback = True
    samples, progress = fo.Panel(type="Samples", pinned=True), fo.Panel(type=PANEL)
    # Without an active child the App shows nothing in a space.
    left, right = (fo.Space(children=[panel], active_child=panel.component_id) for panel in (samples, progress))
    workspace = fo.Space(children=[left, right], orientation="horizontal", sizes=[0.75, 0.25])
    dataset.save_workspace("review", workspace, description="the images, and the progress of the review")
