"""What tests of run.scan share: sources that read nothing. A batch is its place, and `sleep` says
how long the reading of it takes."""

import threading
from typing import NamedTuple

from assay.core.protocols import Batch, Part
from assay.run import shards

ROWS = 3


class Boom(Exception):
    pass


class Place(NamedTuple):
    """Stands for the rows of a batch."""

    part: int
    turn: int

    @property
    def num_rows(self):
        return ROWS


class Fake:
    """A source of parts with so many batches each; reading fails at `broken` places."""

    def __init__(self, sizes, broken=(), sleep=lambda place: None):
        self.sizes, self.broken, self.sleep = sizes, set(broken), sleep
        self.read, self.closed = [], []
        self.busy = [threading.Lock() for _ in sizes]

    def parts(self):
        return [Part(i, f"part-{i}", size=100) for i in range(len(self.sizes))]

    def batches(self, part):
        try:
            for turn in range(self.sizes[part.index] + 1):
                assert self.busy[part.index].acquire(blocking=False), "two threads in one part"
                try:
                    place = Place(part.index, turn)
                    self.sleep(place)
                    if place in self.broken:
                        raise Boom(place)
                finally:
                    self.busy[part.index].release()
                if turn < self.sizes[part.index]:
                    self.read.append(place)
                    yield Batch(place, turn * ROWS, 10 * (turn + 1), str)
        finally:
            self.closed.append(part.index)

    def places(self):
        return [Place(i, t) for i, size in enumerate(self.sizes) for t in range(size)]


def threads_of_scans():
    return [t for t in threading.enumerate() if t.name.startswith(shards.THREADS)]
