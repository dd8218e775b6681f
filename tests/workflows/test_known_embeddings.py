"""Which embeddings of an earlier audit hold when images were added: all, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imageclinic.core import tables
from imageclinic.core.run import create
from imageclinic.workflows.steps.auditing import embeddings
from imageclinic.workflows.steps.result_keys import key

IMAGES = pd.DataFrame({"image_id": ["a", "c", "d"], "sha256": ["1", "3", "4"]})


@pytest.mark.parametrize(
    ("images", "whole"),
    [
        ({"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}, True),
        ({"a": "1", "b": "2", "c": "changed", "d": "4"}, False),
        ({"a": "1", "b": "2", "d": "4"}, False),
        ({"a": "1", "c": "3", "d": "4"}, False),
        ({"x": "1"}, False),
    ],
)
def test_known_vectors_hold_when_images_were_only_added(tmp_path: Path, images: dict[str, str], whole: bool) -> None:
    run = create(tmp_path / "run")
    now = pd.DataFrame({"image_id": list(images), "sha256": list(images.values())})
    assert embeddings._unchanged(run, now, key) is None
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    tables.write_vectors(run.embeddings, {"image_id": IMAGES["image_id"]}, "embedding", vectors, {"key": key(IMAGES)})
    known = embeddings._unchanged(run, now, key)
    assert (known is not None) == whole
    if known is not None:
        new = ~now["image_id"].isin(known.image_id).to_numpy()
        joined = embeddings._joined(known, np.array([[9, 9], [8, 8]], np.float32), new)
        assert joined.tolist() == [[0, 1], [9, 9], [2, 3], [4, 5], [8, 8]]
