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
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from assay.ops.jit import inlined, kernel, twin

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
IN_WORD, IN_BAND, IN_BLOCKS = 0, 1, 2  # how a table was filled
NO_SYMBOL = -1  # 255 among bytes, which are ASCII
MARGIN = 128

_0 = np.uint64(0)
_1 = np.uint64(1)
_63 = np.uint64(63)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


def _matcher(lanes):
    """An intrinsic: which of array[at:at + lanes] equal the symbol, as bits."""

    def matches(typingctx, array, at, symbol):
        def code(context, builder, signature, args):
            data = context.make_array(signature.args[0])(context, builder, args[0]).data
            vector = ir.VectorType(context.get_data_type(signature.args[0].dtype), lanes)
            place = builder.bitcast(builder.gep(data, [args[1]]), vector.as_pointer())
            empty = ir.Constant(vector, ir.Undefined)
            one = builder.insert_element(empty, args[2], ir.Constant(ir.IntType(32), 0))
            first = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            wanted = builder.shuffle_vector(one, empty, first)
            equal = builder.icmp_unsigned("==", builder.load(place, align=1), wanted)
            bits = builder.bitcast(equal, ir.IntType(lanes))
            return bits if lanes == 64 else builder.zext(bits, ir.IntType(64))

        return types.uint64(array, types.int64, array.dtype), code

    return intrinsic(matches)


matches_16 = _matcher(16)
matches_64 = _matcher(64)


@intrinsic
def item(typingctx, array, at):
    """array[at] for at >= 0: Numba would ask each time whether it counts from the end."""

    def code(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.int64), code


@intrinsic
def popcount(typingctx, word):
    def code(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), code


@inlined
def fill_word(window, hyp, b0, n, m, vp, vn, keep):
    """Distance of n <= 64 rows at window[64:] against m columns; with `keep`, its steps."""
    p = _ALL
    q = _0
    few = n <= 16
    for j in range(m):
        symbol = item(hyp, b0 + j)
        x = matches_16(window, 64, symbol) if few else matches_64(window, 64, symbol)
        d = (((x & p) + p) ^ p) | x | q
        hp = q | ~(d | p)
        hn = d & p
        hp = (hp << _1) | _1
        hn = hn << _1
        p = hn | ~(d | hp)
        q = hp & d
        if keep:
            vp[j] = p
            vn[j] = q
    rows = _ALL >> np.uint64(64 - n)
    return m + popcount(p & rows) - popcount(q & rows)


@inlined
def fill_band(window, hyp, b0, n, m, vp, vn, keep):
    """The same for any n with |n - m| <= BAND; exact where it is <= BAND.

    After column j (from 1), bit k is row j + k - BAND.
    """
    bottom = BAND + m  # D in the last row of the band
    p = _ALL << np.uint64(63 - BAND)
    q = _0
    for j in range(m):
        x = matches_64(window, 1 + BAND + j, item(hyp, b0 + j))
        d = (((x & p) + p) ^ p) | x | q
        hp = q | ~(d | p)
        hn = d & p
        bottom -= np.int64(d >> _63)
        d >>= _1
        p = hn | ~(d | hp)
        q = d & hp
        if keep:
            vp[j] = p
            vn[j] = q
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
def walk(ref, a0, hyp, b0, way, blocks, n, m, vp, vn, path):
    """The canonical path, written to the end of path[:n + m]. Returns its start and insertions."""
    at = n + m
    i = n
    j = m
    insertions = 0
    while i > 0 and j > 0:
        at -= 1
        # the bit of row i in column j, and in the column before it
        if way == IN_BLOCKS:
            here = j * blocks + ((i - 1) >> 6)
            before = here - blocks
            bit = (i - 1) & 63
            bit_before = bit
        else:
            here = j - 1
            before = j - 2
            bit = i - 1 if way == IN_WORD else i - j + BAND
            bit_before = bit if way == IN_WORD else bit + 1
        if (item(vp, here) >> np.uint64(bit)) & _1:
            path[at] = DELETE
            i -= 1
        elif j > 1 and (item(vn, before) >> np.uint64(bit_before)) & _1:
            path[at] = INSERT
            insertions += 1
            j -= 1
        else:
            i -= 1
            j -= 1
            path[at] = EQUAL if item(ref, a0 + i) == item(hyp, b0 + j) else SUBSTITUTE
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
            spans[at, 0] = ref
            ref += 0 if kind == INSERT else length
            spans[at, 1] = ref
            spans[at, 2] = hyp
            hyp += 0 if kind == DELETE else length
            spans[at, 3] = hyp
            at += 1
        kind = step
        length = count
    return at


@kernel
def symbol_pairs(
    ref, ref_starts, ref_ends, hyp, hyp_starts, hyp_ends, same, first, last, slots, depth,
    out, kinds, spans, bounds,
):  # fmt: skip
    """Rows first..last of pairs of symbol sequences.

    Symbols lie in 0..len(slots) - 1; slots is all zero, and is again on return. same [rows, 2]:
    equal symbols that stand before and after each row and were left out of it, or no rows.
    out: int64 [rows, 4]. At depth CHUNKS also kinds uint8 [c], spans int32 [c, 4], and
    bounds int64 [rows], where the chunks of each row end.
    """
    top_n = 0
    top_m = 0
    for r in range(first, last):
        top_n = max(top_n, ref_ends[r] - ref_starts[r])
        top_m = max(top_m, hyp_ends[r] - hyp_starts[r])
    path = np.empty(top_n + top_m, np.uint8)
    top_n = min(top_n, SHORT_ROWS)
    rows = np.empty(top_m, np.int64)
    pm = np.zeros((top_n + 1) * ((top_n + 63) >> 6) + 1, np.uint64)
    vp = np.empty(max(1024, top_m), np.uint64)
    vn = np.empty(max(1024, top_m), np.uint64)
    # The reference behind a stretch of no symbol, for reading 64 at a time. What stands behind it
    # is left from others: rows below the last one change none above.
    window = np.empty(top_n + 64 + MARGIN, ref.dtype)
    for k in range(64):
        window[k] = NO_SYMBOL
    chunk = 0

    for o in range(last - first):
        r = first + o
        a0, a1, b0, b1 = ref_starts[r], ref_ends[r], hyp_starts[r], hyp_ends[r]
        left = same[r, 0] if len(same) else 0
        right = same[r, 1] if len(same) else 0
        out[o, REF] = a1 - a0 + left + right
        out[o, HYP] = b1 - b0 + left + right

        # The common prefix, then the common suffix of what remains.
        before = 0
        size = min(a1 - a0, b1 - b0)
        while before < size and item(ref, a0 + before) == item(hyp, b0 + before):
            before += 1
        a0 += before
        b0 += before
        after = 0
        size -= before
        while after < size and item(ref, a1 - 1 - after) == item(hyp, b1 - 1 - after):
            after += 1
        n = a1 - a0 - after
        m = b1 - b0 - after

        begin = 0
        end = n + m
        insertions = m
        distance = end
        if n == 0 or m == 0:
            if depth == CHUNKS:
                for k in range(end):
                    path[k] = DELETE if m == 0 else INSERT
        elif n > WORD and (n > SHORT_ROWS or n * m >= SPLIT_CELLS):
            distance = PENDING
        else:
            for k in range(n):
                window[64 + k] = item(ref, a0 + k)
            keep = depth != DISTANCE
            way = IN_BLOCKS
            blocks = (n + 63) >> 6
            if n <= WORD:
                way = IN_WORD
                distance = fill_word(window, hyp, b0, n, m, vp, vn, keep)
            elif abs(n - m) <= BAND:
                distance = fill_band(window, hyp, b0, n, m, vp, vn, keep)
                way = IN_BAND if distance <= BAND else IN_BLOCKS
            if way == IN_BLOCKS:
                # slots: symbol -> row of pm, 1 for the first distinct symbol, and so on; row 0
                # stays empty, for symbols that the reference lacks.
                distinct = 0
                for i in range(n):
                    symbol = ref[a0 + i]
                    row = slots[symbol]
                    if row == 0:
                        distinct += 1
                        row = distinct
                        slots[symbol] = row
                    pm[row * blocks + (i >> 6)] |= _1 << np.uint64(i & 63)
                for j in range(m):
                    rows[j] = slots[hyp[b0 + j]]
                need = (m + 1) * blocks
                if need > len(vp):
                    vp = np.empty(2 * need, np.uint64)
                    vn = np.empty(2 * need, np.uint64)
                distance = fill_blocks(pm, rows, blocks, n, m, vp, vn, keep)
                for i in range(n):
                    slots[ref[a0 + i]] = 0
                for k in range(blocks, (distinct + 1) * blocks):
                    pm[k] = _0
            if keep:
                begin, insertions = walk(ref, a0, hyp, b0, way, blocks, n, m, vp, vn, path)
        out[o, DIST] = distance
        out[o, INS] = insertions
        if depth == CHUNKS:
            if distance != PENDING:
                chunk = emit(
                    kinds, spans, chunk, left + before, path, begin, end, after + right
                )  # fmt: skip
            bounds[o] = chunk


byte_pairs = twin(symbol_pairs, "byte_pairs")  # symbols uint8 instead of int32
