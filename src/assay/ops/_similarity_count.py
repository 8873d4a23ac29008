"""Numba kernel that counts, block by block, the gallery rows that stand above each target.

A target is a relevant pair and its canonical key. Rows that the product puts above or below a
target for certain are only counted; the others are scored canonically. Rows to skip (relevant
ones, which the caller ranks among themselves, and excluded ones) are left out by their number, so
that no target ever meets itself. The other direction, queries that stand above a target of a
gallery row, is counted from the same products.
"""

import numpy as np

from assay.ops import _intrinsics, _similarity_pack, _similarity_simd
from assay.ops._intrinsics import keep, lowest, pointer, popcount
from assay.ops._similarity_pack import pack_panel
from assay.ops._similarity_simd import (
    ALL,
    CROWD,
    FLOAT,
    PARTS,
    PATIENCE,
    ROWS,
    TERMS,
    WHOLE,
    WIDTH,
    add_bits,
    bounds,
    is_above,
    is_above_each,
    keys_of,
    may_reach,
    may_reach_each,
    tile,
)
from assay.ops.jit import inlined, kernel, twin

BUILT_FROM = (_intrinsics, _similarity_pack, _similarity_simd)

SEARCH = 8  # more targets of a query are searched, not compared one by one

_0 = np.uint64(0)
_1 = np.uint64(1)


@inlined
def first_not_below(values, start, stop, bound):
    """The first place of sorted values[start:stop] with a value >= bound."""
    while start < stop:
        middle = (start + stop) >> 1
        if values[middle] < bound:
            start = middle + 1
        else:
            stop = middle
    return start


@inlined
def first_above(values, start, stop, bound):
    """The first place of sorted values[start:stop] with a value > bound, or bound is no number."""
    while start < stop:
        middle = (start + stop) >> 1
        if values[middle] > bound:
            stop = middle
        else:
            start = middle + 1
    return start


@inlined
def meet(key, place, target, target_place, p, above, before, after):
    """Count one row against target p: better, equal and before it, or equal and behind it."""
    if key > target:
        above[p] += 1
    elif key == target:
        if place < target_place:
            before[p] += 1
        else:
            after[p] += 1


@kernel
def count_block_32(
    x, x_norms, nq, q_first, y, y_norms, n, first, d, metric, mode,
    q_floats, q_words, q_float_terms, q_whole_terms, q_shifts,
    g_words, g_whole, g_floats, g_float, crowded,
    offsets, keys, lows, highs, items, above, before, after, beaten,
    skip_offsets, skips, q_groups, g_groups,
    r_offsets, r_keys, r_lows, r_highs, r_pairs, r_queries, r_above, r_before, r_after,
):  # fmt: skip
    """Count gallery rows first .. first + n, and queries q_first .. q_first + nq.

    Targets of query i: offsets[i] .. offsets[i + 1] of keys (ascending), lows and highs (float32
    just below and above), items (gallery rows), and the counts int64 above, before, after.
    beaten: int64 [targets + nq]; of a query with more than SEARCH targets, how many rows beat
    exactly the first s of them for certain, at offsets[i] + i + s.
    Rows to skip: skip_offsets [nq + 1], skips (ascending); groups, if any: of equal number.
    Reverse targets in slots of WIDTH, a lane for each gallery row: those of panel p are slots
    r_offsets[p] .. r_offsets[p + 1], ascending in each lane, r_pairs -1 where there is none;
    r_above, r_before and r_after are counts by pair.
    crowded [groups]: for how many blocks integers are not tried again, as too much was undecided.
    """
    panels = (n + WIDTH - 1) // WIDTH
    steps = (d + 3) // 4
    packed = np.zeros(panels, np.uint8)
    none = np.int32(0)
    cursor = np.empty(ROWS, np.int64)
    unsure = np.empty(SEARCH, np.uint64)
    begins = np.empty(WIDTH, np.int64)
    ends = np.empty(WIDTH, np.int64)
    most_slots = 0
    for p in range(panels):
        most_slots = max(most_slots, r_offsets[p + 1] - r_offsets[p])
    r_unsure = np.empty(most_slots, np.uint64)
    all_r_counts = np.zeros(r_offsets[panels] * WIDTH, np.int32)
    all_wholes = np.empty(ROWS * WIDTH, np.int32)
    floats = np.empty(d + (ROWS + 2) * WIDTH, np.float32)
    wides = np.empty(32 + 4 + WIDTH)
    places = np.empty(4 + WIDTH, np.int64)

    vectors, rows_of_y, norms_of_y = pointer(x, 0), pointer(y, 0), pointer(y_norms, 0)
    low, high = pointer(lows, 0), pointer(highs, 0)
    own = pointer(above, 0), pointer(before, 0), pointer(after, 0)
    theirs = pointer(r_above, 0), pointer(r_before, 0), pointer(r_after, 0)
    wholes = pointer(all_wholes, 0)
    upper, lower, products, row = (
        pointer(floats, 0), pointer(floats, WIDTH), pointer(floats, 2 * WIDTH),
        pointer(floats, (ROWS + 2) * WIDTH),
    )  # fmt: skip
    lanes, sums, found = pointer(wides, 0), pointer(wides, 32), pointer(wides, 36)
    starts, chosen = pointer(places, 0), pointer(places, 4)
    for lane in range(WIDTH):
        upper[lane] = np.inf
        lower[lane] = -np.inf

    for group in range((nq + ROWS - 1) // ROWS):
        count = min(ROWS, nq - group * ROWS)
        way = mode
        if way == WHOLE and crowded[group] > 0:
            crowded[group] -= 1
            way = FLOAT
        for r in range(count):
            i = group * ROWS + r
            cursor[r] = first_not_below(
                pointer(skips, 0), skip_offsets[i], skip_offsets[i + 1], first
            )
        for p in range(panels):
            valid = ALL if (p + 1) * WIDTH <= n else (_1 << np.uint64(n - p * WIDTH)) - _1
            if way == WHOLE:
                tile(
                    pointer(q_words, group * steps * ROWS), pointer(g_words, p * steps * WIDTH),
                    steps, wholes,
                )  # fmt: skip
            elif way == FLOAT:
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
                here = first + p * WIDTH
                rows = valid
                skip = cursor[r]
                while skip < skip_offsets[i + 1] and skips[skip] < here + WIDTH:
                    rows &= ~(_1 << np.uint64(skips[skip] - here))
                    skip += 1
                cursor[r] = skip
                if len(q_groups):
                    for lane in range(min(WIDTH, n - p * WIDTH)):
                        if g_groups[p * WIDTH + lane] == q_groups[i]:
                            rows &= ~(_1 << np.uint64(lane))
                if way == WHOLE:
                    bounds(
                        pointer(all_wholes, r * WIDTH), pointer(g_whole, p * PARTS * WIDTH),
                        q_shifts[i], pointer(q_whole_terms, i * TERMS), upper, lower,
                    )  # fmt: skip
                elif way == FLOAT:
                    bounds(
                        pointer(floats, (2 + r) * WIDTH), pointer(g_float, p * PARTS * WIDTH),
                        none, pointer(q_float_terms, i * TERMS), upper, lower,
                    )  # fmt: skip

                undecided = _0
                t0 = offsets[i]
                t1 = offsets[i + 1]
                few = t1 - t0 <= SEARCH
                last = t0  # targets from here on are out of reach
                reach = may_reach(upper, lows[t0]) & rows if t1 > t0 else _0
                if few:
                    t = t0
                    while reach != _0:
                        sure = is_above(lower, highs[t]) & reach
                        above[t] += popcount(sure)
                        unsure[t - t0] = reach & ~sure
                        undecided |= reach & ~sure
                        t += 1
                        last = t
                        if t == t1:
                            break
                        reach &= may_reach(upper, lows[t])
                else:
                    while reach != _0:
                        lane = lowest(reach)
                        reach &= reach - _1
                        begins[lane] = first_not_below(high, t0, t1, lower[lane])
                        ends[lane] = first_above(low, t0, t1, upper[lane])
                        if not lower[lane] > -np.inf:
                            begins[lane] = t0
                        if not upper[lane] < np.inf:
                            ends[lane] = t1
                        beaten[begins[lane] + i] += 1
                        if begins[lane] < ends[lane]:
                            undecided |= _1 << np.uint64(lane)
                searched = undecided

                s0 = r_offsets[p]
                s1 = s0
                reach = rows
                while s1 < r_offsets[p + 1]:
                    reach &= may_reach_each(upper, pointer(r_lows, s1 * WIDTH))
                    if reach == _0:
                        break
                    sure = is_above_each(lower, pointer(r_highs, s1 * WIDTH)) & reach
                    add_bits(pointer(all_r_counts, s1 * WIDTH), sure)
                    r_unsure[s1 - s0] = reach & ~sure
                    undecided |= reach & ~sure
                    s1 += 1

                crowd += popcount(undecided)
                some = 0
                while undecided != _0:
                    chosen[some] = p * WIDTH + lowest(undecided)
                    undecided &= undecided - _1
                    some += 1
                keys_of(
                    vectors, i, x_norms[i], rows_of_y, chosen, some, norms_of_y, d, metric, found,
                    starts, lanes, sums,
                )  # fmt: skip
                for c in range(some):
                    lane = chosen[c] - p * WIDTH
                    key = found[c]
                    if few:
                        for t in range(t0, last):
                            if (unsure[t - t0] >> np.uint64(lane)) & _1:
                                meet(key, here + lane, keys[t], items[t], t, *own)
                    elif (searched >> np.uint64(lane)) & _1:
                        for t in range(begins[lane], ends[lane]):
                            meet(key, here + lane, keys[t], items[t], t, *own)
                    for s in range(s0, s1):
                        if (r_unsure[s - s0] >> np.uint64(lane)) & _1:
                            at = s * WIDTH + lane
                            pair = r_pairs[at]
                            if pair >= 0:
                                meet(key, q_first + i, r_keys[at], r_queries[at], pair, *theirs)
            if way == WHOLE and crowd > CROWD:
                crowded[group] = PATIENCE
                way = FLOAT
    for at in range(len(all_r_counts)):
        if r_pairs[at] >= 0:
            r_above[r_pairs[at]] += all_r_counts[at]
    keep((all_wholes, all_r_counts, floats, wides, places))


count_block_64 = twin(count_block_32, "count_block_64")


@kernel
def pair_keys_32(x, x_norms, rows, y, y_norms, d, metric, keys):
    """keys[p] of query rows[p] and gallery row p."""
    starts, lanes, sums = np.empty(4, np.int64), np.empty(32), np.empty(4)
    place = np.empty(1, np.int64)
    for p in range(len(rows)):
        place[0] = p
        i = rows[p]
        keys_of(
            pointer(x, 0), i, x_norms[i], pointer(y, 0), pointer(place, 0), 1,
            pointer(y_norms, 0), d, metric, pointer(keys, p),
            pointer(starts, 0), pointer(lanes, 0), pointer(sums, 0),
        )  # fmt: skip
    keep((starts, lanes, sums, place))


pair_keys_64 = twin(pair_keys_32, "pair_keys_64")
