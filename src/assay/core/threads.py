"""The one pool of threads, and how many there are.

Kernels release the GIL, so threads are enough to use every core. One owner of threads at a time:
work that is itself spread over threads (`worker_thread`) runs what it calls in line.
"""

import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

from assay.core.errors import InputError

__all__ = ["parallel", "thread_count", "worker_thread"]

T = TypeVar("T")
R = TypeVar("R")


def thread_count() -> int:
    """Threads for kernels: ASSAY_THREADS, else the CPUs this process may use, shared between the
    ranks of this machine (LOCAL_WORLD_SIZE)."""
    asked = os.environ.get("ASSAY_THREADS")
    if asked is not None:
        if not asked.isdecimal() or int(asked) == 0:
            raise InputError(f"ASSAY_THREADS must be a whole number >= 1, got {asked!r}")
        return int(asked)
    ranks = os.environ.get("LOCAL_WORLD_SIZE", "1")
    share = int(ranks) if ranks.isdecimal() and int(ranks) else 1
    return max(1, min(_affinity(), _cgroup_limit()) // share)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _cgroup_limit() -> int:
    """CPUs a container may use (cgroup v2); no limit reads as a large number."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):  # no cgroup, or "max"
        return 1 << 20


_pool: ThreadPoolExecutor | None = None
_pool_key = (0, 0)  # process and size the pool was made for
_pool_lock = threading.Lock()
_inside = threading.local()


def _shared_pool(size: int) -> ThreadPoolExecutor:
    global _pool, _pool_key
    with _pool_lock:
        if _pool is None or _pool_key != (os.getpid(), size):
            _pool = ThreadPoolExecutor(size, "assay", initializer=worker_thread)
            _pool_key = (os.getpid(), size)
        return _pool


def worker_thread() -> None:
    """Say that this thread is one of several at work: parallel() runs in line in it."""
    _inside.yes = True


def parallel(function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """function(t) for every task, in order, on the shared pool.

    Tasks are taken from the iterable while others run, a few ahead of the results. Everything
    runs in line for a single task, a single thread, or when called from a thread of the pool
    (pools are never nested).
    """
    tasks = iter(tasks)
    first = list(islice(tasks, 2))
    if len(first) < 2 or getattr(_inside, "yes", False) or (size := thread_count()) == 1:
        yield from map(function, chain(first, tasks))
        return
    pool = _shared_pool(size)
    running: deque[Future[R]] = deque()
    try:
        for task in chain(first, tasks):
            running.append(pool.submit(function, task))
            if len(running) > 2 * size:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()


def _after_fork() -> None:
    # The child has the parent's pool object but none of its threads, and maybe a held lock.
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
