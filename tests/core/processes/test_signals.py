"""Ctrl-C is not lost."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Iterator

import pytest

from imageclinic.core.processes.signals import heeded


class Thing:
    """Something that can be collected."""


@pytest.fixture(autouse=True)
def default() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def lose_ctrl_c() -> None:
    """Ctrl-C while Python runs a callback of the garbage collector: the exception is printed and forgotten."""
    thing = Thing()
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
    del thing
    assert reference() is None


pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_ctrl_c_in_a_callback_is_raised_where_it_is_asked_for() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), heeded() as check:
        lose_ctrl_c()
        done.append("went on")
        check()
        done.append("not reached")
    assert done == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_at_the_latest_the_end_raises_it_and_blocks_may_be_nested() -> None:
    with pytest.raises(KeyboardInterrupt), heeded():
        lose_ctrl_c()
    with pytest.raises(KeyboardInterrupt), heeded(), heeded():
        lose_ctrl_c()
    with heeded() as check:
        check()


def test_elsewhere_it_is_raised_at_once_and_once() -> None:
    with heeded() as check:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
        check()


def test_other_threads_and_other_handlers_are_left_alone() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    with heeded():
        signal.raise_signal(signal.SIGINT)
    assert seen == [signal.SIGINT]

    def use() -> None:
        with heeded() as check:
            check()

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
