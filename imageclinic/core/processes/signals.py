"""Signals that end us in order.

Ctrl-C that is not lost: Python raises it wherever it happens to be; in a callback of the garbage collector, which runs
often while TensorFlow traces a graph, it prints the exception and forgets it. And SIGTERM and SIGHUP that end us as
Ctrl-C does, so that what is temporary is removed and children are ended.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def unwinding() -> Iterator[Callable[[], int]]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread, as Ctrl-C does; where they are ignored (nohup),
    they stay ignored. Gives a function that says which signal came last: SIGINT when it was none of these."""
    last = int(signal.SIGINT)

    def unwind(number: int, frame: FrameType | None) -> None:
        nonlocal last
        last = number
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        if callable(on_ctrl_c):  # so that whoever handles Ctrl-C in a way of his own hears of it
            on_ctrl_c(number, frame)
        raise KeyboardInterrupt

    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP
    ours = [s for s in known if signal.getsignal(s) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, unwind)
    try:
        yield lambda: last
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


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


@contextlib.contextmanager
def given_back(number: int) -> Iterator[None]:
    """Whoever handles a signal handles it again after the block, in which a library may take it for itself."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, before)
