"""How many threads BLAS takes, which NumPy multiplies matrices with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

#: Rows up to which one thread is enough.
FEW = 5_000


@contextlib.contextmanager
def for_rows(count: int) -> Iterator[None]:
    """One thread for matrices of few rows, as many as there are cores for more.

    Threads of OpenBLAS wait for each other by spinning. Where other jobs have the cores, that costs many times the
    work: an SVD of 1,000 × 1,832 took 7.6 processor seconds with two threads, and 0.7 with one (two cores, load 22).
    """
    if count > FEW:
        yield
        return
    from threadpoolctl import threadpool_limits  # here, for it looks at all libraries that are loaded

    with threadpool_limits(1, "blas"):
        yield
