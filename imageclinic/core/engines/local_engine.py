"""The engine of one machine: a thread for each worker, which may hold a process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from imageclinic.core.engines.engine import Item, Result, Start, Worker
from imageclinic.core.processes.cores import available

#: Seconds between looks at the workers.
_POLL = 0.2


class LocalEngine:
    """Runs workers in threads of this process."""

    distributed = False

    def notes(self) -> list[str]:
        """None."""
        return []

    def cores(self) -> int:
        """See `core.engines.engine.Engine`."""
        return available()

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
        """See `core.engines.engine.Engine`. This machine sees its own files: `visible` is not looked at."""
        count = min(1 if whole_machine else workers or available(), len(items))
        todo: queue.SimpleQueue[Item] = queue.SimpleQueue()
        events: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        for item in items:
            todo.put(item)
        running: list[Worker[Item, Result]] = []
        stop = threading.Event()

        def work() -> None:
            # A worker's process ends with the thread that started it (`core.processes.child_process.end_with_parent`).
            try:
                worker = start(count)
                running.append(worker)
                try:
                    while not stop.is_set():
                        events.put((worker.do(todo.get_nowait()), None))
                finally:
                    running.remove(worker)
                    worker.end()
            except queue.Empty:
                pass  # nothing is left to do
            except Exception as error:
                events.put((None, error))

        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        left = len(items)
        try:
            while left:
                try:
                    result, error = events.get(timeout=_POLL)
                except queue.Empty:
                    under_way = sum(worker.watch() for worker in list(running))
                    if progress:
                        progress(under_way)
                    continue
                if error is not None:
                    raise error
                left -= 1
                yield result
        finally:
            stop.set()
            for worker in list(running):
                worker.end()
            for thread in threads:
                thread.join()


#: It holds nothing: one is enough.
LOCAL = LocalEngine()
