"""Ctrl-C that is not lost. Python raises it wherever it happens to be; in a callback of the garbage collector, which
runs often while TensorFlow traces a graph, it prints the exception and forgets it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def heeded() -> Iterator[Callable[[], None]]:
    """Ctrl-C raises KeyboardInterrupt as ever; where that was lost, the function that this gives raises it when it is
    called, and so does the end of the block. In other threads than the main one, and where someone else handles the
    signal, nothing changes."""
    came = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.default_int_handler(number, frame)

    def check() -> None:
        nonlocal came
        if came:
            came = False
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and (
        before is signal.default_int_handler or getattr(before, "_heeded", False)
    )
    if not ours:
        yield check
        return
    remember._heeded = True  # type: ignore[attr-defined]
    signal.signal(signal.SIGINT, remember)
    try:
        yield check
        check()
    finally:
        signal.signal(signal.SIGINT, before)
