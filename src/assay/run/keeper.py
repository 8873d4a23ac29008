"""A thread of the trainer for what its loop shall not wait for: late values, the disk, a look at
the trackers, samples of the system."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from assay.run.journal_file import log

__all__ = ["Keeper"]


class Keeper:
    """Does `every` job at its period and what it is told to `do` in order; an error is logged."""

    def __init__(self) -> None:
        self._jobs: list[tuple[float, Callable[[], None]]] = []
        self._due: list[float] = []
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="assay-keeper", daemon=True)

    def every(self, period_s: float, job: Callable[[], None]) -> None:
        """Do this again and again; before start()."""
        self._jobs.append((period_s, job))
        self._due.append(time.monotonic() + period_s)

    def start(self) -> None:
        self._thread.start()

    def do(self, job: Callable[[], None]) -> None:
        """Do this once, soon."""
        self._queue.put(job)

    def settle(self) -> None:
        """Wait until everything is done that was asked before."""
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            done = threading.Event()
            self._queue.put(done.set)
            done.wait()

    def stop(self) -> None:
        """Do what was asked, and end."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            left = min(self._due, default=time.monotonic() + 60) - time.monotonic()
            try:
                job = self._queue.get(timeout=max(0.0, left))
            except Empty:
                self._do_due()
                continue
            if job is None:
                return
            self._safely(job)

    def _do_due(self) -> None:
        now = time.monotonic()
        for index, (period_s, job) in enumerate(self._jobs):
            if self._due[index] <= now:
                self._safely(job)
                self._due[index] = time.monotonic() + period_s

    def _safely(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception:
            log.exception("assay: a run goes on without a part of its record")
