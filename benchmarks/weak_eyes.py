"""An embedder that sees hardly anything: thumbnails of 8 × 8 pixels. With `--model benchmarks.weak_eyes:thumbnails`
benchmarks show what an audit makes of a dataset whose classes its features can't tell apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def thumbnails(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(n, 8, 8, 3) → (n, 192), in [0, 1]."""
    return images.reshape(len(images), -1) / 255


thumbnails.image_size = (8, 8)  # type: ignore[attr-defined]
