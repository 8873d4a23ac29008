"""Single machine operations that the kernels are made of, where Numba has none or a slower one.

Kernels hand arrays to their parts as pointers: p[i] is one load, where array[i] asks each time
whether i counts from the end, and passing an array counts references to it atomically.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = [
    "above",
    "above_64",
    "keep",
    "load64",
    "lowest",
    "matches_16",
    "matches_64",
    "pointer",
    "popcount",
]


@intrinsic
def pointer(typingctx, array, at):
    """Where the items of a contiguous array are, from item `at` on. The caller keeps the array
    alive: a kernel's arguments are; what it has allocated it gives to keep() after the last use."""

    def code(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.gep(data, [args[1]])

    return types.CPointer(array.dtype)(array, types.int64), code


@intrinsic
def keep(typingctx, array):
    """Nothing; but Numba frees an array after its last use, and this is one."""

    def code(context, builder, signature, args):
        return context.get_dummy_value()

    return types.void(array), code


@intrinsic
def load64(typingctx, text, offset):
    """Eight bytes of memory, little-endian, at any byte offset."""

    def code(context, builder, signature, args):
        place = builder.gep(args[0], [args[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(text, types.int64), code


def _splat(builder, value, lanes):
    empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(ir.IntType(32), 0))
    first = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(one, empty, first)


def _matcher(lanes):
    """An intrinsic: which of p[at:at + lanes] equal the symbol, as bits."""

    def matches(typingctx, symbols, at, symbol):
        def code(context, builder, signature, args):
            vector = ir.VectorType(context.get_data_type(symbols.dtype), lanes)
            place = builder.bitcast(builder.gep(args[0], [args[1]]), vector.as_pointer())
            wanted = _splat(builder, args[2], lanes)
            equal = builder.icmp_unsigned("==", builder.load(place, align=1), wanted)
            bits = builder.bitcast(equal, ir.IntType(lanes))
            return bits if lanes == 64 else builder.zext(bits, ir.IntType(64))

        return types.uint64(symbols, types.int64, symbols.dtype), code

    return intrinsic(matches)


matches_16 = _matcher(16)
matches_64 = _matcher(64)


@intrinsic
def above_64(typingctx, values, bound):
    """Which of 64 numbers are greater, as bits."""

    def code(context, builder, signature, args):
        vector = ir.VectorType(context.get_data_type(values.dtype), 64)
        many = builder.load(builder.bitcast(args[0], vector.as_pointer()), align=1)
        greater = builder.fcmp_ordered(">", many, _splat(builder, args[1], 64))
        return builder.bitcast(greater, ir.IntType(64))

    return types.uint64(values, values.dtype), code


@intrinsic
def popcount(typingctx, word):
    """Number of bits that are set."""

    def code(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), code


@intrinsic
def lowest(typingctx, word):
    """Number of zero bits below the lowest set bit; 64 for zero."""

    def code(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), code


@intrinsic
def above(typingctx, word):
    """Number of zero bits above the highest set bit; 64 for zero."""

    def code(context, builder, signature, args):
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), code
