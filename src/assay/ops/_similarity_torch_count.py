"""Rank counting of torch tensors: launcher of the Triton kernel, and plain torch.

A pair's score s lies within e of its canonical value (`_similarity_torch` says why). With t the
canonical value of a relevant pair, s - e > t decides "above" and s + e < t "below"; what lies
between is scored canonically. Relevant and skipped pairs are left out by index.

The kernel gives up rows whose undecided scores found no room, or whose error has no bound. The
plain path counts them again: a float64 product, which leaves almost nothing undecided.
"""

from typing import Any, NamedTuple

import torch

from assay.core.errors import InputError
from assay.ops._similarity_launch import MARK
from assay.ops._similarity_torch import (
    BLOCK,
    Side,
    blocks,
    canonical,
    gamma,
    prepare,
    product,
    row_errors,
    sample,
    turned,
    unverified,
    with_bounds,
)

__all__ = ["Counts", "Tally", "count_device"]

ROWS = 2048  # queries of a launch; a multiple of MARK
ROOM = 1 << 23  # undecided scores of a launch
MOST = 32  # thresholds of a row that the kernel loops over; plain torch searches in more
# No threshold lies beyond: so -inf stays below all, and each plus an infinite error is infinite.
FARTHEST = {torch.float32: 2.0**126, torch.float64: 2.0**1022}


class Tally(NamedTuple):
    """How many others stand above each target, or at its score before or after it: int64 [p]."""

    above: torch.Tensor
    equal_before: torch.Tensor
    equal_after: torch.Tensor


class Counts(NamedTuple):
    """Canonical scores of the relevant pairs, float64 [p], and counts from both sides."""

    targets: torch.Tensor
    forward: Tally
    backward: Tally | None


class Skips(NamedTuple):
    """Pairs that no count sees, sorted by row, then column."""

    rows: torch.Tensor  # int64 [s]
    columns: torch.Tensor  # int32 [s]
    offsets: torch.Tensor  # int32 [q + 1]
    marked: torch.Tensor  # int8 [cells of q, cells of g]: cells that hold one
    steps: int  # that a search in a row takes

    def at(self, first: int) -> "Skips":
        return self._replace(offsets=self.offsets[first:], marked=self.marked[first // MARK :])


class Found(NamedTuple):
    pairs: torch.Tensor  # int32 [room, 2]
    used: torch.Tensor  # int64 [1]: may exceed room


class Vectors(NamedTuple):
    """What count_kernel reads and writes of one side; see there."""

    low: torch.Tensor
    high: torch.Tensor
    above: torch.Tensor
    lost: torch.Tensor

    def at(self, first: int) -> "Vectors":
        return Vectors(
            self.low[:, first:], self.high[:, first:], self.above[:, first:], self.lost[first:]
        )


class Thresholds(NamedTuple):
    """Targets of the rows of one side, sorted by row, then value; n rows, p targets."""

    order: torch.Tensor  # int64 [p]: the pair that each is of
    row: torch.Tensor  # int64 [p]
    value: torch.Tensor  # float64 [p], larger is better
    own: torch.Tensor  # int64 [p]: the other side's index of the pair
    offsets: torch.Tensor  # int64 [n + 1]
    most: int  # in one row

    @property
    def slot(self) -> torch.Tensor:
        """Which of its row each is."""
        place = torch.arange(len(self.row), device=self.row.device)
        return place - self.offsets[self.row]


class Sums:
    """Counts of sorted thresholds, while they are collected."""

    def __init__(self, thresholds: Thresholds) -> None:
        self.of = thresholds
        p, device = len(thresholds.row), thresholds.row.device
        self.above = torch.zeros(p, dtype=torch.int64, device=device)
        self.before = torch.zeros_like(self.above)
        self.after = torch.zeros_like(self.above)
        self.steps = torch.zeros(p + 1, dtype=torch.int64, device=device)

    def meet(self, rows: torch.Tensor, others: torch.Tensor, value: torch.Tensor) -> None:
        """Compare canonical values of pairs with all thresholds of their rows."""
        if not len(self.of.row):
            return
        for first, last in blocks(len(rows), BLOCK // 4):
            self._meet(rows[first:last], others[first:last], value[first:last])

    def _meet(self, rows: torch.Tensor, others: torch.Tensor, value: torch.Tensor) -> None:
        begin, end = self.of.offsets[rows], self.of.offsets[rows + 1]
        lower = _search(self.of.value, begin, end, value, self.of.most, right=False)
        upper = _search(self.of.value, lower, end, value, self.of.most, right=True)
        # one more for each threshold of begin..lower, summed up by settle()
        one = torch.ones_like(begin)
        self.steps.index_add_(0, begin, one)
        self.steps.index_add_(0, lower, -one)
        equal = upper - lower
        tied = equal.nonzero()[:, 0]
        for first, last in blocks(len(tied), max(1, BLOCK // 4 // max(1, self.of.most))):
            some = tied[first:last]
            pair = some.repeat_interleave(equal[some])
            ends = equal[some].cumsum(0)
            step = torch.arange(len(pair), device=pair.device)
            place = lower[pair] + step - (ends - equal[some]).repeat_interleave(equal[some])
            before = (others[pair] < self.of.own[place]).long()
            self.before.index_add_(0, place, before)
            self.after.index_add_(0, place, 1 - before)

    def settle(self) -> None:
        self.above += self.steps.cumsum(0)[:-1]
        self.steps.zero_()

    def forget(self, rows: torch.Tensor) -> None:
        """Set the counts of chosen rows (bool [n]) back to nothing."""
        keep = (~rows[self.of.row]).long()
        for counts in (self.above, self.before, self.after):
            counts *= keep

    def tally(self) -> Tally:
        """In the order of the pairs."""
        out = []
        for counts in (self.above, self.before, self.after):
            out.append(torch.empty_like(counts))
            out[-1][self.of.order] = counts
        return Tally(*out)


def _search(
    values: torch.Tensor, begin: torch.Tensor, end: torch.Tensor, wanted: torch.Tensor,
    most: int, *, right: bool,
) -> torch.Tensor:  # fmt: skip
    """Where each wanted value belongs in its own sorted stretch begin..end of values."""
    last = len(values) - 1
    for _ in range(most.bit_length()):
        middle = (begin + end) // 2
        here = values[middle.clamp(max=last)]
        go = (begin < end) & ((here <= wanted) if right else (here < wanted))
        end = torch.where(go, end, torch.maximum(begin, middle))
        begin = torch.where(go, middle + 1, begin)
    return begin


def _thresholds(rows: torch.Tensor, own: torch.Tensor, value: torch.Tensor, n: int) -> Thresholds:
    order = value.sort(stable=True).indices
    order = order[rows[order].sort(stable=True).indices]
    count = torch.bincount(rows, minlength=n)
    offsets = torch.nn.functional.pad(count.cumsum(0), (1, 0))
    most = int(count.max()) if n else 0
    return Thresholds(order, rows[order], value[order], own[order], offsets, most)


def _clamped(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return value.clamp(-FARTHEST[dtype], FARTHEST[dtype]).to(dtype)


def _vectors(thresholds: Thresholds, n: int) -> Vectors:
    """float32 thresholds for the kernel, wider than the float64 ones by more than its rounding."""
    shape = (thresholds.most or 1, n + 512)
    device = thresholds.row.device
    at = (thresholds.slot, thresholds.row)
    wide = thresholds.value.abs() * 2.0**-22
    ends = []
    for value in (thresholds.value - wide, thresholds.value + wide):
        ends.append(torch.full(shape, torch.nan, device=device))
        ends[-1][at] = _clamped(value, torch.float32)
    above = torch.zeros(shape, dtype=torch.int32, device=device)
    return Vectors(ends[0], ends[1], above, torch.zeros(shape[1], dtype=torch.int32, device=device))


def _skips(rows: torch.Tensor, cols: torch.Tensor, n_q: int, n_g: int) -> Skips:
    key = torch.unique(rows * n_g + cols) if n_g else rows[:0]
    rows, cols = (key // n_g, key % n_g) if n_g else (key, key)
    count = torch.bincount(rows, minlength=n_q)
    offsets = torch.nn.functional.pad(count.cumsum(0), (1, 0)).int()
    cells = (-(-n_q // MARK), -(-n_g // MARK))
    marked = torch.zeros(cells, dtype=torch.int8, device=rows.device)
    marked[rows // MARK, cols // MARK] = 1
    return Skips(rows, cols.int(), offsets, marked, int(count.max()).bit_length() if n_q else 0)


def count_device(
    query: torch.Tensor, gallery: torch.Tensor, offsets: torch.Tensor, index: torch.Tensor,
    targets: torch.Tensor | None = None, metric: str = "dot", *,
    skip: tuple[torch.Tensor, torch.Tensor] | None = None, reverse: bool = False,
    gallery_offset: int = 0, verify: int = 0, backend: str | None = None,
) -> Counts:  # fmt: skip
    """For each relevant pair, how many other gallery rows stand above it or at its score.

    query [q, d], gallery [g, d]: one dtype and device. offsets int64 [q + 1] and index int64 [p]:
    the relevant gallery rows of each query. targets float64 [p]: their canonical scores, computed
    if None. skip: further rows that no count of that query sees, as offsets and index. reverse:
    also how many other queries stand above, among those that have the gallery row neither as
    relevant nor as skipped. gallery_offset is taken off all indices; those outside of this gallery
    need targets. `verify` queries, evenly spaced, are counted again without a bound.
    InputError on a bad argument; AssayError if verification fails.
    """
    q_side, g_side, number, kernels = prepare("count_ranks", query, gallery, metric, backend)
    n_q, n_g = len(query), len(gallery)
    rows, cols = _flat(offsets, index, n_q, gallery_offset)
    here = (cols >= 0) & (cols < n_g)
    whole = bool(here.all())
    if targets is None:
        if not whole:
            at = int((~here).nonzero()[0, 0])
            raise InputError(
                f"count_ranks: relevant index must be in {gallery_offset}.."
                f"{gallery_offset + n_g - 1}, got {int(index[at])} at position {at}; "
                "a part of a gallery needs the targets of all pairs"
            )
        targets = canonical(q_side, g_side, rows, cols, number, kernels)
    value = turned(targets, number)

    near_rows, near_cols = (rows, cols) if whole else (rows[here], cols[here])
    skip_rows, skip_cols = near_rows, near_cols
    if skip is not None:
        more_rows, more_cols = _flat(*skip, n_q, gallery_offset)
        inside = (more_cols >= 0) & (more_cols < n_g)
        skip_rows = torch.cat([near_rows, more_rows[inside]])
        skip_cols = torch.cat([near_cols, more_cols[inside]])
    skips = _skips(skip_rows, skip_cols, n_q, n_g)

    forward = Sums(_thresholds(rows, cols, value, n_q))
    backward = None
    if reverse:
        backward = Sums(_thresholds(near_cols, near_rows, value if whole else value[here], n_g))
    sides = [forward] if backward is None else [forward, backward]
    if kernels is not None and max(sums.of.most for sums in sides) <= MOST:
        lost = _count_fast(q_side, g_side, forward, backward, skips, number, kernels)
        compute = torch.float64
    else:
        lost = [sums.of.offsets.diff() > 0 for sums in sides]
        compute = torch.float32
    hidden = (skips.rows, skips.columns.long())
    for sums, rows_lost in zip(sides, lost, strict=True):
        a, b, pairs = q_side, g_side, hidden
        if sums is backward:
            a, b, pairs = g_side, q_side, hidden[::-1]
        _count_plain(a, b, sums, rows_lost.nonzero()[:, 0], pairs, number, kernels, compute)

    if verify:
        again = Sums(forward.of)
        chosen = torch.tensor(sample(n_q, verify), device=query.device)
        _count_plain(q_side, g_side, again, chosen, hidden, number, None, None)
        found = torch.zeros(n_q, dtype=torch.bool, device=query.device)
        found[chosen] = True
        differs = found[forward.of.row] & (
            (again.above != forward.above)
            | (again.before != forward.before)
            | (again.after != forward.after)
        )
        if differs.any():
            raise unverified("count_ranks", int(forward.of.row[differs][0]), query)
    done = None if backward is None else backward.tally()
    if done is not None and not whole:
        spread = [torch.zeros(len(here), dtype=torch.int64, device=here.device) for _ in done]
        for full, part in zip(spread, done, strict=True):
            full[here] = part
        done = Tally(*spread)
    return Counts(targets, forward.tally(), done)


def _flat(
    offsets: torch.Tensor, index: torch.Tensor, n: int, first: int
) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.arange(n, device=index.device).repeat_interleave(offsets.diff())
    return rows, index - first


def _count_fast(
    query: Side, gallery: Side, forward: Sums, backward: Sums | None, skips: Skips,
    metric: int, kernels: Any,
) -> list[torch.Tensor]:  # fmt: skip
    """Counts by the kernel. Rows of each side, bool [n], that it has lost stay without counts."""
    n_q, n_g, device = len(query.values), len(gallery.values), query.values.device
    vectors = _vectors(forward.of, n_q)
    columns = None if backward is None else _vectors(backward.of, n_g)
    found = Found(
        torch.empty((ROOM, 2), dtype=torch.int32, device=device),
        torch.zeros(1, dtype=torch.int64, device=device),
    )
    for first, last in blocks(n_q, ROWS):
        if not n_g:
            break
        rows = query.rows(first, last)
        found.pairs.fill_(-1)
        found.used.zero_()
        kernels.count_tiles(
            rows.values, gallery.values, rows, gallery, vectors.at(first), columns,
            skips.at(first), found, metric,
        )  # fmt: skip
        pairs = found.pairs[: min(int(found.used), ROOM)]  # one wait for the device
        pairs = pairs[pairs[:, 0] >= 0].long()
        row, col = pairs[:, 0] + first, pairs[:, 1]
        value = turned(canonical(query, gallery, row, col, metric, kernels), metric)
        forward.meet(row, col, value)
        if backward is not None:
            backward.meet(col, row, value)
    lost = []
    for sums, side, n in ((forward, vectors, n_q), (backward, columns, n_g)):
        if sums is None or side is None:
            continue
        sums.settle()
        sums.above += side.above[sums.of.slot, sums.of.row]
        lost.append((side.lost[:n] > 0) & (sums.of.offsets.diff() > 0))
        sums.forget(lost[-1])
    return lost


def _count_plain(
    query: Side, gallery: Side, sums: Sums, chosen: torch.Tensor,
    skips: tuple[torch.Tensor, torch.Tensor], metric: int, kernels: Any,
    compute: torch.dtype | None,
) -> None:  # fmt: skip
    """Add the counts of chosen rows by products of this precision; None: without a bound."""
    if not len(chosen) or not sums.of.most:
        return
    bound = float("inf")
    if compute is not None:
        bound = gamma(query.values, None, compute)
    compute = compute or torch.float64
    query, gallery = (with_bounds(side, metric, bound, compute) for side in (query, gallery))
    place = torch.full((len(query.values),), -1, device=chosen.device)
    size = max(1, min(512, BLOCK // sums.of.most))
    for first, last in blocks(len(chosen), size):
        rows = chosen[first:last]
        place.fill_(-1)
        place[rows] = torch.arange(len(rows), device=rows.device)
        part = query.take(rows)
        mine = place[sums.of.row] >= 0
        at = (place[sums.of.row[mine]], sums.of.slot[mine])
        shape = (len(rows), sums.of.most)
        value = sums.of.value[mine]
        wide = value.abs() * (2.0**-22 if compute == torch.float32 else 2.0**-50)
        ends = []
        for end in (value - wide, value + wide):
            ends.append(torch.full(shape, torch.inf, dtype=compute, device=rows.device))
            ends[-1][at] = _clamped(end, compute)
        missing = torch.ones(shape, dtype=torch.bool, device=rows.device)
        missing[at] = False
        above = torch.zeros((len(rows), sums.of.most + 1), dtype=torch.int64, device=rows.device)
        skipped = place[skips[0]] >= 0
        skip_row, skip_col = place[skips[0][skipped]], skips[1][skipped]
        for start, stop in blocks(len(gallery.values), max(1, BLOCK // 2 // len(rows))):
            some = gallery.rows(start, stop)
            error = row_errors(part, some)[:, None]
            error = torch.where(error < torch.inf, error, torch.inf)
            lowest = torch.where(missing, torch.inf, ends[0] - error)
            s = product(part, some, metric, compute)
            # thresholds that s is surely above, and those that it may be above
            sure = torch.searchsorted(ends[1] + error, s)
            maybe = torch.searchsorted(lowest, s, right=True)
            hidden = torch.zeros_like(s, dtype=torch.bool)
            inside = (skip_col >= start) & (skip_col < stop)
            hidden[skip_row[inside], skip_col[inside] - start] = True
            open_ = (maybe > sure) & ~hidden
            sure.masked_fill_(open_ | hidden, 0)
            above.scatter_add_(1, sure, torch.ones_like(sure))
            row, col = open_.nonzero(as_tuple=True)
            for low, high in blocks(len(row), BLOCK):
                r, c = rows[row[low:high]], col[low:high] + start
                sums.meet(r, c, turned(canonical(query, gallery, r, c, metric, kernels), metric))
        # a score surely above n thresholds is above the first n
        above = above.flip(1).cumsum(1).flip(1)[:, 1:]
        sums.above[mine] += above[at]
    sums.settle()
