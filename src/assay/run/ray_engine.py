"""The engine of a Ray cluster: every shard is a task, their counts are added in a tree of tasks.

Ray schedules, counts a shard again whose worker was killed, and carries results. This hands out a
few tasks for each CPU at a time; where a GPU counts, and the cluster has some, each is held by an
actor, which keeps what was compiled and copied there from shard to shard. Where shards are kept one
by one, each Done comes back; else only their sum does.
"""

import functools
import logging
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from assay.core.errors import AssayError, InputError, ProgramError
from assay.core.optional import require
from assay.core.threads import thread_count
from assay.run.jobs import Done, Job, Shard, Watch, unwatched
from assay.run.workers import ENVIRONMENT, Seen, count_shard

__all__ = ["connected", "ray"]

AHEAD = 2  # tasks for each CPU or GPU that are handed out
FAN = 8  # how many are added by one task
RETRIES = 3  # of a task whose worker was killed


def ray(
    job: Job, shards: Sequence[Shard], watch: Watch = unwatched, *, address: str | None = None
) -> Iterator[Done]:
    """Tasks of a Ray cluster count the shards, each on one CPU, or actors that hold a GPU each.

    address: of a running cluster, as ray.init takes it; by default that of RAY_ADDRESS. A process
    that is connected stays so; without any of those a cluster is started on this machine, and
    stopped at the end. Files must have the same names on all machines.

    Errors: those of local(), the same; InputError where no cluster is at the address; ProgramError
    where workers are killed again and again.
    """
    library = require("ray")
    with connected(address), _translated(library):
        yield from _Tasks(library, job, shards).results(watch)


class _Flying(NamedTuple):
    """A task that was handed out: its shard, its Done, and the actor that has it, if one has."""

    shard: Shard
    done: Any
    gpu: Any


class _Tasks:
    def __init__(self, library: Any, job: Job, shards: Sequence[Shard]) -> None:
        self.ray, self.job = library, job
        own = {"runtime_env": {"env_vars": ENVIRONMENT}}
        options = {"num_cpus": 1, "max_retries": RETRIES, **own}
        self.count = library.remote(_count).options(num_returns=2, **options)
        self.add = library.remote(_add).options(**options)
        there = library.cluster_resources()
        self.gpus = [
            library.remote(_Gpu).options(
                num_cpus=0, num_gpus=1, max_restarts=RETRIES, max_task_retries=RETRIES, **own
            ).remote()
            for _ in range(int(there.get("GPU", 0)) if job.gpu else 0)
        ]  # fmt: skip
        self.room = AHEAD * (len(self.gpus) or max(1, int(there.get("CPU", 1))))
        self.todo = deque(sorted(shards))
        self.flying: dict[Any, _Flying] = {}  # by what is told of a task
        self.failed: list[tuple[Shard, AssayError]] = []
        self.places = {shard: place for place, shard in enumerate(self.todo)}
        self.widths = [len(shards)]  # of the levels of the tree
        while self.widths[-1] > 1:
            self.widths.append(-(-self.widths[-1] // FAN))
        self.held: dict[tuple[int, int], dict[int, Any]] = {}

    def results(self, watch: Watch) -> Iterator[Done]:
        whole = None
        sent = [self.ray.put(self.job)], os.getcwd()
        try:
            while self.todo or self.flying:
                self._hand_out(sent)
                (told, *_), _ = self.ray.wait(list(self.flying))
                shard, done, _ = self.flying.pop(told)
                if (seen := self._seen(told, shard)) is None:
                    continue
                if self.job.folder:
                    yield self.ray.get(done)
                else:
                    whole = self._climb(self.places[shard], done)
                seen.tell(watch)
            if self.failed:
                raise min(self.failed, key=lambda one: one[0])[1]
            if whole is not None:
                yield self.ray.get(whole)
        finally:
            self._cancel(list(self.flying))
            for gpu in self.gpus:
                self.ray.kill(gpu)

    def _hand_out(self, sent: tuple[Any, str]) -> None:
        while self.todo and len(self.flying) < self.room:
            shard, gpu, count = self.todo.popleft(), None, self.count
            if self.gpus:
                busy = Counter(own.gpu for own in self.flying.values())
                gpu = min(self.gpus, key=busy.__getitem__)
                count = gpu.count.options(num_returns=2)
            done, told = count.remote(*sent, shard)
            self.flying[told] = _Flying(shard, done, gpu)

    def _cancel(self, tasks: Sequence[Any]) -> None:
        for task in tasks:
            if self.flying.pop(task).gpu is None:  # actors are killed at the end
                self.ray.cancel(task, force=True)

    def _seen(self, told: Any, shard: Shard) -> Seen | None:
        """What a task tells; None where it failed. The first error in the order of the rows is
        raised, so those before it are waited for, and no others."""
        try:
            with _translated(self.ray, shard):
                return self.ray.get(told)  # type: ignore[no-any-return]
        except AssayError as error:
            self.failed.append((shard, error))
            self.todo.clear()
            self._cancel([task for task, own in self.flying.items() if own.shard > shard])
            return None

    def _climb(self, place: int, found: Any) -> Any:
        """Add what was found to its neighbours, when all of them are there; the sum of all at the
        end, before that None."""
        for level, width in enumerate(self.widths[:-1]):
            group = place // FAN
            held = self.held.setdefault((level, group), {})
            held[place] = found
            if len(held) < min(FAN, width - group * FAN):
                return None
            found = self.add.remote(*map(held.get, sorted(held)))
            place = group
            del self.held[level, group]
        return found


def _count(sent: Sequence[Any], folder: str, shard: Shard) -> tuple[Done, Seen]:
    with suppress(OSError):  # paths are those of the driver
        os.chdir(folder)
    return count_shard(_fetched(sent[0]), shard)


class _Gpu:
    """An actor that holds a GPU."""

    def count(self, sent: Sequence[Any], folder: str, shard: Shard) -> tuple[Done, Seen]:
        return _count(sent, folder, shard)


@functools.lru_cache(maxsize=1)
def _fetched(sent: Any) -> Job:
    """The job, whose source has then read what it knows of its files: once for each worker."""
    return require("ray").get(sent)  # type: ignore[no-any-return]


def _add(*found: Done) -> Done:
    return functools.reduce(lambda a, b: a + b, found)


@contextmanager
def _translated(library: Any, shard: Shard | None = None) -> Iterator[None]:
    """Errors of tasks as what was raised there, and those of Ray as ours."""
    errors = library.exceptions
    try:
        yield
    except errors.RayTaskError as error:
        if isinstance(error.cause, AssayError):
            raise error.cause from None
        raise
    except errors.RayError as error:
        what = f"shard {shard}: " if shard else ""
        raise ProgramError(
            f"{what}Ray gave up: {str(error).strip().splitlines()[0]} Where a worker was out of "
            "memory, use fewer workers; with --work-dir the same command goes on from here"
        ) from error


@contextmanager
def connected(address: str | None = None) -> Iterator[None]:
    """The cluster of ray(), for all that is counted in the block; only one that was started here is
    stopped."""
    library = require("ray")
    if library.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    own: dict[str, Any] = {}
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # they are ours to tell
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {"num_cpus": thread_count(), "include_dashboard": False}
    try:
        library.init(address or "local", logging_level=logging.ERROR, log_to_driver=False, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        told = str(error).strip().splitlines()[0]
        if address is None:
            raise ProgramError(f"Ray does not start on this machine: {told}") from error
        raise InputError(
            f"--ray-address: no Ray cluster at {address!r}: {told}; is it running, and is its "
            "token, if it has one, in RAY_AUTH_TOKEN? Without an address one is started here"
        ) from error
    try:
        yield
    finally:
        library.shutdown()
