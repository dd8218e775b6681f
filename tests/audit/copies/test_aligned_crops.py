"""The arithmetic of aligned crops."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from imageclinic.audit.copies import aligned_crops


@pytest.mark.parametrize("side", [4, 16, 32, 50])
@pytest.mark.parametrize("sigma", [0.75, 1.5])
def test_the_blur_is_scipys_to_the_last_bit(side: int, sigma: float) -> None:
    """4 pixels are fewer than the blur reaches: the line is mirrored more than once."""
    scipys = gaussian_filter1d(np.eye(side, dtype=np.float32), sigma, axis=0)
    np.testing.assert_array_equal(aligned_crops._blur(side, sigma), scipys)


def test_the_search_for_copies_loads_no_scipy() -> None:
    """Its import takes longer than the search among 1,000 photographs."""
    code = (
        "import sys, numpy as np; from imageclinic.audit.copies import clusters, find_copies, thumbnail_match\n"
        "from imageclinic.audit.copies.laid_over import embedding_pairs\n"
        "pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32)).astype(np.uint8)\n"
        "one, two, zero = np.array([0]), np.array([1]), np.zeros(1, np.uint8)\n"
        "thumbnail_match.glance(pictures, one, two, zero); thumbnail_match.look(pictures, one, two, zero)\n"
        "print(embedding_pairs.together(np.array([[0, 1], [2, 3], [1, 4]])).tolist(), 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[[0, 1], [1, 4], [2, 3]] False\n"
