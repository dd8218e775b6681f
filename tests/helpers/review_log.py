"""Flags, images and decision logs for the tests of what reviews tell."""

import numpy as np
import pandas as pd

from imageclinic.cleaning.decisions import decision_log
from imageclinic.core import tables


def flags(n, check="mislabeled"):
    """The first `n` images are flagged, the first the worst."""
    return tables.frame(
        tables.ISSUES, check=check, image_id=[f"{i:04}" for i in range(n)],
        score=np.linspace(1, 0.5, n).tolist(), suggested_action="relabel", evidence="Seen.",
    )  # fmt: skip


def images(n):
    return tables.frame(
        tables.DATASET, image_id=[f"{i:04}" for i in range(n)], label="x", sha256=[f"s{i}" for i in range(n)],
        bytes=1, mtime_ns=0,
    )  # fmt: skip


def reviewed(tmp_path, at, right, sample="random", chance=0.5):
    """The log after these images were judged, in this order."""
    events = pd.DataFrame(
        {
            "image_id": [f"{i:04}" for i in at],
            "decision": ["relabel" if r else "keep" for r in right],
            "label": ["y" if r else None for r in right],
            "confirmed": ["mislabeled" if r else None for r in right],
            "rejected": [None if r else "mislabeled" for r in right],
            "sample": sample,
            "inclusion_prob": chance if sample == "random" else None,
            "reviewer": "ann",
        }
    )
    decision_log.append(tmp_path / "decisions.csv", events)
    return decision_log.read(tmp_path / "decisions.csv")
