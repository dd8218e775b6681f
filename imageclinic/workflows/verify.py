"""Repeats the proof of an export."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pandas as pd

from imageclinic.core.progress import Stage, quiet
from imageclinic.core.stores.addresses import address_of


def verify(out: str | Path, *, stage: Stage = quiet) -> pd.DataFrame:
    """Prove an export again: hashes, counts, classes, no copies in two splits. A frame with name, ok and detail.

    `out` is a folder, or the address of an object store, from which all is fetched into a temporary folder first.

    The pairs of copies are computed again from the exported files; the manifest is not trusted.
    """
    from imageclinic.cleaning.export.proof import prove_export
    from imageclinic.cleaning.export.to_store.fetched_export import fetched

    with contextlib.ExitStack() as stack:
        address = address_of(out)
        folder = Path(out)
        if address is not None:
            with stage("Fetching") as progress:
                folder = stack.enter_context(fetched(address, progress))
        with stage("Verifying") as progress:
            proofs = prove_export.verify(folder, progress)
    return pd.DataFrame([dataclasses.asdict(proof) for proof in proofs])
