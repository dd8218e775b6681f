"""Whether an error says that memory ran out, here or on a device."""

from __future__ import annotations

import sys


def ran_out(error: BaseException) -> bool:
    """Whether an error is Python's, NumPy's or TensorFlow's for memory that ran out. TensorFlow is not loaded for that:
    where it isn't, no error is one of its own."""
    tensorflow = sys.modules.get("tensorflow")
    own = () if tensorflow is None else (tensorflow.errors.ResourceExhaustedError,)
    return isinstance(error, (MemoryError, *own))
