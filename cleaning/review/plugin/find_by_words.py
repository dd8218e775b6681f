"""Images that words describe: asked of a process beside the server, which holds the network that reads, line by line.

The process is started at the first question, answers in milliseconds afterwards, and ends with the server, when its
input does.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

from imageclinic.core.processes import child_process
from imageclinic.core.run import Run

#: JSON, the command: FiftyOne's server is a subprocess and sees only this.
COMMAND_VARIABLE = "IMAGECLINIC_WORD_SEARCH"
_TURN = threading.Lock()
_RUNNING: dict[tuple[str, ...], subprocess.Popen[str]] = {}


def described(run: Run, words: str) -> tuple[list[str], str]:
    """Image ids, the best first; or none, and why in words."""
    command = json.loads(os.environ.get(COMMAND_VARIABLE, "[]"))
    if not command:
        return [], "This review can't find images by words."
    with _TURN:  # one question at a time: answers come in the order of the questions
        process = _running(run, tuple(command))
        try:
            assert process.stdin and process.stdout
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline() or "{}")
        except (OSError, ValueError):
            answer = {}
    log = _log(run)
    ended = f"The search by words has ended: {child_process.last_line(log)} (see {log})"
    return answer.get("images", []), answer.get("error", "" if "images" in answer else ended)


def end() -> None:
    """End the process, where one runs."""
    for process in _RUNNING.values():
        process.kill()
        process.communicate()
    _RUNNING.clear()


def _running(run: Run, command: tuple[str, ...]) -> subprocess.Popen[str]:
    """The process, started where none runs."""
    process = _RUNNING.get(command)
    if process is None or process.poll() is not None:
        end()
        environment = {**os.environ, "PYTHONPATH": child_process.import_path()}
        with _log(run).open("w", encoding="utf-8") as log:
            process = _RUNNING[command] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
    return process


def _log(run: Run) -> Path:
    return run.review / "words.log"
