"""How long functions report progress: a stage is a context that gives a callback (done, total)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

Progress = Callable[[int, int], None]
Stage = Callable[[str], AbstractContextManager[Progress]]
Say = Callable[[str], None]


@contextlib.contextmanager
def quiet(description: str) -> Iterator[Progress]:
    """A stage that reports nothing."""
    yield lambda done, total: None


def silent(line: str) -> None:
    """Says nothing."""
