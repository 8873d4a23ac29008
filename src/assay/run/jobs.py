"""A count over a source, cut into shards that any engine may count in any order.

    cut(parts, n)                 the parts of a source as n shards
    engine(job, shards, watch)    counts each shard, and yields what it found as a Done
    Done + Done                   of both, in order

An engine knows nothing of metrics, of files that keep what is done, or of printing. `local` is the
one of this process: all its threads read and count batches of the shards in order, so memory is
bounded by a few batches and the sums. Decoding and most counting leave Python's lock alone; where
counting does not there is `processes` of process_engine.py, and for many machines `ray` of
ray_engine.py.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from assay.core.errors import InputError
from assay.core.protocols import Part, Source
from assay.run.frequencies import Frequencies, Key
from assay.run.items import ItemFile
from assay.run.shards import Ended, scan_parts
from assay.run.totals import Adder, Total

__all__ = ["Answer", "Done", "Engine", "Job", "LeftOut", "Shard", "Watch", "cut", "local"]


class Shard(NamedTuple):
    """Parts start:stop of a source; number `number` (from 1) of `of`. last: where it spans several,
    the number of the last one."""

    number: int
    of: int
    start: int
    stop: int
    last: int = 0

    @property
    def width(self) -> int:
        """How many shards these are."""
        return (self.last or self.number) - self.number + 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}" + (f" to {self.last}/{self.of}" if self.last else "")


class Answer(NamedTuple):
    """What a count function gives for a batch. written: arguments of ItemFile.write; errors: how
    often each (what, reference, hypothesis) occurs."""

    total: Total
    written: tuple[Any, ...] | None = None
    errors: Mapping[Key, int] | None = None


class LeftOut(NamedTuple):
    """The rest of a part that could not be read or counted. items: of it that were counted before;
    rows: of the whole part, if known."""

    part: str
    error: str
    items: int
    rows: int | None


@dataclass(frozen=True)
class Job:
    """What is counted. It can be sent to another process: the source opens its files there, count
    is a (partial of a) function of a module.

    skip: leave out the rest of a part where an error comes up. items: the per-item file. folder:
    every shard is kept by itself, and items is the folder of one file for each. definitions: see
    ItemFile.
    """

    source: Source
    count: Callable[[Any], Answer]
    skip: bool = False
    items: str | None = None
    folder: bool = False
    definitions: Mapping[str, Any] | None = None
    gpu: bool = False

    def item_file(self, shard: Shard) -> str | None:
        """Where the items of a shard are written to."""
        if self.items is None or not self.folder:
            return self.items
        return f"{self.items}/{shard.number:05d}-of-{shard.of:05d}.parquet"


@dataclass(frozen=True)
class Done:
    """What was counted of a shard, or of several that follow each other."""

    shard: Shard
    total: Total
    errors: Frequencies
    left_out: tuple[LeftOut, ...] = ()

    def __add__(self, later: "Done") -> "Done":
        """Of both; the errors of `later` are added to those of self, in place."""
        ours, theirs = self.shard, later.shard
        if ours.of != theirs.of or (ours.last or ours.number) >= theirs.number:
            raise InputError(f"shards {ours} and {theirs} do not follow each other; add in order")
        shard = ours._replace(stop=theirs.stop, last=theirs.last or theirs.number)
        self.errors.add(later.errors.rows())
        total = self.total + later.total
        return Done(shard, total, self.errors, self.left_out + later.left_out)


Watch = Callable[[Part, int, Total], None]  # the part, bytes of it read so far, what is new
Engine = Callable[[Job, Sequence[Shard], Watch], Iterator[Done]]


def cut(parts: Sequence[Part], of: int) -> list[Shard]:
    """The parts as `of` shards of about equal bytes; some are empty where there are fewer parts.

    The same for the same parts, whoever asks.

    >>> parts = [Part(i, "", size=size) for i, size in enumerate([10, 10, 10, 30])]
    >>> [(shard.start, shard.stop) for shard in cut(parts, 2)]
    [(0, 3), (3, 4)]
    """
    if not 1 <= of <= 1_000_000:
        raise InputError(f"cut: there must be 1 to 1,000,000 shards, got {of}")
    sizes = [part.size or part.rows or 1 for part in parts]
    total, before, at, ends = max(1, sum(sizes)), 0, 0, []
    for number in range(1, of + 1):
        # a part belongs to the shard in which its middle lies
        while at < len(parts) and (2 * before + sizes[at]) * of <= 2 * total * number:
            before += sizes[at]
            at += 1
        ends.append(at)
    ends[-1] = len(parts)
    starts = [0, *ends[:-1]]
    return [
        Shard(number, of, start, stop)
        for number, (start, stop) in enumerate(zip(starts, ends, strict=True), 1)
    ]


def unwatched(part: Part, consumed: int, fresh: Total) -> None:
    """Nobody looks."""


def local(job: Job, shards: Sequence[Shard], watch: Watch = unwatched) -> Iterator[Done]:
    """All threads of this process count the shards, in order."""
    shards = sorted(shards)
    parts = job.source.parts()
    wanted = [part for shard in shards for part in parts[shard.start : shard.stop]]
    with closing(scan_parts(job.source, wanted, job.count, job.skip)) as found:
        for shard in shards:
            with ItemFile.maybe(job.item_file(shard)) as items:
                done = _counted(job, shard, found, items, watch)
                if not job.folder:
                    yield done  # where the caller refuses it, there is no per-item file
            if job.folder:
                yield done


def _counted(
    job: Job, shard: Shard, found: Iterator[Any], items: ItemFile | None, watch: Watch
) -> Done:
    """The next parts of what was found, as many as the shard has."""
    adder, errors, left_out = Adder(), Frequencies(), []
    counted = 0
    if items is not None:
        items.definitions = job.definitions or {}
    ends = shard.stop - shard.start
    while ends:
        one = next(found)
        if isinstance(one, Ended):
            ends -= 1
            if one.error is not None:
                left_out.append(LeftOut(one.part.name, str(one.error), counted, one.part.rows))
            counted = 0
            continue
        total, written, wrong = one.result
        if items is not None:
            items.write(*written)
        if wrong:
            errors.add(wrong)
        adder.add(total)
        counted += total.items
        watch(one.part, one.consumed, total)
    if items is not None:
        items.end(str(shard) if job.folder or shard.of > 1 else None, bool(left_out))
        items.close()  # what may fail, before anything is made of the counts
    return Done(shard, adder.total(), errors, tuple(left_out))
