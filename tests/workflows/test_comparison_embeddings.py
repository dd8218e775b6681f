"""Which embeddings of a run a comparison takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imageclinic.core import tables
from imageclinic.core.run import create
from imageclinic.workflows.steps.comparison_arms import embedded

MADE = {"model": "given", "version": "1", "note": "mine"}


@pytest.mark.parametrize(
    ("made", "taken"),
    [(MADE, True), ({**MADE, "model": "efficientnet_lite2+patches"}, False), ({"model": "given"}, False)],
)
def test_only_those_that_no_test_image_taught_and_that_say_what_made_them(
    made: dict[str, str], taken: bool, tmp_path: Path
) -> None:
    run = create(tmp_path / "run")
    run.update_info({"root": str(tmp_path)})
    assert embedded(run) is None
    vectors = np.ones((2, 3), np.float32)
    ids = pd.Series(["a/1.png", "a/2.png"])
    tables.write_vectors(run.embeddings, {"image_id": ids}, "embedding", vectors, made)
    found = embedded(run)
    assert (found is not None) == taken
    if found is not None:
        assert found.paths.tolist() == [str(tmp_path / "a" / f"{n}.png") for n in (1, 2)]
        np.testing.assert_array_equal(found.vectors, vectors)
