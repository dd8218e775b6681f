"""The map of a run's embeddings: read where it is there, else made. Also a process of its own, beside a review.

``python -P -m imageclinic.workflows.steps.embedding_map RUN``
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pandas as pd

from imageclinic.core.errors import CanNotWrite
from imageclinic.core.progress import Stage, quiet
from imageclinic.core.reading import saved_map
from imageclinic.core.run import Run, open_run
from imageclinic.training.embed import flat_map


def current_map(run: Run, *, stage: Stage = quiet) -> pd.DataFrame | None:
    """``image_id, x, y`` of every image that has an embedding; None where the run has none.

    It is written into the run folder, and made again when the embeddings have changed.
    """
    if not run.embeddings.is_file():
        return None
    found = saved_map.read(run.embedding_map, run.embeddings, flat_map.METHOD)
    if found is not None:
        return found
    with stage("Mapping the embeddings"):
        embeddings = run.read_embeddings()
        seed = run.info().get("seed", 0)
        positions = flat_map.flat_map(embeddings.alike, seed=seed)
        made = {"embeddings": run.embeddings, "method": flat_map.METHOD, "seed": seed}
        with contextlib.suppress(CanNotWrite):  # a run that may only be read is mapped each time
            saved_map.write(run.embedding_map, embeddings.image_id, positions, **made)
    return pd.DataFrame({"image_id": embeddings.image_id, "x": positions[:, 0], "y": positions[:, 1]})


if __name__ == "__main__":
    current_map(open_run(Path(sys.argv[1])))
