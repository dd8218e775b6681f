"""The map in the run folder: made once, made again when it is of other embeddings or damaged, drawn by the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import imageclinic
from imageclinic.core import tables
from imageclinic.core.run import Run
from imageclinic.workflows.steps.embedding_map import current_map
from tests.helpers.review_run import HOSTILE, make_run


def embed(run: Run, seed: int) -> None:
    readable = run.read(tables.FEATURES)["image_id"]
    vectors = np.random.default_rng(seed).standard_normal((len(readable), 8)).astype(np.float32)
    tables.write_vectors(run.embeddings, {"image_id": readable}, "embedding", vectors)


def test_it_is_made_once_for_each_file_of_embeddings(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert current_map(run) is None
    embed(run, 0)
    first = current_map(run)
    assert first is not None and list(first) == ["image_id", "x", "y"]
    assert set(first["image_id"]) == set(run.read(tables.FEATURES)["image_id"])
    before = run.embedding_map.stat().st_mtime_ns
    again = current_map(run)
    assert again is not None and run.embedding_map.stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(first, again)
    run.embedding_map.write_bytes(run.embedding_map.read_bytes()[:40])
    pd.testing.assert_frame_equal(first, current_map(run))
    embed(run, 1)
    other = current_map(run)
    assert other is not None and not np.allclose(other["x"], first["x"])
    assert tables.metadata(run.embedding_map)["seed"] == "0"


def test_the_report_draws_it_and_does_without_damaged_embeddings(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.update_info({"outcomes": []})
    embed(run, 0)
    html = imageclinic.report(run.path).read_text("utf-8")
    assert 'id="map-data"' in html and HOSTILE not in html
    run.embeddings.write_bytes(b"no table")
    html = imageclinic.report(run.path).read_text("utf-8")
    assert 'id="map-data"' not in html and "The map can&#39;t be drawn" in html
