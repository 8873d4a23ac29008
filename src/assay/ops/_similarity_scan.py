"""Queries against a gallery on the CPU, a block of gallery rows at a time, on all threads.

Each thread takes the next block, packs it in its own cache and compares it with every query of the
batch: the gallery is read once a batch, and nothing of the size queries x gallery ever exists.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.threads import parallel, thread_count
from assay.ops import _similarity_pack as packing
from assay.ops import _similarity_top as top
from assay.ops._similarity_simd import (
    COSINE,
    DOT,
    EXACT,
    FLOAT,
    INT8,
    INT8_MAX_WIDTH,
    L2,
    PARTS,
    ROWS,
    TERMS,
    WHOLE,
    WIDTH,
)
from assay.ops.vectors import Floats, Vectors

__all__ = [
    "BATCH",
    "METRICS",
    "Batch",
    "Room",
    "batches",
    "kernel_for",
    "norms_of",
    "over_blocks",
    "threads_for",
    "topk",
]

Ints = npt.NDArray[np.int64]

METRICS = {"dot": DOT, "cosine": COSINE, "l2": L2}
WAYS = {"exact": EXACT, "float32": FLOAT, "int8": WHOLE}

BLOCK_BYTES = 1 << 18  # of packed integers; with the rows themselves what a core's cache holds
MOST_ROWS = 4096
BATCH = 4096  # queries at once, and
BATCH_BYTES = 64 << 20  # about as much room for what is kept of them
FEW = 4  # queries up to which packing the gallery costs more than scoring it
WORTH = 24  # queries from which packing integers pays
SMALL_WORK = 1 << 20  # multiplications that are not worth a second thread


def way_for(nq: int, d: int, asked: str | None) -> int:
    """How the product is taken: as asked, else what pays."""
    if asked is not None:
        if asked not in WAYS:
            raise InputError(f"precision must be one of {', '.join(WAYS)}, got {asked!r}")
        if asked == "int8" and not (INT8 and d <= INT8_MAX_WIDTH):
            raise InputError("precision int8 needs AVX-512 VNNI and vectors of up to 65,536")
        return WAYS[asked]
    if nq <= FEW:
        return EXACT
    return WHOLE if INT8 and d <= INT8_MAX_WIDTH and nq >= WORTH else FLOAT


def kernel_for(module: Any, name: str, rows: Floats) -> Any:
    return getattr(module, f"{name}_{rows.dtype.itemsize * 8}")


def norms_of(
    rows: Floats, numbers: Sequence[int] | Ints, what: str, metric: int
) -> npt.NDArray[np.float64]:
    """The canonical norm of each row; refuses rows that cannot be scored, by their numbers."""
    norms = np.empty(len(rows))
    bad = int(kernel_for(packing, "norms", rows)(rows.reshape(-1), *rows.shape, norms))
    if bad >= 0:
        if np.isfinite(rows[bad]).all():
            raise InputError(f"{what}[{numbers[bad]}]: its norm is beyond float64; scale it down")
        raise InputError(f"{what}[{numbers[bad]}] holds NaN or infinity; drop it or mend it")
    if metric == COSINE and not norms.all():
        row = numbers[int(np.argmin(norms != 0))]
        raise InputError(f"{what}[{row}] has norm 0, and no cosine; drop it, or use dot")
    return norms


class Batch(NamedTuple):
    """Queries, packed."""

    first: int
    x: Floats
    norms: npt.NDArray[np.float64]
    way: int
    packed: tuple[Any, ...]  # floats, words, their terms, shifts

    @classmethod
    def of(cls, query: Vectors, start: int, stop: int, kind: Any, metric: int, way: int) -> "Batch":
        x = query.block(start, stop, kind)
        norms = norms_of(x, range(start, stop), query.what, metric)
        n, d = x.shape
        groups, steps = -(-n // ROWS), -(-d // 4)
        floats = np.zeros(groups * d * ROWS if way else 0, np.float32)
        words = np.zeros(groups * steps * ROWS if way == WHOLE else 0, np.int32)
        terms = np.zeros((2, n * TERMS), np.float32)
        shifts = np.zeros(n, np.int32)
        if way:
            kernel_for(packing, "pack_queries", x)(
                x.reshape(-1), n, d, metric, norms, floats, words, *terms, shifts
            )
        return cls(start, x, norms, way, (floats, words, *terms, shifts))


class Room:
    """What one thread packs blocks of gallery rows into."""

    def __init__(self, rows: int, d: int, groups: int, metric: int, way: int) -> None:
        panels, steps = -(-rows // WIDTH), -(-d // 4)
        self.metric, self.way = metric, way
        self.words = np.zeros(panels * steps * WIDTH if way == WHOLE else 0, np.int32)
        self.whole = np.zeros(panels * PARTS * WIDTH, np.float32)
        self.floats = np.empty(panels * d * WIDTH if way else 0, np.float32)
        self.float = np.zeros(panels * PARTS * WIDTH, np.float32)
        self.crowded = np.zeros(groups, np.int64)

    def fill(self, y: Floats, first: int, what: str) -> npt.NDArray[np.float64]:
        norms = norms_of(y, range(first, first + len(y)), what, self.metric)
        if self.way == WHOLE:
            kernel_for(packing, "pack_words", y)(
                y.reshape(-1), *y.shape, self.metric, norms, self.words, self.whole
            )
        return norms

    @property
    def packed(self) -> tuple[Any, ...]:
        return self.words, self.whole, self.floats, self.float, self.crowded


class _Turns:
    """Starts of blocks, each given to one thread."""

    def __init__(self, n: int, rows: int) -> None:
        self._starts, self._lock = iter(range(0, n, rows)), Lock()

    def __iter__(self) -> Iterator[int]:
        while True:
            with self._lock:
                start = next(self._starts, None)
            if start is None:
                return
            yield start


def block_rows(n: int, d: int, threads: int) -> int:
    """Gallery rows of a block: what fits in cache, but some blocks for every thread."""
    fits = min(MOST_ROWS, BLOCK_BYTES // d)
    fair = -(-n // (4 * threads))
    return max(4, min(fits, fair) // WIDTH) * WIDTH


def over_blocks(
    gallery: Vectors, batch: Batch, metric: int, visit: Callable[..., None], states: list[Any]
) -> None:
    """visit(state, start, y, norms, room) for every block, one state for each thread."""
    rows = block_rows(gallery.n, gallery.d, len(states))
    turns = _Turns(gallery.n, rows)

    def work(state: Any) -> None:
        room = Room(rows, gallery.d, -(-len(batch.x) // ROWS), metric, batch.way)
        for start in turns:
            y = gallery.block(start, min(start + rows, gallery.n), batch.x.dtype)
            visit(state, start, y, room.fill(y, start, gallery.what), room)

    for _ in parallel(work, states):
        pass


def threads_for(query: Vectors, gallery: Vectors) -> int:
    return 1 if query.n * gallery.n * query.d < SMALL_WORK else thread_count()


def batches(
    query: Vectors, kind: Any, metric: int, precision: str | None, size: int
) -> Iterator[Batch]:
    for start in range(0, query.n, size):
        stop = min(start + size, query.n)
        yield Batch.of(query, start, stop, kind, metric, way_for(stop - start, query.d, precision))


# -- the k best ------------------------------------------------------------------------------------


def _offer(
    batch: Batch, metric: int, k: int, floor: Any,
    state: Any, start: int, y: Floats, norms: Any, room: Room,
) -> None:  # fmt: skip
    kernel_for(top, "topk_block", y)(
        batch.x.reshape(-1), batch.norms, len(batch.x), y.reshape(-1), norms, len(y), start,
        y.shape[1], metric, batch.way, *batch.packed, *room.packed, k, *state, floor,
    )  # fmt: skip


def topk(
    query: Vectors, gallery: Vectors, k: int, name: str, precision: str | None = None
) -> tuple[npt.NDArray[np.float64], Ints]:
    """Keys float64 [q, k] and gallery rows int64 [q, k], best first, ties to the lower row."""
    metric = METRICS[name]
    kind = max(query.float, gallery.float)
    keys, index = np.empty((query.n, k)), np.empty((query.n, k), np.int64)
    threads = threads_for(query, gallery)
    size = max(ROWS, min(BATCH, BATCH_BYTES // (16 * k * threads)))
    for batch in batches(query, kind, metric, precision, size):
        n = len(batch.x)
        floor = np.full(n, -np.inf)  # one for all threads: any of them may raise it

        states = [
            (np.full((n, k), -np.inf), np.full((n, k), -1), np.zeros(n, np.int64))
            for _ in range(threads)
        ]
        visit = partial(_offer, batch, metric, k, floor)
        over_blocks(gallery, batch, metric, visit, states)
        found = np.concatenate([state[0] for state in states], axis=1)
        rows = np.concatenate([state[1] for state in states], axis=1)
        found[rows < 0] = -np.inf
        last = np.where(rows < 0, gallery.n, rows)
        order = np.lexsort((last, -found), axis=1)[:, :k]
        chosen = slice(batch.first, batch.first + n)
        keys[chosen] = np.take_along_axis(found, order, 1)
        index[chosen] = np.take_along_axis(rows, order, 1)
    return keys, index
