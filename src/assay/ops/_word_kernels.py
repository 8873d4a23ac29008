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

from assay.ops import _intrinsics
from assay.ops._intrinsics import above, keep, load64, lowest, matches_64, pointer, popcount
from assay.ops.jit import inlined, kernel

BUILT_FROM = (_intrinsics,)

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
# The table of a reference's words. No more than a slot in SPARE is taken.
FIELDS = 8
STAMP, LOW, HIGH, SIZE, BEGIN, NUMBER = range(6)
SPARE = 2
_MIX1 = np.uint64(0x9E3779B97F4A7C15)
_MIX2 = np.uint64(0xC2B2AE3D27D4EB4F)


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


@inlined
def peek(text, length, at):
    """Eight bytes from `at`; past the end of the text they are zero. length >= 8."""
    spare = length - 8 - at
    if spare >= 0:
        return load64(text, at)
    return load64(text, length - 8) >> np.uint64(-8 * spare)


@inlined
def peek_back(text, end):
    """The eight bytes before `end`, the last in the top byte. The text has as many."""
    if end >= 8:
        return load64(text, end - 8)
    return load64(text, 0) << np.uint64(8 * (8 - end))


@inlined
def separators(word, sep):
    """0x80 in every byte of `word` that equals the byte repeated in `sep`."""
    word ^= sep
    return ~(((word & _LOW7) + _LOW7) | word | _LOW7)


@inlined
def bytes_equal(text, length, at, byte):
    """Which of the 64 bytes from `at` equal a byte; none past the end of the text."""
    if at + 64 <= length:
        return matches_64(text, at, byte)
    bits = _0
    for k in range(length - 1, at - 1, -1):
        bits = (bits << _1) | np.uint64(text[k] == byte)
    return bits


@inlined
def first_bytes(word, count):
    """The first `count` bytes of eight, the others zero."""
    return word if count >= 8 else word & ((_1 << np.uint64(8 * count)) - _1)


@inlined
def word_key(text, length, begin, size):
    """Up to 16 bytes: the bytes themselves. More: the first eight, and a hash of the others."""
    if begin + 16 <= length:
        low = load64(text, begin)
        high = load64(text, begin + 8)
    else:
        low = peek(text, length, begin)
        high = peek(text, length, begin + 8) if size > 8 else _0
    if size <= 16:
        return first_bytes(low, size), first_bytes(high, max(0, size - 8))
    for k in range(16, size - 8, 8):
        high = (high ^ (high >> _29)) * _MIX1 ^ peek(text, length, begin + k)
    return low, (high ^ (high >> _29)) * _MIX1 ^ peek(text, length, begin + size - 8)


@inlined
def equal_words(ref, a, hyp, b, size):
    """Are two words of eight bytes or more, of one size, the same characters?"""
    for k in range(0, size - 8, 8):
        if load64(ref, a + k) != load64(hyp, b + k):
            return False
    return load64(ref, a + size - 8) == load64(hyp, b + size - 8)


@inlined
def leading_words(ref, ref_length, a0, a1, hyp, hyp_length, b0, b1, seps):
    """What both texts begin with: whole words, their bytes with the separators, equal bytes."""
    size = min(a1 - a0, b1 - b0)
    words = 0
    cut = 0
    outside = _TOP  # was the byte before a separator?
    at = 0
    while at < size:
        x = peek(ref, ref_length, a0 + at)
        differ = x ^ peek(hyp, hyp_length, b0 + at)
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
def number_words(text, length, start, stop, sep, ref, table, slots, now, out, add):
    """Numbers of the words between separators, to out; returns how many words there are.

    A word's number is the place where the reference first has it, from 1, or 0 where it has not.
    table [slots, FIELDS], flat: the reference's words by hash; a slot with another stamp than
    `now` is free. With `add` the words are the reference's own, and those not met before are put
    in. Words up to 16 bytes are equal where their keys are; of longer ones the characters decide.
    """
    mask = slots * FIELDS - 1
    count = 0
    begin = start
    block = start
    while block <= stop:
        s = bytes_equal(text, length, block, sep)
        left = stop - block
        if left < 64:  # the end of the text ends a word
            end = _1 << np.uint64(left)
            s = (s & (end - _1)) | end
        while s:
            place = block + lowest(s)
            s &= s - _1
            size = place - begin
            if size > 0:
                low, high = word_key(text, length, begin, size)
                mixed = ((low ^ (low >> _29)) * _MIX1 ^ high) * _MIX2
                slot = np.int64(mixed >> _32) * FIELDS & mask
                number = np.int64(0)
                while table[slot + STAMP] == now:
                    if table[slot + HIGH] == high and table[slot + SIZE] == np.uint64(size):
                        if size <= 16:
                            equal = table[slot + LOW] == low
                        else:
                            equal = equal_words(ref, table[slot + BEGIN], text, begin, size)
                        if equal:
                            number = np.int64(table[slot + NUMBER])
                            break
                    slot = (slot + FIELDS) & mask
                count += 1
                if add and number == 0:
                    number = count
                    table[slot + STAMP] = now
                    table[slot + LOW] = low
                    table[slot + HIGH] = high
                    table[slot + SIZE] = np.uint64(size)
                    table[slot + BEGIN] = np.uint64(begin)
                    table[slot + NUMBER] = np.uint64(number)
                out[count - 1] = number
            begin = place + 1
        block += 64
    return count


@kernel
def word_symbols(refs, ref_offsets, hyps, hyp_offsets, sep, ends):
    """Pairs of texts as numbers of words, words separated by runs of `sep`.

    Returns, for n pairs: a, b int32, the words that differ or lie between differing ones;
    a_offsets, b_offsets int64 [n + 1]; same int64 [n, 2], equal words before and after; and a
    bound above all numbers. Numbers start at 1 in each pair and mean nothing outside it;
    0 is a hypothesis word that the reference lacks. ends: which equal words are left out, those
    before (1), after (2).
    """
    n = len(ref_offsets) - 1
    top = 1  # words there can be in a reference
    for r in range(n):
        top = max(top, (ref_offsets[r + 1] - ref_offsets[r]) // 2 + 1)
    a = np.empty((ref_offsets[n] - ref_offsets[0]) // 2 + n, np.int32)
    b = np.empty((hyp_offsets[n] - hyp_offsets[0]) // 2 + n, np.int32)
    a_offsets = np.empty(n + 1, np.int64)
    b_offsets = np.empty(n + 1, np.int64)
    a_offsets[0] = 0
    b_offsets[0] = 0
    same = np.empty((n, 2), np.int64)
    slots = 16
    while slots < SPARE * top:
        slots *= 2
    words = np.empty(slots * FIELDS, np.uint64)
    table = pointer(words, 0)
    for k in range(slots):
        table[k * FIELDS + STAMP] = _0
    ref, ref_length, hyp, hyp_length = pointer(refs, 0), len(refs), pointer(hyps, 0), len(hyps)
    seps = np.uint64(sep) * _BYTES
    for r in range(n):
        a0, a1, b0, b1 = ref_offsets[r], ref_offsets[r + 1], hyp_offsets[r], hyp_offsets[r + 1]
        before = 0
        whole = False
        # Runs of separators may differ in length: go on behind them, or words that belong to the
        # common prefix would be taken for a suffix.
        while ends & 1:
            equal_ones, cut, equal = leading_words(
                ref, ref_length, a0, a1, hyp, hyp_length, b0, b1, seps
            )
            before += equal_ones
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
            cut = 0
            if ends & 2:
                after, cut = trailing_words(ref, a0, a1, hyp, b0, b1, seps)
            slots = 16
            while slots < SPARE * ((a1 - cut - a0) // 2 + 1):
                slots *= 2
            # One call for both sides, as each is compiled on its own.
            text, length, start, stop = ref, ref_length, a0, a1 - cut
            out = pointer(a, a_offsets[r])
            for side in range(2):
                count = number_words(
                    text, length, start, stop, np.uint8(sep), ref, table, slots, np.uint64(r + 1),
                    out, side == 0,
                )  # fmt: skip
                if side == 0:
                    count_a = count
                    text, length, start, stop = hyp, hyp_length, b0, b1 - cut
                    out = pointer(b, b_offsets[r])
                else:
                    count_b = count
        same[r, 0] = before
        same[r, 1] = after
        a_offsets[r + 1] = a_offsets[r] + count_a
        b_offsets[r + 1] = b_offsets[r] + count_b
    keep(words)
    return a, a_offsets, b, b_offsets, same, top + 1


@kernel
def split_rows(data, n):
    """Rows that were joined by one zero byte each: their bytes, at least eight, and offsets
    [n + 1]. If some row holds a zero byte too, offsets alone, and no such."""
    offsets = np.empty(n + 1, np.int64)
    offsets[0] = 0
    size = len(data)
    text = pointer(data, 0)
    found = 0  # zero bytes
    for at in range(0, size, 64):
        bits = bytes_equal(text, size, at, np.uint8(0))
        while bits != _0:
            if found < n:
                offsets[found + 1] = at + lowest(bits) - found
            found += 1
            bits &= bits - _1
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
