"""Big inputs, read and counted by several threads at once, results in the order of the rows.

Every thread takes turns: it decodes one batch of a part, gives the part back, and counts the
batch. So a file of one part still keeps two threads busy (one decodes while another counts), and
many parts keep all of them busy. No more than one batch a thread is in memory, and a few results
a thread: whoever is so far ahead of the caller waits.
"""

import threading
import time
from bisect import insort
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Generic, NamedTuple, TypeVar

from assay.core.errors import DataError, InputError
from assay.core.protocols import Batch, Part, Source
from assay.core.threads import thread_count, worker_thread

__all__ = ["Counted", "Ended", "scan", "scan_parts"]

T = TypeVar("T")

AHEAD = 2  # results for each thread that may wait for the caller
PATIENCE_S = 1.0  # how long a scan that ends early waits for a read that may hang
THREADS = "assay-scan"  # what they are called


class Counted(NamedTuple, Generic[T]):
    """What `count` returned for some rows. consumed: bytes of the part read so far."""

    result: T
    part: Part
    consumed: int


class Ended(NamedTuple):
    """Stands behind the last batch of a part. error: what kept the rest of it from being counted,
    where that is to be left out."""

    part: Part
    error: DataError | None = None


class _Failed(NamedTuple):
    error: BaseException


class _End(NamedTuple):
    """Stands behind the last batch of a part."""


class _Reader:
    """A part being read; turn is the number of its next batch."""

    def __init__(self, source: Source, part: Part) -> None:
        self.source, self.part, self.turn = source, part, 0
        self.batches: Iterator[Batch] | None = None

    def next(self) -> Batch | None:
        if self.batches is None:
            self.batches = iter(self.source.batches(self.part))
        return next(self.batches, None)


class _Scan(Generic[T]):
    """What the threads share, guarded by one condition. A place is (index of the part, turn)."""

    def __init__(
        self, source: Source, parts: Sequence[Part], count: Callable[[Any], T], threads: int
    ) -> None:
        self.count, self.threads = count, threads
        self.readers = [_Reader(source, part) for part in parts]
        self.idle = self.readers[::-1]  # not being decoded, the earliest part last
        self.answers: dict[tuple[int, int], Counted[T] | _Failed | _End] = {}
        self.left: set[int] = set()  # parts whose rest is left out
        self.wanted = (0, 0)  # the place the caller comes to next
        self.stop = False
        self.changed = threading.Condition()

    def work(self) -> None:
        worker_thread()
        while (reader := self.take()) is not None:
            place = (reader.part.index, reader.turn)
            try:
                batch = reader.next()
                if batch is None:
                    self.tell(place, _End())
                    continue
                self.give_back(reader)
                result = self.counted(reader.part, batch)
                self.tell(place, Counted(result, reader.part, batch.consumed))
                del batch, result  # not to be held while this thread waits
            except BaseException as error:  # raised where the caller is, see results()
                self.tell(place, _Failed(error))

    def counted(self, part: Part, batch: Batch) -> T:
        try:
            return self.count(batch.rows)
        except DataError:
            raise
        except InputError as error:  # it knows the rows, but not where they come from
            if error.row is not None:
                raise DataError(f"{batch.where(error.row)}: {error.about}") from error
            first = batch.first_row + 1
            last = batch.first_row + batch.rows.num_rows
            raise DataError(f"{part.name}: rows {first} to {last}: {error}") from error

    def take(self) -> _Reader | None:
        """The earliest part that no thread is decoding; None when the caller has had enough."""
        with self.changed:
            self.changed.wait_for(lambda: self.stop or self.may_read())
            return None if self.stop else self.idle.pop()

    def may_read(self) -> bool:
        """Is there a part to read, and room for what comes of it? There always is for the one
        that the caller waits for."""
        if not self.idle or len(self.answers) < AHEAD * self.threads:
            return bool(self.idle)
        index, turn = self.wanted
        reader = self.idle[-1]
        return reader.part.index == index and reader.turn < turn + self.threads

    def give_back(self, reader: _Reader) -> None:
        with self.changed:
            reader.turn += 1
            if reader.part.index not in self.left:
                insort(self.idle, reader, key=lambda reader: -reader.part.index)
            self.changed.notify_all()

    def tell(self, place: tuple[int, int], answer: Counted[T] | _Failed | _End) -> None:
        with self.changed:
            if place[0] not in self.left:
                self.answers[place] = answer
            self.changed.notify_all()

    def results(self, skip: bool) -> Iterator[Counted[T] | Ended]:
        for reader in self.readers:
            turn = 0
            while isinstance(answer := self.answer((reader.part.index, turn)), Counted):
                yield answer
                turn += 1
            error = answer.error if isinstance(answer, _Failed) else None
            if error is not None:
                if not skip or not isinstance(error, DataError):
                    raise error
                self.leave(reader.part.index)
            yield Ended(reader.part, error)

    def leave(self, index: int) -> None:
        """Leave out the rest of a part, of which more may be counted by now."""
        with self.changed:
            self.left.add(index)
            self.idle = [reader for reader in self.idle if reader.part.index != index]
            self.answers = {at: own for at, own in self.answers.items() if at[0] != index}
            self.changed.notify_all()

    def answer(self, place: tuple[int, int]) -> Counted[T] | _Failed | _End:
        with self.changed:
            self.wanted = place
            self.changed.notify_all()
            self.changed.wait_for(lambda: place in self.answers)
            return self.answers.pop(place)

    def end(self) -> None:
        with self.changed:
            self.stop = True
            self.changed.notify_all()


def scan(source: Source, count: Callable[[Any], T]) -> Iterator[Counted[T]]:
    """count(rows) for every batch of the source, in the order of its rows.

    Decoding and counting go on in other threads while the caller looks at results. An error is
    raised at its place: after all results before it, the same for any number of threads. What
    `count` refuses as an InputError becomes a DataError that names the part and its rows.
    """
    with closing(scan_parts(source, source.parts(), count)) as found:
        yield from (one for one in found if isinstance(one, Counted))


def scan_parts(
    source: Source, parts: Sequence[Part], count: Callable[[Any], T], skip: bool = False
) -> Generator[Counted[T] | Ended, None, None]:
    """The same of some parts in order, with an Ended behind each.

    skip: where a DataError comes up, what was counted before it stays, and the rest of the part is
    left out: its Ended has the error.
    """
    size = thread_count()
    shared = _Scan(source, parts, count, size)
    threads = [
        threading.Thread(target=shared.work, name=f"{THREADS}-{i}", daemon=True)
        for i in range(size)
    ]
    for thread in threads:
        thread.start()
    try:
        yield from shared.results(skip)
    finally:
        shared.end()
        deadline = time.monotonic() + PATIENCE_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
