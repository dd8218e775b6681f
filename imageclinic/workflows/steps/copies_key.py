"""What a run's pairs of copies were made from, and whether that still holds."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.copies import find_copies
from imageclinic.audit.scan import scan
from imageclinic.core import tables
from imageclinic.core.run import Run
from imageclinic.workflows.steps.result_keys import key


def copies_key(run: Run, dataset: pd.DataFrame, *, embedded: bool = False) -> str:
    """The key of neighbors and clusters of a dataset; `embedded`: its embeddings were used, too."""
    vectors = tables.metadata(run.embeddings).get("key") if embedded else None
    return key(dataset[["image_id", "sha256", "group"]], find_copies.VERSION, scan.VERSION, vectors)


def are_current(run: Run, dataset: pd.DataFrame) -> bool:
    """Whether the run's pairs were found among these images, as they would be found now."""
    made = tables.metadata(run.table_path(tables.NEIGHBORS)).get("key")
    return made is not None and made in (copies_key(run, dataset, embedded=used) for used in (True, False))
