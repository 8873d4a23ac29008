"""Numba kernels that cut UTF-8 text into words. `ops/tokens.py` is their only caller.

Text is read eight bytes at a time. What both sides of a pair begin and end with is compared as
bytes and only counted in words; the words between become small numbers, equal where the words are.
Equality is decided by the characters: a key only says where to look.
"""

import numpy as np
from llvmlite import ir
from numba import types
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
_HIGH = np.uint64(0x8080808080808080)
_BYTES = np.uint64(0x0101010101010101)
_TOP = np.uint64(0x80)
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
def split(text, start, stop, sep, keys, starts, sizes):
    """Words between separators: where they start, their bytes, and a key. Returns how many.

    The key of a word of up to eight bytes is the word itself, of a longer one a hash.
    """
    count = 0
    begin = -1
    outside = _TOP  # was the byte before a separator?
    at = start
    while at < stop + 1:  # one more byte, so that the last word ends
        x = peek(text, at) if at < stop else _0
        s = separators(x, sep)
        left = stop - at
        if left < 8:
            s |= _HIGH << np.uint64(8 * left) if left > 0 else _HIGH
        turn = s ^ ((s << _8) | outside)
        turn &= _HIGH
        outside = s >> _56
        while turn:
            place = at + (lowest(turn) >> 3)
            turn &= turn - _1
            if begin < 0:
                begin = place
                continue
            size = place - begin
            key = peek(text, begin)
            if size < 8:
                key &= (_1 << np.uint64(8 * size)) - _1
            elif size > 8:
                for k in range(8, size - 8, 8):
                    key = (key ^ (key >> _29)) * _MIX1 ^ peek(text, begin + k)
                key = (key ^ (key >> _29)) * _MIX1 ^ peek(text, place - 8)
            keys[count] = key
            starts[count] = begin
            sizes[count] = size
            count += 1
            begin = -1
        at += 8
    return count


@inlined
def equal_words(ref, a, hyp, b, size):
    """Are two words of one size and one key the same characters?"""
    if size > 8:
        for k in range(0, size - 8, 8):
            if peek(ref, a + k) != peek(hyp, b + k):
                return False
        return peek(ref, a + size - 8) == peek(hyp, b + size - 8)
    return True


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
def number_words(
    text, keys, starts, sizes, count, ref, a_keys, a_starts, a_sizes, table, slots, out, at, add
):  # fmt: skip
    """out[at + k]: where the reference first has word k of text, from 1; 0 where it lacks it.

    table: 1 + index of a reference word, by hash. With `add` the words are the reference's own,
    and those not met before are put in.
    """
    mask = np.uint64(slots - 1)
    for k in range(count):
        key = keys[k]
        size = sizes[k]
        slot = (((key ^ np.uint64(size)) * _MIX2) >> _32) & mask
        number = table[slot]
        while number != 0:
            i = number - 1
            alike = a_keys[i] == key and a_sizes[i] == size
            if alike and equal_words(ref, a_starts[i], text, starts[k], size):
                break
            slot = (slot + _1) & mask
            number = table[slot]
        if add and number == 0:
            number = np.int32(k + 1)
            table[slot] = number
        out[at + k] = number


@kernel
def word_symbols(ref, ref_offsets, hyp, hyp_offsets, first, last, sep):
    """Rows first..last of text pairs as numbers of words, words separated by runs of `sep`.

    Returns, for n pairs: a, b int32, the words that differ or lie between differing ones;
    a_offsets, b_offsets int64 [n + 1]; same int64 [n, 2], equal words before and after; and a
    bound above all numbers. Numbers start at 1 in each pair and mean nothing outside it;
    0 is a hypothesis word that the reference lacks.
    """
    n = last - first
    top_a = 1
    top_b = 1
    for r in range(first, last):
        top_a = max(top_a, (ref_offsets[r + 1] - ref_offsets[r]) // 2 + 1)
        top_b = max(top_b, (hyp_offsets[r + 1] - hyp_offsets[r]) // 2 + 1)
    a = np.empty((ref_offsets[last] - ref_offsets[first]) // 2 + n, np.int32)
    b = np.empty((hyp_offsets[last] - hyp_offsets[first]) // 2 + n, np.int32)
    a_offsets = np.zeros(n + 1, np.int64)
    b_offsets = np.zeros(n + 1, np.int64)
    same = np.empty((n, 2), np.int64)
    a_keys = np.empty(top_a, np.uint64)
    a_starts = np.empty(top_a, np.int64)
    a_sizes = np.empty(top_a, np.int64)
    b_keys = np.empty(top_b, np.uint64)
    b_starts = np.empty(top_b, np.int64)
    b_sizes = np.empty(top_b, np.int64)
    slots = 16
    while slots < 2 * top_a:
        slots *= 2
    table = np.empty(slots, np.int32)  # 1 + index of a reference word, by hash
    seps = np.uint64(sep) * _BYTES
    for o in range(n):
        r = first + o
        a0, a1, b0, b1 = ref_offsets[r], ref_offsets[r + 1], hyp_offsets[r], hyp_offsets[r + 1]
        before, cut, equal = leading_words(ref, a0, a1, hyp, b0, b1, seps)
        whole = equal == a1 - a0 and equal == b1 - b0
        # Runs of separators may differ in length: go on behind them, or words that belong to the
        # common prefix would be taken for a suffix.
        while not whole:
            a0 += cut
            b0 += cut
            skipped = a0 + b0
            while a0 < a1 and ref[a0] == sep:
                a0 += 1
            while b0 < b1 and hyp[b0] == sep:
                b0 += 1
            if a0 + b0 == skipped:
                break
            words, cut, equal = leading_words(ref, a0, a1, hyp, b0, b1, seps)
            before += words
            whole = equal == a1 - a0 and equal == b1 - b0
        after = 0
        count_a = 0
        count_b = 0
        if whole:
            before += np.int64(equal > cut)
        else:
            after, cut = trailing_words(ref, a0, a1, hyp, b0, b1, seps)
            count_a = split(ref, a0, a1 - cut, seps, a_keys, a_starts, a_sizes)
            count_b = split(hyp, b0, b1 - cut, seps, b_keys, b_starts, b_sizes)
            slots = 16
            while slots < 2 * count_a:
                slots *= 2
            for k in range(slots):
                table[k] = 0
            number_words(
                ref, a_keys, a_starts, a_sizes, count_a,
                ref, a_keys, a_starts, a_sizes, table, slots, a, a_offsets[o], True,
            )  # fmt: skip
            number_words(
                hyp, b_keys, b_starts, b_sizes, count_b,
                ref, a_keys, a_starts, a_sizes, table, slots, b, b_offsets[o], False,
            )  # fmt: skip
        same[o, 0] = before
        same[o, 1] = after
        a_offsets[o + 1] = a_offsets[o] + count_a
        b_offsets[o + 1] = b_offsets[o] + count_b
    return a, a_offsets, b, b_offsets, same, top_a + 1
