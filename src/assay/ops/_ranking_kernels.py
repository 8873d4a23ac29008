"""Kernels of `rankings.py`: runs of queries, where judged items stand, sums over tied positions."""

import numpy as np
import numpy.typing as npt

from assay.ops import _intrinsics
from assay.ops._intrinsics import above_64, keep, pointer, popcount
from assay.ops.jit import inlined, kernel

BUILT_FROM = (_intrinsics,)

__all__ = ["discounts", "exponential", "first_repeat", "locate", "order_within", "place"]
__all__ += ["starts_of", "tied_first", "tied_sums"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FEW_JUDGED = 12  # judged items of a ranking, each compared with every row; else rows are looked up
SMALL = 64  # numbers that are sorted by counting, and looked up in one comparison


@kernel
def starts_of(query: Ints, starts: Ints) -> int:
    """First row of each run of equal queries; how many there are, -1 where they descend."""
    found = 0
    for i in range(query.size):
        if i == 0 or query[i] != query[i - 1]:
            if i and query[i] < query[i - 1]:
                return -1
            if found < starts.size:
                starts[found] = i
            found += 1
    return found


@kernel
def locate(
    items: Ints, starts: Ints, stops: Ints, size: int, judged: Ints, bounds: Ints,
    first: int, last: int, rows: Ints,
) -> int:  # fmt: skip
    # What an earlier query left in a slot is a row before this one's first.
    slot = np.full(size, -1, np.int64)
    twice = -1
    for q in range(first, last):
        start = starts[q]
        for i in range(start, stops[q]):
            if slot[items[i]] >= start and twice < 0:
                twice = i
            slot[items[i]] = i
        for j in range(bounds[q], bounds[q + 1]):
            row = slot[judged[j]]
            rows[j] = row if row >= start and row < stops[q] else -1
        if stops[q] > start and q + 1 < last and starts[q + 1] < stops[q]:
            slot[:] = -1  # rankings that do not follow each other
    return twice


@kernel
def place(
    scores: Floats, keys: Ints, flip: int, starts: Ints, stops: Ints,
    judged_scores: Floats, judged_keys: Ints, bounds: Ints, unwanted: npt.NDArray[np.bool_],
    first: int, last: int, above: Ints, before: Ints, after: Ints, worse: Ints,
) -> int:  # fmt: skip
    nan = -1
    for q in range(first, last):
        start, stop = starts[q], stops[q]
        row = _first_nan(scores[start:stop])
        if row >= 0 and nan < 0:
            nan = start + row
        order = np.empty(bounds[q + 1] - bounds[q], np.int64)
        n = 0
        for j in range(bounds[q], bounds[q + 1]):
            if judged_scores[j] == judged_scores[j]:
                order[n] = j
                n += 1
        _sort(judged_scores, judged_keys, order, n)
        if n <= FEW_JUDGED:
            _compare(
                scores[start:stop], keys[start:stop], flip, start, judged_scores, judged_keys,
                order[:n], above, before, after,
            )  # fmt: skip
        else:
            _look_up(
                scores[start:stop], keys[start:stop], flip, start, judged_scores, judged_keys,
                order[:n], above, before, after,
            )  # fmt: skip
        bad = 0
        for k in range(n):
            worse[order[k]] = bad
            bad += unwanted[order[k]]
    return nan


@kernel
def order_within(scores: Floats, keys: Ints, bounds: Ints, order: Ints) -> None:
    for q in range(bounds.size - 1):
        own = order[bounds[q] : bounds[q + 1]]
        for i in range(own.size):
            own[i] = bounds[q] + i
        _sort(scores, keys, own, own.size)


@kernel
def first_repeat(values: Ints, bounds: Ints) -> int:
    most = 0
    for q in range(bounds.size - 1):
        most = max(most, bounds[q + 1] - bounds[q])
    size = 4
    while size < 2 * most:
        size *= 2
    slot = np.full(size, -1, np.int64)
    for q in range(bounds.size - 1):
        for i in range(bounds[q], bounds[q + 1]):
            at = ((values[i] * -7046029254386353131) >> 20) & (size - 1)
            # What earlier rows left there is before this one's first.
            while slot[at] >= bounds[q]:
                if values[slot[at]] == values[i]:
                    return i
                at = (at + 1) & (size - 1)
            slot[at] = i
    return -1


@inlined
def _first_nan(scores: Floats) -> int:
    found = 0
    for i in range(scores.size):
        found += scores[i] != scores[i]
    if found:
        for i in range(scores.size):
            if scores[i] != scores[i]:
                return i
    return -1


@inlined
def _sort(scores: Floats, keys: Ints, order: Ints, n: int) -> None:
    """Score descending, then key ascending."""
    if n <= SMALL:
        _count_sort(scores, keys, order, n)
    else:
        _heap_sort(scores, keys, order, n)


@inlined
def _count_sort(scores: Floats, keys: Ints, order: Ints, n: int) -> None:
    """Each to the place that as many stand before it: no branch to be guessed."""
    at, key = np.empty(n), np.empty(n, np.int64)
    own = np.empty(n, np.int64)
    for i in range(n):
        own[i] = order[i]
        at[i], key[i] = scores[own[i]], keys[own[i]]
    for i in range(n):
        score, mine = at[i], key[i]
        place = 0
        for j in range(n):
            higher = at[j] > score
            equal = at[j] == score
            first = (key[j] < mine) | ((key[j] == mine) & (j < i))
            place += higher | (equal & first)
        order[place] = own[i]


@inlined
def _heap_sort(scores: Floats, keys: Ints, order: Ints, n: int) -> None:
    build, size = n // 2, n
    while size > 1:
        if build > 0:
            build -= 1
            top = order[build]
        else:
            size -= 1
            top = order[size]
            order[size] = order[0]
        node = build
        while 2 * node + 1 < size:
            child = 2 * node + 1
            a = order[child]
            if child + 1 < size:
                b = order[child + 1]
                if scores[b] < scores[a] or (scores[b] == scores[a] and keys[b] > keys[a]):
                    child += 1
                    a = b
            if scores[a] < scores[top] or (scores[a] == scores[top] and keys[a] > keys[top]):
                order[node] = a
                node = child
            else:
                break
        order[node] = top


@inlined
def _compare(
    scores: Floats, keys: Ints, flip: int, start: int, judged_scores: Floats, judged_keys: Ints,
    order: Ints, above: Ints, before: Ints, after: Ints,
) -> None:  # fmt: skip
    """Every row against every judged item: for few of them, in vectors."""
    for j in order:
        score = judged_scores[j]
        higher, equal = 0, 0
        for i in range(scores.size):
            higher += scores[i] > score
            equal += scores[i] == score
        front = 0
        if equal > 1:
            for i in range(scores.size):
                if scores[i] == score:
                    front += (keys[i] ^ flip if keys.size else start + i) < judged_keys[j]
        above[j] = higher
        before[j] = front
        after[j] = equal - 1 - front


@inlined
def _look_up(
    scores: Floats, keys: Ints, flip: int, start: int, judged_scores: Floats, judged_keys: Ints,
    order: Ints, above: Ints, before: Ints, after: Ints,
) -> None:  # fmt: skip
    """Every row looked up among the judged items in order; running sums give the counts."""
    n = order.size
    at = np.full(n + 1, np.nan)
    near = np.full(SMALL, np.float32(np.nan))  # as float32, which keeps the order but for ties
    for k in range(n):
        at[k] = judged_scores[order[k]]
        if n <= SMALL:
            near[k] = at[k]
    end = np.empty(n + 1, np.int64)  # where those of one score end
    end[n] = n
    for k in range(n - 1, -1, -1):
        end[k] = end[k + 1] if at[k + 1] == at[k] else k + 1
    higher = np.zeros(n + 1, np.int64)
    tied = np.zeros(n + 1, np.int64)
    for i in range(scores.size):
        low = _higher(at, near, n, scores[i])
        equal = at[low] == scores[i]
        tied[low] += equal
        higher[end[low] if equal else low] += 1
    preceding = np.zeros(n + 1, np.int64)
    others = False  # do unjudged rows have the score of a judged one?
    for k in range(n):
        others |= tied[k] > end[k] - k
        if tied[k]:
            for slot in range(k + 1, end[k]):
                preceding[slot] = 1
    if others:
        preceding[:] = 0
        for i in range(scores.size):
            low = _higher(at, near, n, scores[i])
            if at[low] == scores[i]:
                key = keys[i] ^ flip if keys.size else start + i
                slot, stop = low, end[low]
                while slot < stop:
                    middle = (slot + stop) >> 1
                    if judged_keys[order[middle]] <= key:
                        slot = middle + 1
                    else:
                        stop = middle
                if slot < end[low]:
                    preceding[slot] += 1
    rows, front, group = 0, 0, 0
    for k in range(n):
        if k == 0 or at[k] != at[k - 1]:
            group, front = k, 0
        rows += higher[k]
        front += preceding[k]
        above[order[k]] = rows
        before[order[k]] = front
        after[order[k]] = tied[group] - 1 - front  # it is a row itself
    keep(near)


@inlined
def _higher(at: Floats, near: npt.NDArray[np.float32], n: int, score: float) -> int:
    """How many of n falling numbers are higher. near: the same as float32, for up to SMALL."""
    if n <= SMALL:
        low = int(popcount(above_64(pointer(near, 0), np.float32(score))))
        while at[low] > score:
            low += 1
        return low
    low, left = 0, n
    while left > 0:
        half = (left + 1) >> 1
        low += half if at[low + half - 1] > score else 0
        left -= half
    return low


# Compiled, so that a number gives the same digits wherever it stands in an array.


@kernel
def tied_sums(start: Ints, size: Ints, out: Floats) -> None:
    for g in range(start.size):
        plain, weighted, discount = 0.0, 0.0, 0.0
        for i in range(1, size[g] + 1):
            position = float(start[g] + i)
            plain += 1.0 / position
            weighted += (i - 1.0) / position
            discount += 1.0 / np.log2(position + 1.0)
        out[0, g] = plain
        out[1, g] = weighted
        out[2, g] = discount


@kernel
def tied_first(start: Ints, size: Ints, marked: Ints, within: Ints, out: Floats) -> None:
    for g in range(start.size):
        n, r = float(size[g]), float(marked[g])
        none_yet, total = 1.0, 0.0
        for i in range(min(within[g], size[g] - marked[g] + 1)):
            chance = none_yet * r / (n - i)
            total += chance / (start[g] + i + 1.0)
            none_yet -= chance
        out[g] = total


@kernel
def discounts(rank: Ints, out: Floats) -> None:
    for i in range(rank.size):
        out[i] = 1.0 / np.log2(rank[i] + 1.0)


@kernel
def exponential(gain: Floats, out: Floats) -> None:
    for i in range(gain.size):
        out[i] = 2.0 ** gain[i] - 1.0
