"""Opening and ending a review: the message when it can't be, and that nothing is left running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import weakref
from pathlib import Path

import psutil
import pytest

from imageclinic.cleaning.decisions import decision_log, person_decision
from imageclinic.cleaning.review import session
from imageclinic.core.errors import InputError
from tests.helpers.review_run import MISLABELED, make_run

pytestmark = pytest.mark.slow

OPEN = (
    "import sys; from pathlib import Path; from imageclinic.core.errors import Failed, InputError; "
    "from imageclinic.cleaning.review.session import *\n"
    "try: open_review(Path(sys.argv[1]), port=int(sys.argv[2]), reviewer='ann', "
    "announce=lambda line: print(line, flush=True), words=dict, rerank=[])\n"
    "except (Failed, InputError) as error: print('ERROR', error, flush=True); sys.exit(2)"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start(run: Path, port: int) -> subprocess.Popen[str]:
    """Open a review in a process of its own, and wait until it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN, str(run), str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    output = []
    for line in process.stdout:
        output.append(line)
        if "Ctrl-C" in line:
            return process
    raise AssertionError("".join(output))


def test_a_busy_port_is_named_at_once(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port} on 127\.0\.0\.1 .*--port {port + 1}"):
            session.open_review(run.path, port=port, announce=lambda line: None, words=dict, rerank=[])


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 70_000), ("no.such.host.invalid", 0), ("::1", -1)])
def test_an_impossible_port_or_address(tmp_path: Path, address: str, port: int) -> None:
    with pytest.raises(InputError, match=f"port {port} on {address} can't be used"):
        session.open_review(
            make_run(tmp_path).path, port=port, address=address, announce=lambda line: None, words=dict, rerank=[]
        )


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no imageclinic run"):
        session.open_review(tmp_path, announce=lambda line: None, words=dict, rerank=[])


def test_a_run_without_an_audit(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.path / "issues.parquet").unlink()
    with pytest.raises(InputError, match=r"issues\.parquet"):
        session.open_review(run.path, announce=lambda line: None, words=dict, rerank=[])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_python_loses_still_ends_the_review(number: signal.Signals) -> None:
    class Thing:
        """Something that can be collected."""

    done, before = [], signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), session.signals_unwind() as check:
        thing = Thing()
        reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), number))
        del thing
        done.append(reference())  # what was raised in the callback is printed and forgotten
        check()
        done.append("not reached")
    assert done == [None]
    assert signal.getsignal(number) is before


def test_sigterm_ends_everything_and_decisions_stay(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    port = free_port()
    process = start(run.path, port)
    children = psutil.Process(process.pid).children(recursive=True)
    assert {"mongod"} < {child.name() for child in children}, "the database and the App's server"
    person_decision.append(run, [MISLABELED[0]], "keep", reviewer="ann")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"Decisions are in {run.decisions}" in output
    assert not psutil.wait_procs(children, timeout=20)[1]
    assert len(decision_log.read(run.decisions)) == 1
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_database_that_dies_ends_the_review_with_advice(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    process = start(run.path, 0)  # any free one
    children = psutil.Process(process.pid).children(recursive=True)
    next(child for child in children if child.name() == "mongod").kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "ERROR the database stopped" in output
    assert "every decision is in decisions.csv" in output
    assert not psutil.wait_procs(children, timeout=20)[1]
