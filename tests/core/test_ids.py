"""Paths of images, made when they are asked for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from imageclinic.core.ids import ImagePaths, to_path

IDS = ["a/1.png", "b/2.png", "b/\\xff.png", "c/3.png"]


def test_paths_are_made_when_asked_for_and_are_those_of_a_list() -> None:
    paths = ImagePaths(Path("/data"), pd.Series(IDS, dtype="str").array)
    whole = [Path("/data") / to_path(image_id) for image_id in IDS]
    assert list(paths) == whole
    assert list(paths[1::2]) == whole[1::2]
    assert paths[-1] == whole[-1]
    assert whole[2] in paths
    assert len(paths) == 4
    assert paths[0] is not paths[0], "none is kept"
    assert not ImagePaths(Path("/data"), [])
