"""Other people's loaders, which leave files open: what they leave is collected at once, and not in a later test."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Warnings of the loaders are theirs; a file that waits in a cycle for the collector is closed before they count.

    `datasets` reads the first rows of each `metadata.csv` and drops the reader. Where the collector came by later,
    in the middle of our own code, the warning failed whichever test was running.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()
