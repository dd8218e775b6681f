"""What an engine is: it maps workers over items. A stage says what a worker does with an item; the engine says where.

Items and results are small (names, counts): what a worker makes of an item is a file in the run folder, written under
a temporary name and renamed. So whatever is killed, the next audit finds what is done, and only the rest is an item
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
ItemIn = TypeVar("ItemIn", contravariant=True)
ResultOut = TypeVar("ResultOut", covariant=True)


class Worker(Protocol[ItemIn, ResultOut]):
    """Does one item after the other, in one thread."""

    def do(self, item: ItemIn) -> ResultOut:
        """The result of an item. What it raises ends the stage."""

    def watch(self) -> int:
        """Called a few times a second from another thread: how many images of the item under way are done."""

    def end(self) -> None:
        """Stop at once, also while `do` runs; called from another thread, maybe more than once."""


#: Makes a worker; the number is how many of them share the machine. With Ray it is pickled.
Start = Callable[[int], Worker[Item, Result]]


class Engine(Protocol):
    """Runs the stages of an audit."""

    distributed: bool
    """Whether workers may be on other machines."""

    def notes(self) -> list[str]:
        """Sentences that the user should know, of what has happened so far."""

    def cores(self) -> int:
        """How many cores all workers together may use. Raises InputError when the engine can't be had."""

    def map(
        self,
        start: Start[Item, Result],
        items: Sequence[Item],
        *,
        workers: int | None,
        whole_machine: bool = False,
        visible: Sequence[Path] = (),
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Result]:
        """Yield results as they come, in no particular order.

        Args:
            start: makes a worker.
            items: what to do.
            workers: how many; None: as many as there are cores.
            whole_machine: one worker on each machine (or GPU), which uses all of its cores.
            visible: files that every worker must see, or else it would take a dataset for missing.
            progress: called a few times a second with the number of images done of items under way.

        Raises:
            InputError: the engine can't be had; a worker does not see a file, or runs other versions.
            Failed: workers end over and over.
            Exception: what a worker raised.
        """
