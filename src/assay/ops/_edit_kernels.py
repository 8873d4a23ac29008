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
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from assay.ops import _intrinsics
from assay.ops._intrinsics import above, keep, lowest, matches_16, matches_64, pointer, popcount
from assay.ops.jit import inlined, kernel, twin

BUILT_FROM = (_intrinsics,)

EQUAL, SUBSTITUTE, DELETE, INSERT = 0, 1, 2, 3
DISTANCE, COUNTS, CHUNKS = 0, 1, 2  # how deep a kernel goes

# columns of a result row
REF, HYP, DIST, INS = 0, 1, 2, 3
PENDING = -1  # in DIST: a long pair, left to ops/_edit_long.py

# A pair is short when its table fits: up to 64 rows at any width, else fewer cells than the size
# from which rapidfuzz splits the pair (which changes ties).
WORD = 64
SHORT_ROWS = 4096
SPLIT_CELLS = 1 << 22
BAND = 31
IN_WORD, IN_BAND, IN_BLOCKS = 0, 1, 2  # how a table is filled
ONE_SIDED, TOO_LONG = 3, 4  # or why not
LANES = 8
LANE_COLUMNS = 4096  # wider tables have no company
WAY, REF_AT, HYP_AT, ROWS, COLUMNS, BEFORE, AFTER = range(7)  # what is known of a stripped pair
FACTS = 7
NO_SYMBOL = -1  # 255 among bytes, which are ASCII
MARGIN = 128
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_START = _I64(0)

_0 = np.uint64(0)
_1 = np.uint64(1)
_63 = np.uint64(63)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@intrinsic
def differ(typingctx, ref, a, hyp, b):
    """Which symbols of 64 bytes of ref from `a` and of hyp from `b` differ, as bits."""

    def code(context, builder, signature, args):
        symbol = context.get_data_type(ref.dtype)
        vector = ir.VectorType(symbol, 64 // context.get_abi_sizeof(symbol))
        sides = []
        for data, at in ((args[0], args[1]), (args[2], args[3])):
            place = builder.bitcast(builder.gep(data, [at]), vector.as_pointer())
            sides.append(builder.load(place, align=1))
        unequal = builder.bitcast(builder.icmp_unsigned("!=", *sides), ir.IntType(vector.count))
        wide = ir.IntType(64)
        return unequal if vector.count == 64 else builder.zext(unequal, wide)

    return types.uint64(ref, types.int64, hyp, types.int64), code


@inlined
def equal_ahead(ref, a, hyp, b, most, inside, wide):
    """How many of `most` symbols from `a` and from `b` are equal; `wide` can be read at once at
    places below `inside`."""
    count = 0
    while count < inside:
        same = min(lowest(differ(ref, a + count, hyp, b + count)), wide)
        count += same
        if same < wide:
            return min(count, most)
    while count < most and ref[a + count] == hyp[b + count]:
        count += 1
    return min(count, most)


@inlined
def equal_behind(ref, a, hyp, b, most, wide):
    """The same for the symbols before `a` and before `b`, from the last to the first."""
    inside = min(most, min(a, b) - wide + 1)
    count = 0
    while count < inside:
        bits = differ(ref, a - wide - count, hyp, b - wide - count)
        same = min(above(bits << np.uint64(64 - wide)), wide)
        count += same
        if same < wide:
            return min(count, most)
    while count < most and ref[a - 1 - count] == hyp[b - 1 - count]:
        count += 1
    return min(count, most)


@intrinsic
def fill_lanes(typingctx, matches, start, slide, ends, columns, vp, vn, falls):
    """Fill the tables of LANES pairs at once, from which rows of each column match its symbol.

    matches, vp, vn: column j of lane l at j * LANES + l; rows as in the word or, where slide is 1,
    in the band. Beyond its last column, ends[l], a lane holds nothing of use. falls: how often
    D grew along the last diagonal of the band less than it could.
    """

    def code(context, builder, signature, args):
        matches, start, slide, ends, columns, vp, vn, falls = args
        lanes = ir.VectorType(_I64, LANES)

        def many(number):
            return ir.Constant(lanes, [number] * LANES)

        def load(array, at=_START):
            return builder.load(
                builder.bitcast(builder.gep(array, [at]), lanes.as_pointer()), align=8
            )

        def store(value, array, at=_START):
            place = builder.bitcast(builder.gep(array, [at]), lanes.as_pointer())
            builder.store(value, place, align=8)

        p, q, fall = (cgutils.alloca_once(builder, lanes) for _ in range(3))
        builder.store(load(start), p)
        builder.store(many(0), q)
        builder.store(many(0), fall)
        slides, last = load(slide), load(ends)
        shifts = builder.sub(many(1), slides)
        with cgutils.for_range(builder, columns) as loop:
            at = builder.mul(loop.index, _I64(LANES))
            x = load(matches, at)
            old, out = builder.load(p), builder.load(q)
            d = builder.xor(builder.add(builder.and_(x, old), old), old)
            d = builder.or_(builder.or_(d, x), out)
            up = builder.or_(out, builder.not_(builder.or_(d, old)))
            down = builder.and_(d, old)
            column = builder.insert_element(many(0), loop.index, _I32(0))
            column = builder.shuffle_vector(
                column, column, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
            )
            inside = builder.icmp_signed("<", column, last)
            falling = builder.select(inside, builder.lshr(d, many(63)), many(0))
            builder.store(builder.add(builder.load(fall), falling), fall)
            up = builder.or_(builder.shl(up, shifts), shifts)
            down = builder.shl(down, shifts)
            d = builder.lshr(d, slides)
            new = builder.or_(down, builder.not_(builder.or_(d, up)))
            out = builder.and_(up, d)
            builder.store(new, p)
            builder.store(out, q)
            store(new, vp, at)
            store(out, vn, at)
        store(builder.load(fall), falls)
        return context.get_dummy_value()

    return types.void(matches, start, slide, ends, types.int64, vp, vn, falls), code


@inlined
def match_lane(window, hyp, b0, n, m, way, matches, lane):
    """Which rows of each column hold its symbol; the reference is at window[64:]."""
    if way == IN_BAND:  # after column j (from 1), bit k is row j + k - BAND
        for j in range(m):
            found = matches_64(window, 1 + BAND + j, hyp[b0 + j])
            matches[j * LANES + lane] = found
    elif n <= 16:
        for j in range(m):
            matches[j * LANES + lane] = matches_16(window, 64, hyp[b0 + j])
    else:
        for j in range(m):
            matches[j * LANES + lane] = matches_64(window, 64, hyp[b0 + j])


@inlined
def lane_distance(n, m, way, p, q, falls):
    """The distance from the last column of a lane; in the band exact where it is <= BAND."""
    if way == IN_WORD:
        rows = _ALL >> np.uint64(64 - n)
        return m + popcount(p & rows) - popcount(q & rows)
    bottom = BAND + m - falls  # D in the last row of the band
    below = m + BAND - n  # rows of the band under the last one
    if below > 0:
        mask = ((_1 << np.uint64(below)) - _1) << np.uint64(63 - below)
        bottom += popcount(q & mask) - popcount(p & mask)
    return bottom


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
    insertions = 0
    while i > 0 and j > 0:
        at -= 1
        # the bit of row i in column j, and in the column before it
        bit = i - j + BAND if way == IN_BAND else (i - 1) & 63
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


@inlined
def strip(refs, ref_starts, ref_ends, hyps, hyp_starts, hyp_ends, same, known):
    """What is known of each pair without the common prefix and then the common suffix."""
    ref, hyp = pointer(refs, 0), pointer(hyps, 0)
    wide = 64 // refs.itemsize
    for r in range(len(ref_starts)):
        a0, a1 = ref_starts[r], ref_ends[r]
        b0, b1 = hyp_starts[r], hyp_ends[r]
        most = min(a1 - a0, b1 - b0)
        inside = min(most, min(len(refs) - a0, len(hyps) - b0) - wide + 1)
        before = equal_ahead(ref, a0, hyp, b0, most, inside, wide)
        after = equal_behind(ref, a1, hyp, b1, most - before, wide)
        n = a1 - a0 - before - after
        m = b1 - b0 - before - after
        way = IN_BLOCKS
        if n == 0 or m == 0:
            way = ONE_SIDED
        elif n > WORD and (n > SHORT_ROWS or n * m >= SPLIT_CELLS):
            way = TOO_LONG
        elif m <= LANE_COLUMNS:
            if n <= WORD:
                way = IN_WORD
            elif abs(n - m) <= BAND:
                way = IN_BAND
        at = r * FACTS
        known[at + WAY] = way
        known[at + REF_AT] = a0 + before
        known[at + HYP_AT] = b0 + before
        known[at + ROWS] = n
        known[at + COLUMNS] = m
        if len(same):
            before += same[r, 0]
            after += same[r, 1]
        known[at + BEFORE] = before
        known[at + AFTER] = after


@inlined
def arrange(known, order, n, heads, widest, depth):
    """Rows by their columns, as lanes of a vector wait for the widest; for chunks as they are."""
    for k in range(widest + 2):
        heads[k] = 0
    for o in range(n):
        order[o] = o
        at = o * FACTS
        key = known[at + COLUMNS] if known[at + WAY] <= IN_BAND else 0
        heads[key + 1] += 1
    for k in range(widest + 1):
        heads[k + 1] += heads[k]
    if depth != CHUNKS:
        for o in range(n):
            at = o * FACTS
            key = known[at + COLUMNS] if known[at + WAY] <= IN_BAND else 0
            order[heads[key]] = o
            heads[key] += 1


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
    blocks_p = np.empty(0, np.uint64)
    blocks_n = np.empty(0, np.uint64)

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
    strip(refs, ref_starts, ref_ends, hyps, hyp_starts, hyp_ends, same, known)
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
                start[lane] = _ALL << np.uint64(63 - BAND if way == IN_BAND else 0)
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
                blocks = (n + 63) >> 6
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
                    place = row * blocks + (i >> 6)
                    pm[place] |= _1 << np.uint64(i & 63)
                for j in range(m):
                    rows[j] = slots[np.int64(hyp[b0 + j])]
                need = (m + 1) * blocks if depth != DISTANCE else blocks
                if need > len(blocks_p):
                    blocks_p = np.empty(2 * need, np.uint64)
                    blocks_n = np.empty(2 * need, np.uint64)
                steps_p, steps_n, head, step = pointer(blocks_p, 0), pointer(blocks_n, 0), 0, blocks
                distance = fill_blocks(pm, rows, blocks, n, m, steps_p, steps_n, depth != DISTANCE)
                for i in range(n):
                    slots[np.int64(ref[a0 + i])] = 0
                for k in range(blocks, (distinct + 1) * blocks):
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
    keep((paths, symbol_rows, masks, windows, lanes, facts, sorting, blocks_p, blocks_n))
    return too_long


byte_pairs = twin(symbol_pairs, "byte_pairs")  # symbols uint8 instead of int32
