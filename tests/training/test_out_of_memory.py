"""Errors for memory that ran out (`training.out_of_memory`)."""

from __future__ import annotations

import numpy as np
import pytest

from imageclinic.training.out_of_memory import ran_out


def test_memory_of_numpy_and_of_a_device_runs_out(exhausted: Exception) -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 62, np.uint8)
    assert ran_out(caught.value)
    assert ran_out(exhausted)
    assert not ran_out(ValueError("out of memory"))
