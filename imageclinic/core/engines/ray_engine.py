"""The engine of many machines: Ray's actors, each with a worker, get items one by one.

Ray Core and not Ray Data: items are names of files and results are files in the run folder, so that there is no data to
stream between machines, and a finished shard outlives driver and cluster, which Ray Data's blocks do not.

Without an address Ray is started here: its sockets are those of this machine alone, its password is random, its folder
is temporary, it sends no usage statistics, and it ends with us. An item whose worker is lost is given to another one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import secrets
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from imageclinic.core.engines import worker_facts
from imageclinic.core.engines.address_check import check_answers
from imageclinic.core.engines.engine import Item, Result, Start
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.processes.cores import available
from imageclinic.core.processes.environment import environment
from imageclinic.core.processes.signals import given_back
from imageclinic.core.processes.temporary_folders import temporary_folder

#: Seconds between looks at what is done, and between a worker's looks at itself.
_POLL = 0.2
#: Seconds for a worker to start where none is at work.
_START = 180.0
#: Seconds that workers have to end in order.
_END = 5.0
#: An item is given up when so many workers were lost at it.
_TRIES = 3
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # `uv run` here is no reason to run uv on the workers
    "RAY_NUM_REDIS_GET_RETRIES": "1",  # of 40 seconds each, for an address behind which is no Ray
}


class RayEngine:
    """See `core.engines.engine.Engine`. Ray is started, or connected to, when the first items come."""

    distributed = True

    def __init__(self, address: str | None, workers: int | None, ends: contextlib.ExitStack) -> None:
        self._address, self._workers, self._ends = address, workers, ends
        self._ray: Any = None
        self._lost = 0

    def notes(self) -> list[str]:
        """See `core.engines.engine.Engine`."""
        if not self._lost:
            return []
        return [f"{self._lost:,} Ray workers were lost; what they had under way was done again by others"]

    def cores(self) -> int:
        """See `core.engines.engine.Engine`."""
        return int(self._connected().cluster_resources().get("CPU", 0)) or 1

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
        """See `core.engines.engine.Engine`."""
        if not items:
            return
        ray = self._connected()
        places = self._machines() if whole_machine else [{"num_cpus": 1}] * (workers or self.cores())
        places = places[: len(items)]
        hire = ray.remote(_Actor)
        todo = deque(enumerate(items))
        losses: Counter[int] = Counter()
        # Reference → (actor, its place, what it does: an item with its number, or None while it starts).
        running: dict[Any, tuple[Any, dict[str, Any], tuple[int, Item] | None]] = {}
        idle: list[Any] = []

        def begin(place: dict[str, Any]) -> None:
            actor = hire.options(max_restarts=0, **place).remote(start, len(places))
            running[actor.about.remote([str(path) for path in visible])] = actor, place, None

        try:
            for place in places:
                begin(place)
            left, heard = len(items), time.monotonic()
            while left:
                ready, _ = ray.wait(list(running), num_returns=len(running), timeout=_POLL)
                if ready or any(item is not None for _, _, item in running.values()):
                    heard = time.monotonic()
                elif time.monotonic() - heard > _START:
                    raise Failed(f"no worker of Ray has started within {_START:.0f} seconds: {self._short_of()}")
                for reference in ready:
                    actor, place, item = running.pop(reference)
                    try:
                        answer = ray.get(reference)
                    except ray.exceptions.RayError as error:
                        number = -1 if item is None else item[0]
                        losses[number] += 1
                        self._lost += 1
                        if losses[number] >= _TRIES:
                            raise _lost(error, starting=item is None) from error
                        if item is not None:
                            todo.appendleft(item)
                        begin(place)
                        continue
                    idle.append(actor)
                    if isinstance(answer, Exception):
                        raise answer
                    if item is None:
                        worker_facts.check(answer)
                        losses[-1] = 0
                    else:
                        left -= 1
                        yield answer
                    if todo:
                        item = todo.popleft()
                        running[idle.pop().do.remote(item[1])] = actor, place, item
                if progress:
                    progress(0)
            ray.wait([actor.end.remote() for actor in idle], num_returns=len(idle), timeout=_END)
        finally:
            for actor in [*idle, *(each for each, _, _ in running.values())]:
                with contextlib.suppress(Exception):  # it may be gone, and so may Ray
                    ray.kill(actor)

    def _connected(self) -> Any:
        if self._ray is None:
            self._ends.enter_context(environment(_QUIET if self._address else {**_QUIET, **_alone()}))
            with given_back(signal.SIGTERM):  # Ray takes it for itself
                import ray

                self._ends.enter_context(_silent(ray))
                if not ray.is_initialized():  # else it is the user's own, who calls us from Python
                    (self._connect if self._address else self._start)(ray)
                    self._ends.callback(ray.shutdown)
            self._ray = ray
        return self._ray

    def _start(self, ray: Any) -> None:
        """Ray on this machine alone."""
        folder = self._ends.enter_context(temporary_folder("imageclinic-ray-"))
        ray.init(
            num_cpus=self._workers or available(),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            _temp_dir=str(folder),
        )

    def _connect(self, ray: Any) -> None:
        """A cluster that somebody started."""
        fix = (
            "start one with `ray start --head`, and set RAY_AUTH_TOKEN to its token if it has one; or leave out "
            "--address to start Ray here"
        )
        try:
            ray.init(address=self._address, log_to_driver=False, logging_level=logging.CRITICAL)
        except Exception as error:  # other versions, a wrong token, nothing there: Ray raises many kinds
            reason = " ".join(str(error).split())[:400] or type(error).__name__
            raise InputError(f"--address {self._address}: can't join that Ray cluster: {reason}", fix=fix) from error

    def _machines(self) -> list[dict[str, Any]]:
        """What a worker asks for that has a machine, or one of its GPUs, for itself."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        places = []
        for node in self._ray.nodes():
            cores = int(node["Resources"].get("CPU", 0))
            devices = int(node["Resources"].get("GPU", 0))
            if node["Alive"] and cores:
                here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=True)
                place = {"num_cpus": max(1, cores // max(1, devices)), "num_gpus": min(1, devices)}
                places += [{**place, "scheduling_strategy": here}] * max(1, devices)
        return places

    def _short_of(self) -> str:
        have = self._ray.cluster_resources().get("CPU", 0)
        free = self._ray.available_resources().get("CPU", 0)
        return f"of its {have:.0f} cores {free:.0f} are free"


class _Actor:
    """A worker in a process of Ray's."""

    def __init__(self, start: Start[Any, Any], workers: int) -> None:
        self._start, self._sharing = start, min(workers, available())
        self._worker: Any = None
        threading.Thread(target=self._watch, daemon=True).start()

    def about(self, visible: Sequence[str]) -> dict[str, Any]:
        """See `core.engines.worker_facts`."""
        return worker_facts.facts(visible)

    def do(self, item: Any) -> Any:
        """The result; or what was raised, for Ray would make it another exception."""
        try:
            if self._worker is None:
                self._worker = self._start(self._sharing)
            return self._worker.do(item)
        except Exception as error:
            return error

    def end(self) -> None:
        """End the worker, in the thread in which it worked."""
        if self._worker is not None:
            self._worker.end()

    def _watch(self) -> None:
        while True:
            time.sleep(_POLL)
            if self._worker is not None:
                self._worker.watch()


@contextlib.contextmanager
def opened(address: str | None, workers: int | None) -> Iterator[RayEngine]:
    """The engine, for as long as the context lasts.

    Args:
        address: of a cluster, ``HOST:PORT`` or ``auto``; None: Ray is started on this machine.
        workers: cores that are used where Ray is started here; None: all.
    """
    with contextlib.ExitStack() as ends:
        yield RayEngine(address, workers, ends)


def check(address: str | None) -> None:
    """Raises InputError when Ray is not installed, or nothing answers at the address."""
    if importlib.util.find_spec("ray") is None:
        raise InputError("--engine ray: Ray is not installed", fix="pip install 'imageclinic[ray]'")
    if address not in (None, "auto"):
        check_answers(str(address))


def _lost(error: Exception, *, starting: bool) -> Exception:
    """What to raise when workers are lost over and over."""
    import ray

    text = " ".join(str(error).split())
    if starting and "ModuleNotFoundError: No module named 'imageclinic'" in text:
        return InputError("the workers of the Ray cluster have no imageclinic", fix="install it on all machines")
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "OOM" in text[:300] or "memory usage" in text[:300]:
        return Failed(
            f"Ray ended {_TRIES} workers for want of memory at the same work. Try fewer --workers, or machines with "
            "more memory; what is done is kept"
        )
    what = "while it started" if starting else "at the same work"
    return Failed(
        f"a Ray worker was lost {_TRIES} times {what}; memory may be short there: try fewer --workers. What is done is "
        f"kept. Ray says: {text[:500]}"
    )


def _alone() -> dict[str, str]:
    """The environment of a Ray for this machine and this audit. Its constants are read when Ray is imported."""
    return {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # its only switch for sockets on 127.0.0.1, on Linux too
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else it writes one into the user's home
    }


@contextlib.contextmanager
def _silent(ray: Any) -> Iterator[None]:
    """Ray prints on standard output, where --json prints, that a worker was lost; there is no public switch."""
    inner = ray._private.worker
    before = getattr(inner, "_worker_logs_enabled", True)
    inner._worker_logs_enabled = False
    try:
        yield
    finally:
        inner._worker_logs_enabled = before
