"""Numba kernel of alignments by cost, for the policies whose ties differ from rapidfuzz's.

`ops/edit.py` is its only caller. With D the least cost of the first i symbols of the reference
against the first j of the hypothesis, every cell is reached

    by a match or substitution   if that costs less than both others, or, with `loose`, no more
    by a deletion                else, if it costs less than an insertion
    by an insertion              else

and the alignment is the way back from the last cell. Cells of one diagonal i + j do not need each
other, so LANES of them are filled at once. The insertions on the way to each cell go along, which
is all that counts need. For an alignment a byte a cell says how it was reached; a pair of more than
TABLE cells keeps two diagonals of costs out of so many, and fills its table again from them, a part
at a time, from the last part to the first.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from assay.ops import _edit_kernels, _edit_lanes, _intrinsics
from assay.ops._edit_kernels import DELETE, DIST, EQUAL, HYP, INS, INSERT, REF, SUBSTITUTE, emit
from assay.ops._edit_lanes import CHUNKS
from assay.ops._intrinsics import keep, pointer
from assay.ops.jit import inlined, kernel

BUILT_FROM = (_edit_kernels, _edit_lanes, _intrinsics)

LANES = 8
TABLE = 1 << 24  # bytes
FAR = 1 << 29

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


@intrinsic
def fill_diagonal(typingctx, ref, hyp, before, last, now, half, ops, count, sub, gap, loose):
    """`count` cells of a diagonal from the two before it. Those that fill the last vector are FAR,
    since those above them are, or no cell reads them.

    before, last: the cost of the cell above the first on either diagonal, and `half` further its
    insertions; now: of the first. ref, hyp: its symbols; hyp runs backwards.
    """

    def code(context, builder, signature, args):
        ref, hyp, before, last, now, half, ops, count, sub, gap, loose = args
        lanes = ir.VectorType(_I32, LANES)

        def many(value):
            one = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, _I32(0))
            return builder.shuffle_vector(one, one, ir.Constant(lanes, [0] * LANES))

        def place(array, at, kind=lanes):
            return builder.bitcast(builder.gep(array, [at]), kind.as_pointer())

        def load(array, at):
            return builder.load(place(array, at), align=4)

        def constant(value):
            return ir.Constant(lanes, [value] * LANES)

        sub, gap, loose = many(sub), many(gap), many(loose)
        with cgutils.for_range_slice(builder, _I64(0), count, _I64(LANES)) as (at, _):
            right, inner = builder.add(at, _I64(1)), builder.add(at, half)
            deleted = builder.add(load(last, at), gap)
            inserted = builder.add(load(last, right), gap)
            by_deletion = builder.icmp_signed("<", deleted, inserted)
            other = builder.select(by_deletion, deleted, inserted)
            more = builder.select(
                by_deletion,
                load(last, inner),
                builder.add(load(last, builder.add(inner, _I64(1))), constant(1)),
            )
            same = builder.icmp_signed("==", load(ref, at), load(hyp, at))
            straight = builder.add(load(before, at), builder.select(same, constant(0), sub))
            by_symbol = builder.icmp_signed("<", straight, builder.add(other, loose))
            builder.store(builder.select(by_symbol, straight, other), place(now, at), align=4)
            own = builder.select(by_symbol, load(before, inner), more)
            builder.store(own, place(now, inner), align=4)
            op = builder.select(
                by_symbol,
                builder.select(same, constant(EQUAL), constant(SUBSTITUTE)),
                builder.select(by_deletion, constant(DELETE), constant(INSERT)),
            )
            narrow = ir.VectorType(_I8, LANES)
            builder.store(builder.trunc(op, narrow), place(ops, at, narrow), align=1)
        return context.get_dummy_value()

    costs = types.CPointer(types.int32)
    cells = types.CPointer(types.uint8)
    whole, small = types.int64, types.int32
    return types.void(
        costs, costs, costs, costs, costs, whole, cells, whole, small, small, small
    ), code


@inlined
def fill_part(ref, hyp, n, m, first, stop, costs, stride, ops, width, period, saved, weights):
    """Diagonals first..stop - 1. Diagonal k is in row k % 3 of costs, cell i at i + 1; its ops are
    in row k % period. saved: where the two before every diagonal k = 0 (mod period) are put."""
    sub, gap, loose = weights
    for k in range(first, stop):
        low, high = max(0, k - m), min(n, k)
        if len(saved) and k % period == 0:
            for side in range(2):
                row = ((k + 1 + side) % 3) * stride
                to = (2 * (k // period) + side) * stride
                for i in range(stride):
                    saved[to + i] = costs[row + i]
        fill_diagonal(
            pointer(ref, low), pointer(hyp, m - k + low),
            pointer(costs, ((k + 1) % 3) * stride + low),
            pointer(costs, ((k + 2) % 3) * stride + low),
            pointer(costs, (k % 3) * stride + low + 1), 3 * stride,
            pointer(ops, (k % period) * width), high - low + 1, sub, gap, loose,
        )  # fmt: skip


@kernel
def weighted_pairs(
    ref, ref_starts, ref_ends, hyp, hyp_starts, hyp_ends, same, sub, gap, loose, depth, out,
    kinds, spans, bounds,
):  # fmt: skip
    """Pairs of rows of symbols int32, as symbol_pairs() of the kernels of rapidfuzz's ties.

    sub, gap: what a substitution, and what a deletion or an insertion costs. loose: 1 where a
    symbol against a symbol wins ties, else 0.
    """
    weights = np.int32(sub), np.int32(gap), np.int32(loose)
    costs = np.empty(0, np.int32)
    a, b = np.empty(0, np.int32), np.empty(0, np.int32)
    ops, path, saved = np.empty(LANES, np.uint8), np.empty(0, np.uint8), np.empty(0, np.int32)
    nothing = np.empty(0, np.int32)
    chunk = np.int64(0)
    for r in range(len(ref_starts)):
        a0, a1, b0, b1 = ref_starts[r], ref_ends[r], hyp_starts[r], hyp_ends[r]
        before, after = np.int64(0), np.int64(0)
        if loose:  # what both end with is matched
            while a0 < a1 and b0 < b1 and ref[a1 - 1] == hyp[b1 - 1]:
                a1 -= 1
                b1 -= 1
                after += 1
        else:  # what both begin with is
            while a0 < a1 and b0 < b1 and ref[a0] == hyp[b0]:
                a0 += 1
                b0 += 1
                before += 1
        if len(same):
            before += same[r, 0]
            after += same[r, 1]
        n, m = a1 - a0, b1 - b0
        top = n + m + 1
        begin = top - 1
        if begin > len(path):
            path = np.empty(2 * begin, np.uint8)
        insertions, distance = m, n + m
        if n == 0 or m == 0:
            begin = 0
            if depth == CHUNKS:
                path[: n + m] = DELETE if m == 0 else INSERT
        else:
            stride = n + 2 + LANES
            if 6 * stride > len(costs):
                costs = np.empty(12 * stride, np.int32)
            if stride > len(a):
                a = np.empty(2 * stride, np.int32)
            if m + 2 + LANES > len(b):
                b = np.empty(2 * (m + 2 + LANES), np.int32)
            for i in range(n):
                a[i + 1] = ref[a0 + i]
            for j in range(m):
                b[j] = hyp[b1 - 1 - j]
            costs[: 3 * stride] = FAR
            costs[3 * stride : 6 * stride] = 0
            costs[1] = 0
            width, period = min(n, m) + 1, np.int64(1)
            parts = 1
            if depth == CHUNKS:
                period = max(TABLE // width, np.int64(math.sqrt(8.0 * top * stride / width)))
                period = min(period, top)
                parts = (top - 1) // period + 1
                if period * width + LANES > len(ops):
                    ops = np.empty(period * width + LANES, np.uint8)
                if parts > 1 and 2 * parts * stride > len(saved):
                    saved = np.empty(2 * parts * stride, np.int32)
            elif width + LANES > len(ops):
                ops = np.empty(2 * (width + LANES), np.uint8)
            fill_part(
                a, b, n, m, 1, top, costs, stride, ops, width, period,
                saved if parts > 1 else nothing, weights,
            )  # fmt: skip
            last = ((top - 1) % 3) * stride + n + 1
            insertions = np.int64(costs[3 * stride + last])
            gaps = 2 * insertions + n - m
            distance = gaps + (costs[last] - gap * gaps) // sub
            if depth == CHUNKS:
                i, j = n, m
                first = (parts - 1) * period
                while i + j > 0:
                    k = i + j
                    if k < first:
                        first -= period
                        if first > 0:
                            costs[: 3 * stride] = FAR
                            for side in range(2):
                                row = ((first + 1 + side) % 3) * stride
                                at = (2 * (first // period) + side) * stride
                                costs[row : row + stride] = saved[at : at + stride]
                        else:
                            costs[: 3 * stride] = FAR
                            costs[1] = 0
                        fill_part(
                            a, b, n, m, max(1, first), first + period, costs, stride, ops, width,
                            period, nothing, weights,
                        )  # fmt: skip
                    op = ops[(k - first) * width + i - max(0, k - m)]
                    begin -= 1
                    path[begin] = op
                    i -= op != INSERT
                    j -= op != DELETE
        out[r, REF] = before + n + after
        out[r, HYP] = before + m + after
        out[r, DIST] = distance
        out[r, INS] = insertions
        if depth == CHUNKS:
            chunk = emit(
                pointer(kinds, 0), pointer(spans, 0), chunk, before, pointer(path, 0), begin, n + m,
                after,
            )  # fmt: skip
            bounds[r] = chunk
    keep((costs, a, b, ops, path, saved))
