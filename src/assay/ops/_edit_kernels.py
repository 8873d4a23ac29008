"""Numba kernels of the edit distance of many pairs. `ops/edit.py` is their only caller.

The alignment is the canonical one of compiled rapidfuzz (so of jiwer). With D the distance table
of reference a (rows) against hypothesis b (columns), after the common prefix and then the common
suffix are taken off, walk back from the last cell:

    delete a[i-1]   if D[i][j] == D[i-1][j] + 1
    insert b[j-1]   else if D[i-1][j-1] == D[i][j-1] + 1
    diagonal        else

The table is kept as bits (Myers 1999, Hyyro 2003): vp/vn hold D[i][j] - D[i-1][j] = +1 / -1,
64 rows in a word, so both tests read one bit. Three ways to fill it, the first that fits:

    word    up to 64 rows: one word a column
    band    distances up to BAND: one word a column, which slides down a row with each. Cells
            outside are taken as too large, which changes none on a shortest path, and no tie
    blocks  as many words a column as the rows need

A column waits for the one before it, so one pair alone leaves most of a processor idle: the first
two ways fill LANES pairs at once, each in its lane of a vector.
"""

import numpy as np

from assay.ops import _edit_lanes, _intrinsics
from assay.ops._edit_lanes import (
    AFTER,
    BAND,
    BEFORE,
    CHUNKS,
    COLUMNS,
    DISTANCE,
    FACTS,
    HYP_AT,
    IN_BAND,
    IN_BLOCKS,
    LANE_COLUMNS,
    LANES,
    ONE_SIDED,
    REF_AT,
    ROWS,
    SHORT_ROWS,
    TOO_LONG,
    WAY,
    arrange,
    band_above,
    fill_lanes,
    lane_distance,
    match_lane,
    strip,
)  # fmt: skip
from assay.ops._intrinsics import keep, pointer
from assay.ops.jit import inlined, kernel, twin

BUILT_FROM = (_edit_lanes, _intrinsics)

EQUAL, SUBSTITUTE, DELETE, INSERT = 0, 1, 2, 3

# columns of a result row
REF, HYP, DIST, INS = 0, 1, 2, 3
PENDING = -1  # in DIST: a long pair, left to ops/_edit_long.py

NO_SYMBOL = -1  # 255 among bytes, which are ASCII
MARGIN = 128

_0 = np.uint64(0)
_1 = np.uint64(1)
_63 = np.uint64(63)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@inlined
def fill_blocks(pm, rows, blocks, n, m, vp, vn, keep):
    """The same for any n; the steps of column j at j * blocks, rows from pm[rows[j] * blocks]."""
    distance = n
    last = np.uint64((n - 1) & 63)
    # Without `keep` one column is overwritten in place.
    for w in range(blocks):
        vp[w] = _ALL
        vn[w] = _0
    old = 0
    for j in range(m):
        new = (j + 1) * blocks if keep else 0
        row = rows[j] * blocks
        hp_in = _1
        hn_in = _0
        for w in range(blocks):
            p = vp[old + w]
            q = vn[old + w]
            x = pm[row + w] | hn_in
            d = (((x & p) + p) ^ p) | x | q
            hp = q | ~(d | p)
            hn = d & p
            if w == blocks - 1:
                distance += np.int64((hp >> last) & _1) - np.int64((hn >> last) & _1)
            hp_out = hp >> _63
            hn_out = hn >> _63
            hp = (hp << _1) | hp_in
            hn = (hn << _1) | hn_in
            hp_in = hp_out
            hn_in = hn_out
            vp[new + w] = hn | ~(d | hp)
            vn[new + w] = hp & d
        old = new
    return distance


@inlined
def walk(ref, a0, hyp, b0, way, first, step, n, m, vp, vn, path):
    """The canonical path, written to the end of path[:n + m]. Returns its start and insertions.

    Column j (from 1) is at first + j * step; that of blocks, step words, of which bits count on.
    """
    at = n + m
    i = n
    j = m
    above = band_above(n, m)
    insertions = 0
    while i > 0 and j > 0:
        at -= 1
        # the bit of row i in column j, and in the column before it
        bit = i - j + above if way == IN_BAND else (i - 1) & 63
        bit_before = bit + 1 if way == IN_BAND else bit
        here = first + j * step + (((i - 1) >> 6) if way == IN_BLOCKS else 0)
        before = here - step
        if (vp[here] >> np.uint64(bit)) & _1:
            path[at] = DELETE
            i -= 1
        elif j > 1 and (vn[before] >> np.uint64(bit_before)) & _1:
            path[at] = INSERT
            insertions += 1
            j -= 1
        else:
            i -= 1
            j -= 1
            same = ref[a0 + i] == hyp[b0 + j]
            path[at] = EQUAL if same else SUBSTITUTE
    while i > 0:
        at -= 1
        path[at] = DELETE
        i -= 1
    while j > 0:
        at -= 1
        path[at] = INSERT
        insertions += 1
        j -= 1
    return at, insertions


@inlined
def emit(kinds, spans, at, before, path, start, stop, after):
    """Runs of equal operations as chunks: `before` matches, path[start:stop], `after` matches."""
    ref = 0
    hyp = 0
    kind = EQUAL
    length = before
    for k in range(start, stop + 2):
        # two steps past the path: the matches behind it, then a kind of its own that ends the run
        step = path[k] if k < stop else (EQUAL if k == stop else 255)
        count = 1 if k < stop else after
        if step == kind:
            length += count
            continue
        if length > 0:
            kinds[at] = kind
            spans[4 * at] = ref
            ref += 0 if kind == INSERT else length
            spans[4 * at + 1] = ref
            spans[4 * at + 2] = hyp
            hyp += 0 if kind == DELETE else length
            spans[4 * at + 3] = hyp
            at += 1
        kind = step
        length = count
    return at


@kernel
def symbol_pairs(
    refs, ref_starts, ref_ends, hyps, hyp_starts, hyp_ends, same, all_slots, depth, out,
    kinds, spans, bounds,
):  # fmt: skip
    """Pairs of rows of symbols.

    Symbols lie in 0..len(all_slots) - 1; that is all zero, and is again on return. same [rows, 2]:
    equal symbols that stand before and after each row and were left out of it, or no rows.
    out: int64 [rows, 4]. At depth CHUNKS also kinds uint8 [c], spans int32 [c, 4], and
    bounds int64 [rows], where the chunks of each row end. Returns how many rows are PENDING.
    """
    n_rows = len(ref_starts)
    top_n = 0
    top_m = 0
    for r in range(n_rows):
        top_n = max(top_n, ref_ends[r] - ref_starts[r])
        top_m = max(top_m, hyp_ends[r] - hyp_starts[r])
    widest = min(top_m, LANE_COLUMNS)
    lowest_row = min(top_n, SHORT_ROWS)
    paths = np.empty(top_n + top_m, np.uint8)
    symbol_rows = np.empty(top_m, np.int64)
    masks = np.empty((lowest_row + 1) * ((lowest_row + 63) >> 6) + 1, np.uint64)
    windows = np.empty(64 + lowest_row + MARGIN, refs.dtype)
    lanes = np.empty((3 * widest + 1) * LANES, np.uint64)
    facts = np.empty(n_rows * FACTS + 3 * LANES, np.int64)
    sorting = np.empty(n_rows + widest + 2, np.int64)

    ref, hyp, slots = pointer(refs, 0), pointer(hyps, 0), pointer(all_slots, 0)
    path, rows, pm, window = (
        pointer(paths, 0), pointer(symbol_rows, 0), pointer(masks, 0), pointer(windows, 0)
    )  # fmt: skip
    matches, lanes_p, lanes_n, start = (
        pointer(lanes, 0), pointer(lanes, widest * LANES), pointer(lanes, 2 * widest * LANES),
        pointer(lanes, 3 * widest * LANES),
    )  # fmt: skip
    known, slide, stop, falls = (
        pointer(facts, 0), pointer(facts, n_rows * FACTS), pointer(facts, n_rows * FACTS + LANES),
        pointer(facts, n_rows * FACTS + 2 * LANES),
    )  # fmt: skip
    order, heads = pointer(sorting, 0), pointer(sorting, n_rows)
    for k in range(len(masks)):
        pm[k] = _0
    # Before the reference stands a stretch of no symbol, for reading 64 at a time. What stands
    # behind it is left from others: rows below the last one change none above.
    for k in range(64):
        window[k] = NO_SYMBOL
    most = strip(refs, ref_starts, ref_ends, hyps, hyp_starts, hyp_ends, same, known, depth)
    # at once: an array that a loop may replace has its references counted in every turn
    blocks = np.empty(2 * most, np.uint64)
    blocks_p, blocks_n = pointer(blocks, 0), pointer(blocks, most)
    arrange(known, order, n_rows, heads, widest, depth)
    chunk = np.int64(0)
    too_long = 0

    for group in range(0, n_rows, LANES):
        size = min(LANES, n_rows - group)
        columns = 0
        for lane in range(LANES):  # those without a pair stand still
            start[lane] = _0
            slide[lane] = 0
            stop[lane] = 0
        for lane in range(size):
            at = order[group + lane] * FACTS
            way = known[at + WAY]
            if way <= IN_BAND:
                n, m = known[at + ROWS], known[at + COLUMNS]
                a0, b0 = known[at + REF_AT], known[at + HYP_AT]
                for k in range(n):
                    window[64 + k] = ref[a0 + k]
                match_lane(window, hyp, b0, n, m, way, matches, lane)
                start[lane] = _ALL << np.uint64(band_above(n, m) + 1 if way == IN_BAND else 0)
                slide[lane] = way
                stop[lane] = m
                columns = max(columns, m)

        fill_lanes(matches, start, slide, stop, columns, lanes_p, lanes_n, falls)

        for lane in range(size):
            o = order[group + lane]
            at = o * FACTS
            way = known[at + WAY]
            n, m = known[at + ROWS], known[at + COLUMNS]
            a0, b0 = known[at + REF_AT], known[at + HYP_AT]
            begin = 0
            end = n + m
            insertions = m
            distance = end
            steps_p, steps_n, head, step = lanes_p, lanes_n, lane - LANES, LANES
            if way <= IN_BAND:
                place = head + m * step
                distance = lane_distance(n, m, way, lanes_p[place], lanes_n[place], falls[lane])
                if way == IN_BAND and distance > BAND:
                    way = IN_BLOCKS
            if way == IN_BLOCKS:
                words = (n + 63) >> 6
                # slots: symbol -> row of pm, 1 for the first distinct symbol, and so on; row 0
                # stays empty, for symbols that the reference lacks.
                distinct = 0
                for i in range(n):
                    symbol = np.int64(ref[a0 + i])
                    row = slots[symbol]
                    if row == 0:
                        distinct += 1
                        row = distinct
                        slots[symbol] = row
                    place = row * words + (i >> 6)
                    pm[place] |= _1 << np.uint64(i & 63)
                for j in range(m):
                    rows[j] = slots[np.int64(hyp[b0 + j])]
                steps_p, steps_n, head, step = blocks_p, blocks_n, 0, words
                distance = fill_blocks(pm, rows, words, n, m, steps_p, steps_n, depth != DISTANCE)
                for i in range(n):
                    slots[np.int64(ref[a0 + i])] = 0
                for k in range(words, (distinct + 1) * words):
                    pm[k] = _0
            if way == TOO_LONG:
                distance = PENDING
                too_long += 1
            elif way == ONE_SIDED:
                if depth == CHUNKS:
                    for k in range(end):
                        path[k] = DELETE if m == 0 else INSERT
            elif depth != DISTANCE:
                begin, insertions = walk(
                    ref, a0, hyp, b0, way, head, step, n, m, steps_p, steps_n, path
                )  # fmt: skip
            before, after = known[at + BEFORE], known[at + AFTER]
            out[o, REF] = before + n + after
            out[o, HYP] = before + m + after
            out[o, DIST] = distance
            out[o, INS] = insertions
            if depth == CHUNKS:
                if distance != PENDING:
                    chunk = emit(
                        pointer(kinds, 0), pointer(spans, 0), chunk, before, path, begin, end, after
                    )
                bounds[o] = chunk
    keep((paths, symbol_rows, masks, windows, lanes, facts, sorting, blocks))
    return too_long


byte_pairs = twin(symbol_pairs, "byte_pairs")  # symbols uint8 instead of int32
