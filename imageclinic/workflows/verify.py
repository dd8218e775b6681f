"""Repeats the proof of an export."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd

from imageclinic.core.progress import Stage, quiet


def verify(out: str | Path, *, stage: Stage = quiet) -> pd.DataFrame:
    """Prove an export again: hashes, counts, classes, no copies in two splits. A frame with name, ok and detail.

    The pairs of copies are computed again from the exported files; the manifest is not trusted.
    """
    from imageclinic.cleaning.export.proof import prove_export

    with stage("Verifying") as progress:
        proofs = prove_export.verify(Path(out), progress)
    return pd.DataFrame([dataclasses.asdict(proof) for proof in proofs])
