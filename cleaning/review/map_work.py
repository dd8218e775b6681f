"""Brings the map into the App: at once where the run has it, else when a process beside the review has made it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Protocol

from imageclinic.core.processes import child_process
from imageclinic.core.reading import saved_map
from imageclinic.core.run import Run

#: After so many looks the App's page may have been loaded without the map.
_LATE = 2


class Shows(Protocol):
    """What shows the map; see `door.serving.Server`."""

    def show_map(self) -> None:
        """Begin to."""

    def map_error(self) -> str | None:
        """Empty when it is shown, None as long as it is not."""


def is_there(run: Run) -> bool:
    """Whether the run has a map of its embeddings."""
    return run.embeddings.is_file() and saved_map.read(run.embedding_map, run.embeddings) is not None


def make_and_show(
    run: Run, server: Shows, command: Sequence[str], announce: Callable[[str], None]
) -> Generator[None, None, None]:
    """Show the map, made in the background where there is none; ends then. Advance it from the main thread, close it
    to end what it started.

    Args:
        run: one that has embeddings.
        server: the App's.
        command: makes the map; empty for none.
        announce: called when a map was made, or why there is none.
    """
    made = not is_there(run)
    if made and not command:
        return
    if made:
        log = run.review / "map.log"
        log.unlink(missing_ok=True)
        with child_process.running(command, log) as process:
            while process.poll() is None:
                yield
        if not is_there(run):
            announce(f"The map of the images could not be made: {child_process.last_line(log)} (see {log})")
            return
    server.show_map()
    looks = 0
    while (error := server.map_error()) is None:
        looks += 1
        yield
    if error:
        announce(f"The map of the images could not be shown: {error}")
    elif made or looks > _LATE:
        announce("The map of the images is there: reload the App's page.")
