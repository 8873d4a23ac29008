"""The vector parts of the ranking kernels, as LLVM code for the registers of this processor.

The score is float64 and canonical (`canonical`); it is computed only where a cheaper product cannot
decide. The cheap product multiplies a tile of ROWS queries by WIDTH gallery rows in registers, as
8-bit integers (one scale a vector) or float32, and never leaves the cache. With x, y the vectors,
x', y' what the product sees, and kappa the rounding of its arithmetic in any order,

    |x.y - x'.y'| <= |x - x'| |y| + |x'| |y - y'| + kappa |x'| |y'|

so each score has an upper and a lower bound, `a e1 + b e2` away, with a, b of the query and e1, e2
of the gallery row. Both are rounded outwards by 2^-18, more than the arithmetic on them can lose.
Vectors whose norm is not in 2^-60..2^60 (or 0) get an infinite bound: they are always scored.

A key orders scores best first: the dot or the cosine, or minus the squared distance, which is
2 x.y - |y|^2 - |x|^2.
"""

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

from assay.ops.jit import inlined

DOT, COSINE, L2 = 0, 1, 2
EXACT, FLOAT, WHOLE = 0, 1, 2  # what decides: the key alone, or first a product of either kind


def _host_features():
    asked = config.CPU_FEATURES
    text = asked if asked is not None else binding.get_host_cpu_features().flatten()
    return {name[1:] for name in text.split(",") if name.startswith("+")}


_FEATURES = _host_features()
_ARM = binding.get_default_triple().startswith(("aarch64", "arm64"))
_FUSED = _ARM or "fma" in _FEATURES
# Accumulators fill the vector registers: 32 of 16 floats, 16 of 8, or 32 of 4.
LANES, ROWS = (16, 12) if "avx512f" in _FEATURES else (4, 8) if _ARM else (8, 6)
VECTORS = 2
WIDTH = LANES * VECTORS
ALL = np.uint64((1 << WIDTH) - 1)
INT8 = LANES == 16 and "avx512vnni" in _FEATURES
INT8_MAX_WIDTH = 1 << 16  # d * 255 * 127 stays below 2^31

SCALE, UP, LOW, E1, E2 = 0, 1, 2, 3, 4  # what is known of each gallery row of a panel
PARTS = 5
TERMS = 5  # of each query: scale, a, b, and what is added to its upper and lower bounds
PATIENCE = 15  # blocks for which they are then not tried
CROWD = ROWS * WIDTH // 12  # undecided scores of a tile from which integers are too coarse
WIDEN = 1 + 2.0**-18
KAPPA_8 = 2.0**-20
LARGE, SMALL = 2.0**60, 2.0**-60

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_F64 = ir.DoubleType()
_VEC = ir.VectorType(_F32, LANES)


def _at(builder, pointer, index):
    return builder.gep(pointer, [ir.Constant(_I64, index)])


def _load(builder, pointer, lanes, v=0):
    place = builder.bitcast(_at(builder, pointer, v * lanes.count), lanes.as_pointer())
    return builder.load(place, align=4)


def _store(builder, value, pointer, v=0):
    place = builder.bitcast(_at(builder, pointer, v * value.type.count), value.type.as_pointer())
    builder.store(value, place, align=4)


def _splat(builder, value, count):
    vector = ir.VectorType(value.type, count)
    empty = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(_I32, count), [0] * count))


def _call(builder, name, result, arguments):
    known = builder.module.globals.get(name)
    function = known or ir.Function(
        builder.module, ir.FunctionType(result, [a.type for a in arguments]), name
    )
    return builder.call(function, arguments)


def _loop(builder, count, start, body):
    """`body(k, values)` gives the next values; the values after `count` >= 1 rounds."""
    head = builder.block
    loop, end = (builder.function.append_basic_block(name) for name in ("round", "after"))
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(_I64)
    k.add_incoming(ir.Constant(_I64, 0), head)
    values = [builder.phi(value.type) for value in start]
    for phi, value in zip(values, start, strict=True):
        phi.add_incoming(value, head)
    following = body(k, values)
    for phi, value in zip(values, following, strict=True):
        phi.add_incoming(value, builder.block)
    after = builder.add(k, ir.Constant(_I64, 1))
    k.add_incoming(after, builder.block)
    builder.cbranch(builder.icmp_signed("<", after, count), loop, end)
    builder.position_at_end(end)
    return following


@intrinsic
def tile(typingctx, query, gallery, steps, out):
    """out[ROWS, WIDTH] = products of a group of queries and a panel of gallery rows.

    query [steps, ROWS], gallery [steps, WIDTH]: float32, or int32 words of four 8-bit integers
    (signed, and with 128 added).
    """
    whole = isinstance(query.dtype, types.Integer)

    def code(context, builder, signature, args):
        if whole and not INT8:
            return context.get_dummy_value()  # never run here, and the processor has no such code
        element = _I32 if whole else _F32
        vector = ir.VectorType(element, LANES)
        q, g, _, o = args

        def step(k, sums):
            here = builder.gep(g, [builder.mul(k, ir.Constant(_I64, WIDTH))])
            there = builder.gep(q, [builder.mul(k, ir.Constant(_I64, ROWS))])
            rows = [_load(builder, here, vector, v) for v in range(VECTORS)]
            new = []
            for r in range(ROWS):
                one = _splat(builder, builder.load(_at(builder, there, r)), LANES)
                new += [multiply_add(sums[r * VECTORS + v], rows[v], one) for v in range(VECTORS)]
            return new

        def multiply_add(total, row, one):
            if whole:
                name = "llvm.x86.avx512.vpdpbusd.512"
                return _call(builder, name, vector, [total, row, one])
            if _FUSED:
                return _call(builder, f"llvm.fma.v{LANES}f32", vector, [row, one, total])
            return builder.fadd(builder.fmul(row, one), total)

        zero = ir.Constant(vector, [0] * LANES)
        for i, value in enumerate(_loop(builder, args[2], [zero] * (ROWS * VECTORS), step)):
            _store(builder, value, o, i)
        return context.get_dummy_value()

    return types.void(query, gallery, types.int64, out), code


@intrinsic
def bounds(typingctx, product, panel, shift, known, upper, lower):
    """upper, lower [WIDTH] of one row of a tile, from the PARTS of its panel and the TERMS of its
    query; shift is what the 128 added to each integer of the panel come to."""
    whole = isinstance(product.dtype, types.Integer)

    def code(context, builder, signature, args):
        element = _I32 if whole else _F32
        p, columns, shift, terms, up, low = args
        shift = _splat(builder, shift, LANES)
        scale, a, b, above, below = (
            _splat(builder, builder.load(_at(builder, terms, i)), LANES) for i in range(TERMS)
        )
        for v in range(VECTORS):
            part = [_load(builder, _at(builder, columns, i * WIDTH), _VEC, v) for i in range(PARTS)]
            x = _load(builder, p, ir.VectorType(element, LANES), v)
            if whole:
                x = builder.sitofp(builder.sub(x, shift), _VEC)
            x = builder.fmul(builder.fmul(x, part[SCALE]), scale)
            error = builder.fadd(builder.fmul(a, part[E1]), builder.fmul(b, part[E2]))
            most = builder.fadd(builder.fadd(x, part[UP]), builder.fadd(above, error))
            least = builder.fadd(builder.fadd(x, part[LOW]), builder.fsub(below, error))
            _store(builder, most, up, v)
            _store(builder, least, low, v)
        return context.get_dummy_value()

    return types.void(product, panel, types.int32, known, upper, lower), code


def _comparison(ordered, operator, each):
    """An intrinsic: for which lanes `values[lane] operator threshold` holds, as bits."""

    def compare(typingctx, values, threshold):
        def code(context, builder, signature, args):
            left, right = args
            one = None if each else _splat(builder, right, LANES)
            test = builder.fcmp_ordered if ordered else builder.fcmp_unordered
            bits = ir.Constant(_I64, 0)
            for v in range(VECTORS):
                other = _load(builder, right, _VEC, v) if each else one
                found = test(operator, _load(builder, left, _VEC, v), other)
                some = builder.zext(builder.bitcast(found, ir.IntType(LANES)), _I64)
                bits = builder.or_(bits, builder.shl(some, ir.Constant(_I64, v * LANES)))
            return bits

        kind = threshold if each else types.float32
        return types.uint64(values, kind), code

    return intrinsic(compare)


# What cannot be compared counts as "may reach", never as "is above".
may_reach = _comparison(False, ">=", False)
is_above = _comparison(True, ">", False)
may_reach_each = _comparison(False, ">=", True)
is_above_each = _comparison(True, ">", True)


@intrinsic
def add_bits(typingctx, counts, bits):
    """counts[lane] += 1 for each lane whose bit is set."""

    def code(context, builder, signature, args):
        place, bits = args
        for v in range(VECTORS):
            some = builder.lshr(bits, ir.Constant(_I64, v * LANES))
            some = builder.trunc(some, ir.IntType(LANES))
            lanes = builder.bitcast(some, ir.VectorType(ir.IntType(1), LANES))
            ones = builder.zext(lanes, ir.VectorType(_I32, LANES))
            old = _load(builder, place, ir.VectorType(_I32, LANES), v)
            _store(builder, builder.add(old, ones), place, v)
        return context.get_dummy_value()

    return types.void(counts, types.uint64), code


def _lane_sums(difference):
    """An intrinsic: for four rows of y at once, eight interleaved float64 sums each, over
    `rounds` times eight elements. One row alone would wait for each addition, and for memory."""

    def sums(typingctx, x, x_at, y, first, second, third, fourth, rounds, lanes):
        def code(context, builder, signature, args):
            eight = ir.VectorType(_F64, 8)
            loaded = ir.VectorType(context.get_data_type(x.dtype), 8)
            wide = loaded.element == _F64
            one = builder.gep(args[0], [args[1]])
            four = [builder.gep(args[2], [at]) for at in args[3:7]]
            out = args[8]

            def read(side, at):
                value = _load(builder, builder.gep(side, [at]), loaded)
                return value if wide else builder.fpext(value, eight)

            def step(k, totals):
                at = builder.mul(k, ir.Constant(_I64, 8))
                left = read(one, at)
                new = []
                for total, side in zip(totals, four, strict=True):
                    right = read(side, at)
                    gap = builder.fsub(left, right) if difference else left
                    other = gap if difference else right
                    new.append(builder.fadd(total, builder.fmul(gap, other)))
                return new

            zero = ir.Constant(eight, [0.0] * 8)
            for i, total in enumerate(_loop(builder, args[7], [zero] * 4, step)):
                _store(builder, total, out, i)
            return context.get_dummy_value()

        at = types.int64
        return types.void(x, at, y, at, at, at, at, at, lanes), code

    return intrinsic(sums)


dot_sums = _lane_sums(False)
difference_sums = _lane_sums(True)


@inlined
def canonical_four(x, x_at, y, starts, d, difference, lanes, sums):
    """sums[c]: the float64 sum over x*y, or over (x-y)*(x-y), of the row of y at starts[c]. Lane l
    adds the elements l, l + 8, ... in order, then a fixed tree. lanes: float64 [32], for our use.
    """
    rounds = d >> 3
    if rounds == 0:
        for i in range(32):
            lanes[i] = 0.0
    elif difference:
        difference_sums(x, x_at, y, starts[0], starts[1], starts[2], starts[3], rounds, lanes)
    else:
        dot_sums(x, x_at, y, starts[0], starts[1], starts[2], starts[3], rounds, lanes)
    for c in range(4):
        s = 8 * c
        for k in range(rounds << 3, d):
            left = np.float64(x[x_at + k])
            right = np.float64(y[starts[c] + k])
            if difference:
                left -= right
                right = left
            lanes[s + (k & 7)] += left * right
        even = (lanes[s] + lanes[s + 4]) + (lanes[s + 2] + lanes[s + 6])
        odd = (lanes[s + 1] + lanes[s + 5]) + (lanes[s + 3] + lanes[s + 7])
        sums[c] = even + odd


@inlined
def keys_of(x, i, x_norm, y, rows, count, y_norms, d, metric, keys, starts, lanes, sums):
    """keys[c]: the canonical key of query i and row rows[c], for c in 0 .. count - 1.

    starts int64 [4], lanes float64 [32] and sums float64 [4] are for our use.
    """
    for first in range(0, count, 4):
        some = min(4, count - first)
        for c in range(4):
            starts[c] = rows[first + min(c, some - 1)] * d
        canonical_four(x, i * d, y, starts, d, metric == L2, lanes, sums)
        for c in range(some):
            total = sums[c]
            if metric == COSINE:
                total /= x_norm * y_norms[rows[first + c]]
            keys[first + c] = -total if metric == L2 else total
