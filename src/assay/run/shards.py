"""Big inputs, read and counted by several threads at once, results in the order of the rows.

Every thread takes turns: it decodes one batch of a part, gives the part back, and counts the
batch. So a file of one part still keeps two threads busy (one decodes while another counts), many
parts keep all of them busy, and no more than one batch a thread is in memory.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from assay.core.protocols import Batch, Part, Source
from assay.core.threads import thread_count, worker_thread

__all__ = ["Counted", "scan"]

T = TypeVar("T")


class Counted(NamedTuple, Generic[T]):
    """What `count` returned for some rows. consumed: bytes of the part read so far."""

    result: T
    part: Part
    consumed: int


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
    """What the threads share, guarded by one condition."""

    def __init__(self, source: Source, count: Callable[[Any], T], threads: int) -> None:
        self.count = count
        self.readers = [_Reader(source, part) for part in source.parts()]
        self.idle = self.readers[::-1]  # not being decoded, the earliest part last
        self.unfinished = len(self.readers)
        self.threads = threads  # still at work
        self.answers: dict[tuple[int, int], Counted[T] | _Failed | _End] = {}  # by part and turn
        self.stop = False
        self.changed = threading.Condition()

    def work(self) -> None:
        worker_thread()
        while (reader := self.take()) is not None:
            place = (reader.part.index, reader.turn)
            try:
                batch = reader.next()
                self.give_back(reader, ended=batch is None)
                if batch is None:
                    self.tell(place, _End())
                else:
                    self.tell(place, Counted(self.count(batch.rows), reader.part, batch.consumed))
            except BaseException as error:  # raised where the caller is, see results()
                self.tell(place, _Failed(error))
        with self.changed:
            self.threads -= 1
            self.changed.notify_all()

    def take(self) -> _Reader | None:
        """The earliest part that no thread is decoding; None when there is nothing left to do."""
        with self.changed:
            self.changed.wait_for(lambda: self.stop or self.idle or not self.unfinished)
            return self.idle.pop() if self.idle and not self.stop else None

    def give_back(self, reader: _Reader, ended: bool) -> None:
        with self.changed:
            if ended:
                self.unfinished -= 1
            else:
                reader.turn += 1
                self.idle.append(reader)
                self.idle.sort(key=lambda reader: -reader.part.index)
            self.changed.notify_all()

    def tell(self, place: tuple[int, int], answer: Counted[T] | _Failed | _End) -> None:
        with self.changed:
            self.answers[place] = answer
            self.stop = self.stop or isinstance(answer, _Failed)
            self.changed.notify_all()

    def results(self) -> Iterator[Counted[T]]:
        for reader in self.readers:
            turn = 0
            while isinstance(answer := self.answer((reader.part.index, turn)), Counted):
                yield answer
                turn += 1
            if isinstance(answer, _Failed):
                raise answer.error

    def answer(self, place: tuple[int, int]) -> Counted[T] | _Failed | _End:
        with self.changed:
            self.changed.wait_for(lambda: place in self.answers or not self.threads)
            if place in self.answers:
                return self.answers.pop(place)
            # Work stopped before this batch came, for an error further on.
            failed = [a for _, a in sorted(self.answers.items()) if isinstance(a, _Failed)]
            return failed[0]

    def end(self) -> None:
        with self.changed:
            self.stop = True
            self.changed.notify_all()


def scan(source: Source, count: Callable[[Any], T]) -> Iterator[Counted[T]]:
    """count(rows) for every batch of the source, in the order of its rows.

    Decoding and counting go on in other threads while the caller looks at results. The first
    error that is met ends the scan and is raised here, after the results before it.
    """
    size = thread_count()
    shared = _Scan(source, count, size)
    threads = [threading.Thread(target=shared.work, daemon=True) for _ in range(size)]
    for thread in threads:
        thread.start()
    try:
        yield from shared.results()
    finally:
        shared.end()
        for thread in threads:
            thread.join()
