"""The engine of processes: for counts that hold Python's lock, where threads would queue."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from assay.core.errors import AssayError, ProgramError
from assay.core.threads import thread_count
from assay.run.jobs import Done, Job, Shard, Watch, unwatched
from assay.run.workers import ENVIRONMENT, Seen, count_shard

__all__ = ["processes"]

_job: Job | None = None  # of this worker


def processes(job: Job, shards: Sequence[Shard], watch: Watch = unwatched) -> Iterator[Done]:
    """As many processes as there would be threads count the shards.

    Errors: those of local(), the same; ProgramError where a process is killed.
    """
    context = multiprocessing.get_context("spawn")
    held, leash = context.Pipe(duplex=False)
    todo = sorted(shards, reverse=True)
    size = min(thread_count(), max(1, len(todo)))
    pool = ProcessPoolExecutor(size, context, _begin, (job, held))
    running: dict[Future[tuple[Done, Seen]], Shard] = {}
    failed: list[tuple[Shard, AssayError]] = []
    try:
        while todo or running:
            while todo and len(running) < size:
                shard = todo.pop()
                running[pool.submit(_count, shard)] = shard
            ready, _ = wait(running, return_when=FIRST_COMPLETED)
            if any(isinstance(own.exception(), BrokenProcessPool) for own in ready):
                raise _killed(running.values())
            for own in ready:
                shard, error = running.pop(own), own.exception()
                if isinstance(error, AssayError):  # what comes before it may fail as well
                    failed.append((shard, error))
                    todo.clear()
                    continue
                done, seen = own.result()
                yield done
                seen.tell(watch)
        if failed:
            raise min(failed, key=lambda one: one[0])[1]
    finally:
        leash.close()  # ends the processes, also where this one is killed
        held.close()
        pool.shutdown(wait=True, cancel_futures=True)


def _killed(shards: Any) -> ProgramError:
    told = " or ".join(map(str, sorted(shards)))
    return ProgramError(
        f"shard {told}: the process that counted it was killed, as the system does where memory "
        "runs out; set ASSAY_THREADS to fewer, and with --work-dir the same command goes on from "
        "here"
    )


def _begin(job: Job, held: Any) -> None:
    """A new process. It ends with the one that wants its counts, which alone hears of Ctrl-C."""
    global _job
    _job = job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(ENVIRONMENT)
    threading.Thread(target=_end_with, args=(held,), daemon=True).start()


def _end_with(held: Any) -> None:
    held.poll(None)  # nothing is ever sent
    os._exit(1)


def _count(shard: Shard) -> tuple[Done, Seen]:
    assert _job is not None
    return count_shard(_job, shard)
