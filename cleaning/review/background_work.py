"""What goes on beside the App while a person decides: labels ranked again, and how far the flags can be trusted.

Both are worked out in our own process or a child of it, so that FiftyOne's server has its time for the keys. They
reach the panel through files in the run folder.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imageclinic.cleaning.decisions import decision_log, label_ranking
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.processes import child_process
from imageclinic.core.run import Run

#: Labels are ranked again after this many more rows in the log.
BATCH = 20
#: The log is looked at after so many steps at the soonest: a person at work adds a row a second.
_PAUSE = 5


def words_file(run: Run) -> Path:
    """JSON: what the random reviews say about the flags: ``rows`` and ``lines``, see `trust_summary.panel_of`."""
    return run.review / "words.json"


def attend(
    run: Run, *, words: Callable[[], Mapping[str, Any]], rerank: Sequence[str], announce: Callable[[str], None]
) -> Generator[None, None, None]:
    """Look after a run each time that the iterator is advanced; close it to end what it started.

    Advance it from the main thread (see `core.processes.child_process`). When the log has grown, `words` are written
    down; after `BATCH` more rows than the newest scores knew, labels are ranked again in the background.

    Args:
        run: the run that is reviewed.
        words: says how far the flags can be trusted, by the log as it is.
        rerank: the command that ranks again; run where the audit has left embeddings and predictions.
        announce: called with what went wrong.
    """
    possible = run.embeddings.is_file() and run.predictions.is_file()
    command = nice(rerank)
    log = run.review / "rerank.log"
    process: subprocess.Popen[bytes] | None = None
    size, tried, wait = -1, 0, 0
    with contextlib.ExitStack() as stack:
        while True:
            if process is not None and process.poll() is not None:
                if process.returncode:
                    announce(f"Labels could not be ranked again: {child_process.last_line(log)} (see {log})")
                stack.close()
                process = None
            now = run.decisions.stat().st_size if run.decisions.is_file() else 0
            wait -= 1
            if now != size and wait < 0:
                size, wait = now, _PAUSE
                rows = _write_words(run, words, announce)
                if (
                    possible
                    and process is None
                    and rows - max(tried, label_ranking.known_rows(label_ranking.newest(run))) >= BATCH
                ):
                    tried = rows
                    log.unlink(missing_ok=True)
                    process = stack.enter_context(child_process.running(command, log))
            yield


def nice(command: Sequence[str]) -> list[str]:
    """The command, so that it leaves the processors to whom is in a hurry."""
    program = shutil.which("nice")
    return [*([program, "-n", "10"] if program else []), *command]


def _write_words(run: Run, words: Callable[[], Mapping[str, Any]], announce: Callable[[str], None]) -> int:
    """Write the words down; return how many rows the log has, 0 when it can't be read."""
    try:
        tables.write_json(words_file(run), dict(words()))
        return len(decision_log.read(run.decisions))
    except InputError as error:
        announce(f"How far the flags can be trusted is not known: {error}")
        return 0
