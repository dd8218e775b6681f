"""Embeddings that a run has already, for comparisons and diagnoses. Loads no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class Embedded:
    """Embeddings that are there already: `vectors`, float32 (n, d), of the images at `paths` (n,), and what made them
    (`model`, `version`, `note`)."""

    paths: pd.Index
    vectors: npt.NDArray[np.float32]
    made: Mapping[str, str]
