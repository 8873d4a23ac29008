"""Parts of the kernels over UTF-8 that see 64 bytes at once, for `_token_kernels.py`."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from assay.ops._intrinsics import lowest
from assay.ops.jit import inlined

WIDE = 64
_BITS = ir.IntType(WIDE)
_BYTES = ir.VectorType(ir.IntType(8), WIDE)


def _place(builder, data, at):
    return builder.bitcast(builder.gep(data, [at]), _BYTES.as_pointer())


def _many(byte):
    return ir.Constant(_BYTES, [byte] * WIDE)


@intrinsic
def high_64(typingctx, text, at):
    """Which of 64 bytes are no ASCII, as bits."""

    def code(context, builder, signature, args):
        many = builder.load(_place(builder, *args), align=1)
        return builder.bitcast(builder.icmp_signed("<", many, _many(0)), _BITS)

    return types.uint64(text, types.int64), code


@intrinsic
def plain_64(typingctx, text, at, out, to):
    """out[to:to + 64] = text[at:at + 64], ASCII letters in lower case, ASCII punctuation and
    symbols but for the apostrophe as U+0020. Which are letters or digits, and which are now
    U+0020, as bits; what is neither has to be looked at."""

    def code(context, builder, signature, args):
        def within(many, first, count):
            return builder.icmp_unsigned("<", builder.sub(many, _many(first)), _many(count))

        many = builder.load(_place(builder, *args[:2]), align=1)
        small = builder.or_(many, _many(0x20))
        letter = within(small, ord("a"), 26)
        stays = builder.or_(letter, within(many, ord("0"), 10))
        other = builder.icmp_unsigned("!=", many, _many(ord("'")))
        blank = builder.and_(builder.and_(within(many, 0x20, 0x5F), other), builder.not_(stays))
        plain = builder.select(letter, small, builder.select(blank, _many(0x20), many))
        builder.store(plain, _place(builder, *args[2:]), align=1)
        bits = [builder.bitcast(each, _BITS) for each in (stays, blank)]
        return context.make_tuple(builder, signature.return_type, bits)

    two = types.UniTuple(types.uint64, 2)
    return two(text, types.int64, out, types.int64), code


@inlined
def next_high(text, length, i, stop):
    """Where the first byte from i on is that is no ASCII, or `stop`."""
    while i < stop:
        if i + WIDE <= length:
            ahead = lowest(high_64(text, i))
            i += ahead
            if ahead < WIDE:
                break
        elif text[i] < 0x80:
            i += 1
        else:
            break
    return min(i, stop)
