"""Numba kernel that finds the k best gallery rows of each query, block by block.

A row that the product cannot rule out is scored canonically and offered to the k best. `floor` is a
key that k rows reach for certain: those found so far, or, in the first block, the k-th largest of
the lower bounds.
"""

import numpy as np

from assay.ops import _intrinsics, _similarity_pack, _similarity_simd
from assay.ops._intrinsics import lowest, popcount
from assay.ops._similarity_pack import pack_panel
from assay.ops._similarity_simd import (
    ALL,
    CROWD,
    EXACT,
    FLOAT,
    PARTS,
    PATIENCE,
    ROWS,
    TERMS,
    WHOLE,
    WIDTH,
    bounds,
    keys_of,
    may_reach,
    tile,
)
from assay.ops.jit import inlined, kernel, twin

BUILT_FROM = (_intrinsics, _similarity_pack, _similarity_simd)

_0 = np.uint64(0)
_1 = np.uint64(1)


@inlined
def worse(key, index, other, other_index):
    return key < other or (key == other and index > other_index)


@inlined
def offer(keys, index, i, filled, k, key, item):
    """Put an item into the k best of query i, a heap with the worst on top."""
    if filled[i] == k:
        if not worse(keys[i, 0], index[i, 0], key, item):
            return
        at = 0
        while True:
            child = 2 * at + 1
            if child >= k:
                break
            if child + 1 < k and worse(
                keys[i, child + 1], index[i, child + 1], keys[i, child], index[i, child]
            ):
                child += 1
            if not worse(keys[i, child], index[i, child], key, item):
                break
            keys[i, at] = keys[i, child]
            index[i, at] = index[i, child]
            at = child
    else:
        at = filled[i]
        filled[i] += 1
        while at > 0:
            parent = (at - 1) >> 1
            if not worse(key, item, keys[i, parent], index[i, parent]):
                break
            keys[i, at] = keys[i, parent]
            index[i, at] = index[i, parent]
            at = parent
    keys[i, at] = key
    index[i, at] = item


@inlined
def kth_largest(values, n, k):
    """The k-th largest of values[:n], which are reordered (quickselect)."""
    low = 0
    high = n - 1
    wanted = k - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        i = low
        j = high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if wanted <= j:
            high = j
        elif wanted >= i:
            low = i
        else:
            break
    return values[wanted]


@inlined
def down(value):
    """float32 not above a float64."""
    return np.float32(value - abs(value) * 2.0**-22)


@kernel
def topk_block_32(
    x, x_norms, nq, y, y_norms, n, first, d, metric, mode,
    q_floats, q_words, q_float_terms, q_whole_terms, q_shifts,
    g_words, g_whole, g_floats, g_float, crowded,
    k, keys, index, filled, floor,
):  # fmt: skip
    """Offer gallery rows first .. first + n to the k best of each query.

    keys, index [nq, k] and filled [nq] are heaps; floor [nq] is a key that k rows reach for
    certain, and may be raised by other threads meanwhile.
    """
    starts, lanes, sums = np.empty(4, np.int64), np.empty(32), np.empty(4)
    rows = np.arange(n)
    found_keys = np.empty(n)
    if mode == EXACT:
        for i in range(nq):
            keys_of(
                x, i, x_norms[i], y, rows, n, y_norms, d, metric, found_keys, starts, lanes, sums
            )
            for j in range(n):
                offer(keys, index, i, filled, k, found_keys[j], first + j)
        return
    panels = (n + WIDTH - 1) // WIDTH
    steps = (d + 3) // 4
    row = np.empty(d, np.float32)
    wholes = np.empty(ROWS * WIDTH, np.int32)
    products = np.empty(ROWS * WIDTH, np.float32)
    upper = np.empty(WIDTH, np.float32)
    lower = np.empty(WIDTH, np.float32)
    item = np.empty((ROWS, n), np.int32)
    most = np.empty((ROWS, n), np.float32)
    least = np.empty((ROWS, n), np.float32)
    found = np.empty(ROWS, np.int64)
    values = np.empty(k + n, np.float64)
    packed = np.zeros(panels, np.uint8)
    none = np.int32(0)
    for group in range((nq + ROWS - 1) // ROWS):
        count = min(ROWS, nq - group * ROWS)
        found[:] = 0
        way = mode
        if way == WHOLE and crowded[group] > 0:
            crowded[group] -= 1
            way = FLOAT
        for p in range(panels):
            valid = ALL if (p + 1) * WIDTH <= n else (_1 << np.uint64(n - p * WIDTH)) - _1
            if way == WHOLE:
                tile(q_words, group * steps * ROWS, g_words, p * steps * WIDTH, steps, wholes)
            else:
                if packed[p] == 0:
                    pack_panel(y, p, n, d, metric, y_norms, row, g_floats, g_float)
                    packed[p] = 1
                tile(q_floats, group * d * ROWS, g_floats, p * d * WIDTH, d, products)
            crowd = 0
            for r in range(count):
                i = group * ROWS + r
                if way == WHOLE:
                    bounds(
                        wholes, r * WIDTH, g_whole, p * PARTS * WIDTH, q_shifts[i],
                        q_whole_terms, i * TERMS, upper, lower,
                    )  # fmt: skip
                else:
                    bounds(
                        products, r * WIDTH, g_float, p * PARTS * WIDTH, none,
                        q_float_terms, i * TERMS, upper, lower,
                    )  # fmt: skip
                bits = may_reach(upper, down(floor[i]), 0) & valid
                if filled[i] == k:
                    crowd += popcount(bits)
                at = found[r]
                while bits != _0:
                    lane = lowest(bits)
                    bits &= bits - _1
                    item[r, at] = p * WIDTH + lane
                    most[r, at] = upper[lane]
                    least[r, at] = lower[lane]
                    at += 1
                found[r] = at
            if way == WHOLE and crowd > CROWD:
                crowded[group] = PATIENCE
                way = FLOAT
        for r in range(count):
            i = group * ROWS + r
            had = found[r]
            if had > 2 * k and filled[i] + had >= k:
                for c in range(filled[i]):
                    values[c] = keys[i, c]
                for c in range(had):
                    bound = np.float64(least[r, c])
                    values[filled[i] + c] = bound if bound == bound else -np.inf
                floor[i] = max(floor[i], kth_largest(values, filled[i] + had, k))
            limit = down(floor[i])
            some = 0
            for c in range(had):
                rows[some] = item[r, c]
                some += most[r, c] >= limit or most[r, c] != most[r, c]
            keys_of(
                x, i, x_norms[i], y, rows, some, y_norms, d, metric, found_keys, starts, lanes, sums
            )
            for c in range(some):
                offer(keys, index, i, filled, k, found_keys[c], first + rows[c])
            if filled[i] == k:
                floor[i] = max(floor[i], keys[i, 0])


topk_block_64 = twin(topk_block_32, "topk_block_64")
