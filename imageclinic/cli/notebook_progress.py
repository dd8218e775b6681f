"""In a notebook the API's functions show their progress and print their lines by themselves.

IPython draws the bar, so that neither a widget nor a terminal is needed, and it leaves no trace in the saved notebook.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import time
import warnings
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from imageclinic.cli.safe_text import safe
from imageclinic.core.progress import Progress

#: Seconds between two drawings of a bar.
_PAUSE = 0.25


def shown(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which gets `stage` and `say` of this module where it takes them and is given none."""
    takes = inspect.signature(function).parameters
    ours = {name: value for name, value in (("stage", stage), ("say", say)) if name in takes}

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not _has_kernel():
            return function(*args, **kwargs)
        # What libraries of ours say of their own bars, which nobody sees here.
        warnings.filterwarnings("ignore", message="IProgress not found")
        return function(*args, **{**ours, **kwargs})

    return call


def _has_kernel() -> bool:
    """Whether this is a notebook's own process: others may have loaded the same modules."""
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def say(line: str) -> None:
    """Print a line; characters that act on what shows it are escaped."""
    print(safe(line), flush=True)


@contextlib.contextmanager
def stage(description: str) -> Iterator[Progress]:
    """A bar under the cell, for as long as the context lasts."""
    ipython: Any = importlib.import_module("IPython.display")
    html = ipython.HTML
    handle = ipython.display(html(_bar(description, 0, 0)), display_id=True)
    drawn = time.monotonic()

    def update(done: int, total: int) -> None:
        nonlocal drawn
        if time.monotonic() - drawn >= _PAUSE:
            drawn = time.monotonic()
            handle.update(html(_bar(description, done, total)))

    try:
        yield update
    finally:
        handle.update(html(""))


def _bar(description: str, done: int, total: int) -> str:
    share = f' value="{done}" max="{total}"' if total else ""
    count = f" {done:,} of {total:,}" if total else ""
    return f"{escape(safe(description))} <progress{share}></progress>{count}"
