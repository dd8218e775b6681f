"""Brings the map into the App: at once where the run has it, else when a process beside the review has made it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from imageclinic.cleaning.review.dataset import map_panel
from imageclinic.core.processes import child_process
from imageclinic.core.reading import saved_map
from imageclinic.core.run import Run

if TYPE_CHECKING:
    import fiftyone as fo


def show_if_there(run: Run, dataset: fo.Dataset) -> bool:
    """Show the map that the run has; whether nothing is left to do, because it is shown or there is nothing to map."""
    if not run.embeddings.is_file():
        return True
    positions = saved_map.read(run.embedding_map, run.embeddings)
    if positions is not None:
        map_panel.show(dataset, positions)
    return positions is not None


def make(
    run: Run, dataset: fo.Dataset, command: Sequence[str], announce: Callable[[str], None]
) -> Generator[None, None, None]:
    """Make the map in the background and show it; ends then. Advance it from the main thread, close it to end what it
    started.

    Args:
        run: one that has embeddings and no map of them.
        dataset: the App's.
        command: makes the map.
        announce: called when the map is there, or why it is not.
    """
    log = run.review / "map.log"
    log.unlink(missing_ok=True)
    with child_process.running(command, log) as process:
        while process.poll() is None:
            yield
    if show_if_there(run, dataset):
        announce("The map of the images is there: reload the App's page.")
    else:
        announce(f"The map of the images could not be made: {child_process.last_line(log)} (see {log})")
