"""Where relevant rows stand among a gallery, counted on the CPU block by block."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.ragged import Ragged
from assay.core.threads import parallel
from assay.ops import _similarity_count as counting
from assay.ops._similarity_scan import (
    BATCH,
    METRICS,
    Batch,
    Room,
    batches,
    kernel_for,
    norms_of,
    over_blocks,
    threads_for,
)
from assay.ops._similarity_simd import COSINE, WIDTH
from assay.ops.rankings import order_of_pairs
from assay.ops.vectors import Floats, Vectors

__all__ = ["pair_keys", "ranks"]

Ints = npt.NDArray[np.int64]


class Targets(NamedTuple):
    """Pairs in order of their home (a query, or a gallery row), then of their key, upwards.

    offsets [homes + 1], others [p] (gallery rows, or queries), keys [p], pairs [p]: which pair of
    the caller's stands here; lows and highs [p]: float32 at most and at least the key.
    """

    offsets: Ints
    others: Ints
    keys: npt.NDArray[np.float64]
    pairs: Ints
    lows: npt.NDArray[np.float32]
    highs: npt.NDArray[np.float32]

    @property
    def laid(self) -> tuple[Any, ...]:
        """What a kernel is told of each, in its order."""
        return self.keys, self.lows, self.highs, self.pairs, self.others

    @classmethod
    def of(cls, homes: Ints, others: Ints, keys: npt.NDArray[np.float64], n: int) -> "Targets":
        """Pairs whose home is not in 0..n - 1 are left out."""
        order = order_of_pairs(homes, others, keys)
        order = order[(homes[order] >= 0) & (homes[order] < n)]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(homes[order], minlength=n))])
        keys = keys[order]
        room = np.abs(keys) * 2.0**-22
        with np.errstate(over="ignore"):
            lows, highs = (keys - room).astype(np.float32), (keys + room).astype(np.float32)
        return cls(offsets, others[order], keys, order, lows, highs)


def pair_keys(
    query: Vectors, gallery: Vectors, rows: Ints, items: Ints, name: str
) -> npt.NDArray[np.float64]:
    """The canonical key of query rows[p] and gallery row items[p]."""
    metric = METRICS[name]
    kind = max(query.float, gallery.float)
    keys = np.empty(len(rows))
    most = max(1, (16 << 20) // (8 * query.d))
    step = max(1, min(most, -(-len(rows) // threads_for(query, gallery))))

    def some(start: int) -> None:
        chosen = slice(start, start + step)
        used, place = np.unique(rows[chosen], return_inverse=True)
        x, y = query.take(used, kind), gallery.take(items[chosen], kind)

        def norms() -> tuple[Floats, Floats]:
            x_norms = norms_of(x, used, query.what, metric)
            return x_norms, norms_of(y, items[chosen], gallery.what, metric)

        x_norms, y_norms = norms() if metric == COSINE else (np.zeros(len(x)), np.zeros(len(y)))
        kernel_for(counting, "pair_keys", x)(
            x.reshape(-1), x_norms, place, y.reshape(-1), y_norms, query.d, metric, keys[chosen]
        )
        if not np.isfinite(keys[chosen]).all():
            norms()  # refuses rows of NaN

    for _ in parallel(some, range(0, len(rows), step)):
        pass
    return keys


def _count(
    batch: Batch, metric: int, own: Any, skipped: Any, q_groups: Ints, g_groups: Ints,
    slots: Callable[[int, int], Any], back: Ints,
    state: Any, start: int, y: Floats, norms: Any, room: Room,
) -> None:  # fmt: skip
    kernel_for(counting, "count_block", y)(
        batch.x.reshape(-1), batch.norms, len(batch.x), batch.first,
        y.reshape(-1), norms, len(y), start, y.shape[1], metric, batch.way,
        *batch.packed, *room.packed, *own, *state, *skipped,
        q_groups, g_groups[start : start + len(y)], *slots(start, len(y)), *back,
    )  # fmt: skip


def ranks(
    query: Vectors,
    gallery: Vectors,
    rows: Ints,
    items: Ints,
    keys: npt.NDArray[np.float64],
    skip: Ragged,
    groups: tuple[Ints, Ints] | None,
    reverse: bool,
    name: str,
    precision: str | None = None,
) -> tuple[Ints, Ints]:
    """For pairs of query rows[p] and gallery row items[p] with their keys, int64 [3, p]: how many
    gallery rows are better, equal and before it, equal and behind it; the same for the queries of
    each row. What stands in `skip`, or is of one group, is not counted."""
    metric = METRICS[name]
    kind = max(query.float, gallery.float)
    targets = Targets.of(rows, items, keys, query.n)
    slots = partial(_slots, Targets.of(items, rows, keys, gallery.n) if reverse else None)
    forth, back = np.zeros((2, 3, len(rows)), np.int64)
    q_groups, g_groups = groups or (np.zeros(0, np.int64),) * 2
    threads = threads_for(query, gallery)
    for batch in batches(query, kind, metric, precision, BATCH):
        begin, end = batch.first, batch.first + len(batch.x)
        own = slice(int(targets.offsets[begin]), int(targets.offsets[end]))
        offsets = targets.offsets[begin : end + 1] - own.start
        known = (
            offsets, targets.keys[own], targets.lows[own], targets.highs[own], targets.others[own],
        )  # fmt: skip
        skipped = skip.offsets[begin : end + 1], skip.values
        mine = q_groups[begin:end]
        n = own.stop - own.start
        states = [
            (*np.zeros((3, n), np.int64), np.zeros(n + len(batch.x), np.int64))
            for _ in range(threads)
        ]
        visit = partial(_count, batch, metric, known, skipped, mine, g_groups, slots, back)
        over_blocks(gallery, batch, metric, visit, states)
        for *counts, beaten in states:
            forth[:, targets.pairs[own]] += counts
            forth[0, targets.pairs[own]] += _beaten(beaten, offsets)
    return forth, back


def _beaten(beaten: Ints, offsets: Ints) -> Ints:
    """How many rows beat each target, from how many beat exactly the first s of its query."""
    if not beaten.any():
        return np.zeros(int(offsets[-1]), np.int64)
    upwards = np.cumsum(beaten)
    homes = np.arange(len(offsets) - 1)
    home = np.repeat(homes, np.diff(offsets))
    last = upwards[offsets[1:] + homes]  # where the numbers of a query end
    return np.asarray(last[home] - upwards[np.arange(len(home)) + home], np.int64)


def _slots(reverse: Targets | None, start: int, n: int) -> tuple[Any, ...]:
    """The reverse targets of a block, in slots of WIDTH lanes: the s-th of each row in slot s of
    its panel."""
    panels = -(-n // WIDTH)
    counts = np.zeros(panels * WIDTH, np.int64)
    if reverse is not None:
        ends = reverse.offsets[start : start + n + 1]
        counts[:n] = np.diff(ends)
    offsets = np.concatenate([[0], np.cumsum(counts.reshape(panels, WIDTH).max(axis=1))])
    keys = np.full(int(offsets[-1]) * WIDTH, np.inf)
    lows, highs = np.full((2, len(keys)), np.inf, np.float32)
    pairs, queries = np.full((2, len(keys)), -1, np.int64)
    if reverse is not None:
        row = np.repeat(np.arange(n), counts[:n])
        chosen = np.arange(int(ends[0]), int(ends[-1]))
        at = (offsets[row // WIDTH] + chosen - ends[row]) * WIDTH + row % WIDTH
        columns: tuple[Any, ...] = (keys, lows, highs, pairs, queries)
        for laid, values in zip(columns, reverse.laid, strict=True):
            laid[at] = values[chosen]
    return offsets, keys, lows, highs, pairs, queries
