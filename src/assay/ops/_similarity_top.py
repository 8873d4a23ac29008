"""Numba kernel that finds the k best gallery rows of each query, block by block.

A row that the product cannot rule out is scored canonically and offered to the k best. `floor` is a
key that k rows reach for certain: those found so far, or, in the first block, the k-th largest of
the lower bounds.
"""

import numpy as np

from assay.ops import _intrinsics, _similarity_pack, _similarity_simd
from assay.ops._intrinsics import keep, lowest, pointer, popcount
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
def offer(keys, index, filled, k, key, item):
    """Put an item into the k best, a heap with the worst on top. Returns how many there are."""
    if filled == k:
        if not worse(keys[0], index[0], key, item):
            return k
        at = 0
        while True:
            child = 2 * at + 1
            if child >= k:
                break
            if child + 1 < k and worse(
                keys[child + 1], index[child + 1], keys[child], index[child]
            ):
                child += 1
            if not worse(keys[child], index[child], key, item):
                break
            keys[at] = keys[child]
            index[at] = index[child]
            at = child
    else:
        at = filled
        filled += 1
        while at > 0:
            parent = (at - 1) >> 1
            if not worse(key, item, keys[parent], index[parent]):
                break
            keys[at] = keys[parent]
            index[at] = index[parent]
            at = parent
    keys[at] = key
    index[at] = item
    return filled


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
    panels = (n + WIDTH - 1) // WIDTH
    steps = (d + 3) // 4
    all_rows = np.arange(n)
    all_keys = np.empty(n)
    wides = np.empty(32 + 4)
    places = np.empty(4, np.int64)
    vectors, rows_of_y, norms_of_y = pointer(x, 0), pointer(y, 0), pointer(y_norms, 0)
    rows, found_keys = pointer(all_rows, 0), pointer(all_keys, 0)
    starts, lanes, sums = pointer(places, 0), pointer(wides, 0), pointer(wides, 32)
    if mode == EXACT:
        for i in range(nq):
            keys_of(
                vectors, i, x_norms[i], rows_of_y, rows, n, norms_of_y, d, metric, found_keys,
                starts, lanes, sums,
            )  # fmt: skip
            for j in range(n):
                filled[i] = offer(
                    pointer(keys, i * k), pointer(index, i * k), filled[i], k,
                    found_keys[j], first + j,
                )  # fmt: skip
        keep((all_rows, all_keys, wides, places))
        return
    all_wholes = np.empty(ROWS * WIDTH, np.int32)
    floats = np.empty(d + (ROWS + 2) * WIDTH, np.float32)
    item = np.empty((ROWS, n), np.int32)
    most = np.empty((ROWS, n), np.float32)
    least = np.empty((ROWS, n), np.float32)
    found = np.empty(ROWS, np.int64)
    values = np.empty(k + n, np.float64)
    packed = np.zeros(panels, np.uint8)
    none = np.int32(0)
    wholes = pointer(all_wholes, 0)
    upper, lower, products, row = (
        pointer(floats, 0), pointer(floats, WIDTH), pointer(floats, 2 * WIDTH),
        pointer(floats, (ROWS + 2) * WIDTH),
    )  # fmt: skip
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
                tile(
                    pointer(q_words, group * steps * ROWS), pointer(g_words, p * steps * WIDTH),
                    steps, wholes,
                )  # fmt: skip
            else:
                if packed[p] == 0:
                    pack_panel(
                        rows_of_y, p, n, d, metric, norms_of_y, row,
                        pointer(g_floats, 0), pointer(g_float, 0),
                    )  # fmt: skip
                    packed[p] = 1
                tile(
                    pointer(q_floats, group * d * ROWS), pointer(g_floats, p * d * WIDTH),
                    d, products,
                )  # fmt: skip
            crowd = 0
            for r in range(count):
                i = group * ROWS + r
                if way == WHOLE:
                    bounds(
                        pointer(all_wholes, r * WIDTH), pointer(g_whole, p * PARTS * WIDTH),
                        q_shifts[i], pointer(q_whole_terms, i * TERMS), upper, lower,
                    )  # fmt: skip
                else:
                    bounds(
                        pointer(floats, (2 + r) * WIDTH), pointer(g_float, p * PARTS * WIDTH),
                        none, pointer(q_float_terms, i * TERMS), upper, lower,
                    )  # fmt: skip
                bits = may_reach(upper, down(floor[i])) & valid
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
                reached = kth_largest(pointer(values, 0), filled[i] + had, k)
                floor[i] = max(floor[i], reached)
            limit = down(floor[i])
            some = 0
            for c in range(had):
                rows[some] = item[r, c]
                some += most[r, c] >= limit or most[r, c] != most[r, c]
            keys_of(
                vectors, i, x_norms[i], rows_of_y, rows, some, norms_of_y, d, metric, found_keys,
                starts, lanes, sums,
            )  # fmt: skip
            for c in range(some):
                filled[i] = offer(
                    pointer(keys, i * k), pointer(index, i * k), filled[i], k,
                    found_keys[c], first + rows[c],
                )  # fmt: skip
            if filled[i] == k:
                floor[i] = max(floor[i], keys[i, 0])
    keep((all_rows, all_keys, wides, places, all_wholes, floats, values))


topk_block_64 = twin(topk_block_32, "topk_block_64")
