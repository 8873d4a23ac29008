"""Parts of the edit kernels that see many pairs at once, for `_edit_kernels.py`.

What common ends leave of each pair, in which order pairs are taken, and tables of LANES pairs, each
in its lane of a vector.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from assay.ops._intrinsics import above, lowest, matches_16, matches_64, pointer, popcount
from assay.ops.jit import inlined

DISTANCE, COUNTS, CHUNKS = 0, 1, 2  # how deep a kernel goes

# A pair is short when its table fits: up to 64 rows at any width, else fewer cells than the size
# from which rapidfuzz splits the pair (which changes ties).
WORD = 64
SHORT_ROWS = 4096
SPLIT_CELLS = 1 << 22
BAND = 62  # the largest distance whose paths fit into a band of 64 diagonals
IN_WORD, IN_BAND, IN_BLOCKS = 0, 1, 2  # how a table is filled
ONE_SIDED, TOO_LONG = 3, 4  # or why not
LANES = 16  # two registers or more, as each waits for its last step
LANE_COLUMNS = 4096  # wider tables have no company
WAY, REF_AT, HYP_AT, ROWS, COLUMNS, BEFORE, AFTER = range(7)  # what is known of a stripped pair
FACTS = 7

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_START = _I64(0)
_1 = np.uint64(1)
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


@inlined
def strip(refs, ref_starts, ref_ends, hyps, hyp_starts, hyp_ends, same, known, depth):
    """What is known of each pair without the common prefix and then the common suffix. Returns how
    many words the largest table in blocks has, of any pair that may get one."""
    most_words = 0
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
        if way in (IN_BAND, IN_BLOCKS):
            most_words = max(most_words, ((n + 63) >> 6) * (1 if depth == DISTANCE else m + 1))
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
    return most_words


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
def band_above(n, m):
    """How many diagonals of the band lie above the first cell's: after column j (from 1), bit k is
    row j + k - above. A path of cost d has up to (d + n - m) / 2 deletions and (d - n + m) / 2
    insertions, so the middle of the band lies (n - m) / 2 below that diagonal."""
    return BAND // 2 - ((n - m) >> 1)


@inlined
def match_lane(window, hyp, b0, n, m, way, matches, lane):
    """Which rows of each column hold its symbol; the reference is at window[64:]."""
    if way == IN_BAND:
        first = 63 - band_above(n, m)
        for j in range(m):
            found = matches_64(window, first + j, hyp[b0 + j])
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
    last = m + BAND - band_above(n, m)  # the last row of the band
    bottom = last - falls  # D in it
    below = last - n
    if below > 0:
        mask = ((_1 << np.uint64(below)) - _1) << np.uint64(63 - below)
        bottom += popcount(q & mask) - popcount(p & mask)
    return bottom
