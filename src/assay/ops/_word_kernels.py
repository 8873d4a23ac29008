"""Numba kernels that cut UTF-8 text into words. `ops/tokens.py` is their only caller.

Text is read eight bytes at a time. What both sides of a pair begin and end with is compared as
bytes and only counted in words; the words between become small numbers, equal where the words are.
Equality is decided by the characters: a key only says where to look.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import raw_memcpy
from numba.extending import intrinsic

from assay.ops.jit import inlined, kernel

_0 = np.uint64(0)
_1 = np.uint64(1)
_8 = np.uint64(8)
_29 = np.uint64(29)
_32 = np.uint64(32)
_56 = np.uint64(56)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW7 = np.uint64(0x7F7F7F7F7F7F7F7F)
_BYTES = np.uint64(0x0101010101010101)
_TOP = np.uint64(0x80)
_LONG = np.uint64(0xFF00000000000000)  # no size below eight
_MIX1 = np.uint64(0x9E3779B97F4A7C15)
_MIX2 = np.uint64(0xC2B2AE3D27D4EB4F)


@intrinsic
def load64(typingctx, array, offset):
    """Eight bytes of an array's memory, little-endian, at any byte offset."""

    def code(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        start = builder.bitcast(data, ir.IntType(8).as_pointer())
        place = builder.gep(start, [args[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(array, types.int64), code


@intrinsic
def equal64(typingctx, array, offset, byte):
    """Which of 64 bytes of an array's memory equal a byte, as bits."""

    def code(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        start = builder.bitcast(data, ir.IntType(8).as_pointer())
        vector = ir.VectorType(ir.IntType(8), 64)
        place = builder.bitcast(builder.gep(start, [args[1]]), vector.as_pointer())
        empty = ir.Constant(vector, ir.Undefined)
        one = builder.insert_element(empty, args[2], ir.Constant(ir.IntType(32), 0))
        first = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
        wanted = builder.shuffle_vector(one, empty, first)
        found = builder.icmp_unsigned("==", builder.load(place, align=1), wanted)
        return builder.bitcast(found, ir.IntType(64))

    return types.uint64(array, types.int64, types.uint8), code


@intrinsic
def copy_bytes(typingctx, source, start, target, at, count):
    """target[at:at + count] = source[start:start + count]."""

    def code(context, builder, signature, args):
        places = []
        for array, value, offset in ((target, args[2], args[3]), (source, args[0], args[1])):
            data = context.make_array(array)(context, builder, value).data
            start = builder.bitcast(data, ir.IntType(8).as_pointer())
            places.append(builder.gep(start, [offset]))
        raw_memcpy(builder, *places, args[4], ir.Constant(ir.IntType(64), 1))
        return context.get_dummy_value()

    return types.void(source, types.int64, target, types.int64, types.int64), code


@intrinsic
def popcount(typingctx, word):
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


@inlined
def peek(text, at):
    """Eight bytes from `at`; past the end of the buffer they are zero. len(text) >= 8."""
    spare = len(text) - 8 - at
    if spare >= 0:
        return load64(text, at)
    return load64(text, len(text) - 8) >> np.uint64(-8 * spare)


@inlined
def peek_back(text, end):
    """The eight bytes before `end`, the last in the top byte. len(text) >= 8."""
    if end >= 8:
        return load64(text, end - 8)
    return load64(text, 0) << np.uint64(8 * (8 - end))


@inlined
def separators(word, sep):
    """0x80 in every byte of `word` that equals the byte repeated in `sep`."""
    word ^= sep
    return ~(((word & _LOW7) + _LOW7) | word | _LOW7)


@inlined
def bytes_equal(text, at, byte):
    """Which of the 64 bytes from `at` equal a byte; none past the end of the buffer."""
    if at + 64 <= len(text):
        return equal64(text, at, byte)
    bits = _0
    for k in range(at, len(text)):
        bits |= np.uint64(text[k] == byte) << np.uint64(k - at)
    return bits


@inlined
def word_key(text, begin, size):
    """A word below eight bytes: its bytes and its size. A longer one: a hash."""
    key = peek(text, begin)
    if size < 8:
        shift = np.uint64(8 * size)
        return (key & ((_1 << shift) - _1)) | (np.uint64(size) << _56)
    for k in range(8, size - 8, 8):
        key = (key ^ (key >> _29)) * _MIX1 ^ peek(text, begin + k)
    key = (key ^ (key >> _29)) * _MIX1 ^ peek(text, begin + size - 8)
    return ((key ^ (key >> _29)) * _MIX2) | _LONG


@inlined
def equal_words(ref, a, hyp, b, size):
    """Are two words of eight bytes or more, of one size, the same characters?"""
    for k in range(0, size - 8, 8):
        if peek(ref, a + k) != peek(hyp, b + k):
            return False
    return peek(ref, a + size - 8) == peek(hyp, b + size - 8)


@inlined
def leading_words(ref, a0, a1, hyp, b0, b1, seps):
    """What both texts begin with: whole words, their bytes with the separators, equal bytes."""
    size = min(a1 - a0, b1 - b0)
    words = 0
    cut = 0
    outside = _TOP  # was the byte before a separator?
    at = 0
    while at < size:
        x = peek(ref, a0 + at)
        differ = x ^ peek(hyp, b0 + at)
        if size - at < 8:
            differ |= _ALL << np.uint64(8 * (size - at))
        same = lowest(differ) >> 3
        s = separators(x, seps)
        if same < 8:
            s &= (_1 << np.uint64(8 * same)) - _1
        words += popcount(s & ~((s << _8) | outside))
        if s:
            cut = at + 8 - (above(s) >> 3)
        outside = s >> _56
        at += same
        if same < 8:
            break
    return words, cut, at


@inlined
def trailing_words(ref, a0, a1, hyp, b0, b1, seps):
    """What both texts end with: whole words behind a separator, and their bytes without it."""
    size = min(a1 - a0, b1 - b0)
    words = 0
    cut = 0
    outside = _TOP  # is the byte behind a separator?
    at = 0
    while at < size:
        x = peek_back(ref, a1 - at)
        differ = x ^ peek_back(hyp, b1 - at)
        if size - at < 8:
            differ |= _ALL >> np.uint64(8 * (size - at))
        same = above(differ) >> 3
        s = separators(x, seps)
        if same < 8:
            s &= ~(_ALL >> np.uint64(8 * same))
        words += popcount(s & ~((s >> _8) | (outside << _56)))
        if s:
            cut = at + 7 - (lowest(s) >> 3)
        outside = s & _TOP
        at += same
        if same < 8:
            break
    return words, cut


@inlined
def number_words(text, start, stop, sep, ref, keys, numbers, begins, sizes, slots, out, at, add):
    """Numbers of the words between separators, to out[at:]; returns how many words there are.

    A word's number is the place where the reference first has it, from 1, or 0 where it has not.
    keys, numbers, begins, sizes [slots]: the reference's words by hash, free where the key is 0.
    With `add` the words are the reference's own, and those not met before are put in.

    Words below eight bytes are equal where their keys are; of longer ones the characters decide.
    """
    mask = np.uint64(slots - 1)
    count = 0
    begin = start
    block = start
    while block <= stop:
        s = bytes_equal(text, block, sep)
        left = stop - block
        if left < 64:  # the end of the text ends a word
            end = _1 << np.uint64(left)
            s = (s & (end - _1)) | end
        while s:
            place = block + lowest(s)
            s &= s - _1
            size = place - begin
            if size > 0:
                key = word_key(text, begin, size)
                slot = ((key * _MIX2) >> _32) & mask
                found = keys[slot]
                while found != _0:
                    if found == key and (
                        size < 8
                        or (
                            sizes[slot] == size
                            and equal_words(ref, begins[slot], text, begin, size)
                        )
                    ):
                        break
                    slot = (slot + _1) & mask
                    found = keys[slot]
                if found != _0:
                    out[at + count] = numbers[slot]
                elif add:
                    keys[slot] = key
                    numbers[slot] = count + 1
                    begins[slot] = begin
                    sizes[slot] = size
                    out[at + count] = count + 1
                else:
                    out[at + count] = 0
                count += 1
            begin = place + 1
        block += 64
    return count


@kernel
def word_symbols(ref, ref_offsets, hyp, hyp_offsets, first, last, sep):
    """Rows first..last of text pairs as numbers of words, words separated by runs of `sep`.

    Returns, for n pairs: a, b int32, the words that differ or lie between differing ones;
    a_offsets, b_offsets int64 [n + 1]; same int64 [n, 2], equal words before and after; and a
    bound above all numbers. Numbers start at 1 in each pair and mean nothing outside it;
    0 is a hypothesis word that the reference lacks.
    """
    n = last - first
    top = 1  # words there can be in a reference
    for r in range(first, last):
        top = max(top, (ref_offsets[r + 1] - ref_offsets[r]) // 2 + 1)
    a = np.empty((ref_offsets[last] - ref_offsets[first]) // 2 + n, np.int32)
    b = np.empty((hyp_offsets[last] - hyp_offsets[first]) // 2 + n, np.int32)
    a_offsets = np.zeros(n + 1, np.int64)
    b_offsets = np.zeros(n + 1, np.int64)
    same = np.empty((n, 2), np.int64)
    slots = 16
    while slots < 2 * top:
        slots *= 2
    keys = np.empty(slots, np.uint64)
    numbers = np.empty(slots, np.int32)
    begins = np.empty(slots, np.int64)
    sizes = np.empty(slots, np.int64)
    seps = np.uint64(sep) * _BYTES
    for o in range(n):
        r = first + o
        a0, a1, b0, b1 = ref_offsets[r], ref_offsets[r + 1], hyp_offsets[r], hyp_offsets[r + 1]
        before = 0
        # Runs of separators may differ in length: go on behind them, or words that belong to the
        # common prefix would be taken for a suffix.
        while True:
            words, cut, equal = leading_words(ref, a0, a1, hyp, b0, b1, seps)
            before += words
            whole = equal == a1 - a0 and equal == b1 - b0
            if whole:
                break
            a0 += cut
            b0 += cut
            skipped = a0 + b0
            while a0 < a1 and ref[a0] == sep:
                a0 += 1
            while b0 < b1 and hyp[b0] == sep:
                b0 += 1
            if a0 + b0 == skipped:
                break
        after = 0
        count_a = 0
        count_b = 0
        if whole:
            before += np.int64(equal > cut)
        else:
            after, cut = trailing_words(ref, a0, a1, hyp, b0, b1, seps)
            slots = 16
            while slots < a1 - cut - a0 + 1:  # twice the words there can be
                slots *= 2
            for k in range(slots):
                keys[k] = _0
            # One call for both sides, as each is compiled on its own.
            text, start, stop, out, place = ref, a0, a1 - cut, a, a_offsets[o]
            for side in range(2):
                count = number_words(
                    text, start, stop, sep, ref, keys, numbers, begins, sizes, slots, out, place,
                    side == 0,
                )  # fmt: skip
                if side == 0:
                    count_a = count
                    text, start, stop, out, place = hyp, b0, b1 - cut, b, b_offsets[o]
                else:
                    count_b = count
        same[o, 0] = before
        same[o, 1] = after
        a_offsets[o + 1] = a_offsets[o] + count_a
        b_offsets[o + 1] = b_offsets[o] + count_b
    return a, a_offsets, b, b_offsets, same, top + 1


@kernel
def split_rows(data, n):
    """Rows that were joined by one zero byte each: their bytes, at least eight, and offsets
    [n + 1]. If some row holds a zero byte too, offsets alone, and no such."""
    offsets = np.zeros(n + 1, np.int64)
    size = len(data)
    found = 0  # zero bytes
    at = 0
    while at < size:
        bits = bytes_equal(data, at, np.uint8(0))
        while bits != _0:
            if found < n:
                offsets[found + 1] = at + lowest(bits) - found
            found += 1
            bits &= bits - _1
        at += 64
    if found != max(0, n - 1):
        return np.empty(0, np.uint8), offsets[:0]
    if n > 0:
        offsets[n] = size - found
    values = np.empty(max(8, size - found), np.uint8)
    for k in range(size - found, len(values)):
        values[k] = 0
    for r in range(n):
        copy_bytes(data, offsets[r] + r, values, offsets[r], offsets[r + 1] - offsets[r])
    return values, offsets
