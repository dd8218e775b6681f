"""Images of a run to compare new ones with: of the same classes, in the same shares. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.intp]


def reference(run_labels: pd.Series, new_labels: pd.Series, seed: int) -> tuple[Ints, Ints]:
    """Positions in the run and among the new images to compare: drift is not to be seen where only the mix of classes
    differs, which is a finding of its own.

    Args:
        run_labels, new_labels: labels, null where unlabelled.
        seed: of the draw from the run.

    Returns:
        As many images of the run as there can be with the new images' class shares, and the new images of classes that
        the run has. All images of both where either side has no labels.
    """
    every = np.arange(len(run_labels)), np.arange(len(new_labels))
    if run_labels.isna().all() or new_labels.isna().any():
        return every
    have = run_labels.value_counts()
    new = np.flatnonzero(new_labels.isin(have.index))
    if not len(new):
        return np.empty(0, np.intp), new
    want = {str(label): int(n) for label, n in new_labels.iloc[new].value_counts().items()}
    times = min(int(have[label]) / n for label, n in want.items())
    rng = np.random.default_rng(seed)
    drawn = [
        rng.permutation(np.flatnonzero(run_labels.eq(label)))[: max(1, int(times * n))] for label, n in want.items()
    ]
    return np.sort(np.concatenate(drawn)), new
