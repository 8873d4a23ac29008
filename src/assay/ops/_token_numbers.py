"""The Numba kernel that numbers the words of a text, for `ops/ngram.py` and `ops/phrases.py`.

Unlike the numbers of `_word_kernels`, which hold within a pair, these hold within one text, however
many rows it has; the table grows as words are met. Equality is decided by the characters: a key
only says where to look.
"""

import numpy as np

from assay.ops import _intrinsics, _word_kernels
from assay.ops._intrinsics import keep, lowest, pointer
from assay.ops._word_kernels import bytes_equal, equal_words, word_key
from assay.ops.jit import inlined, kernel

BUILT_FROM = (_intrinsics, _word_kernels)

_0 = np.uint64(0)
_1 = np.uint64(1)
_29 = np.uint64(29)
_32 = np.uint64(32)
_LOW32 = np.uint64(0xFFFFFFFF)
_MIX1 = np.uint64(0x9E3779B97F4A7C15)
_MIX2 = np.uint64(0xC2B2AE3D27D4EB4F)
# What is known of a word. Up to 16 bytes LOW and HIGH are the word itself.
FIELDS = 4
LOW, HIGH, SIZE, BEGIN = range(FIELDS)
SPARE = 2  # slots for each word there is room for


@inlined
def mixed_key(low, high, size):
    return ((low ^ (low >> _29)) * _MIX1 ^ high ^ size) * _MIX2


@inlined
def fill_slots(slots, mask, words, count):
    """Put words 0..count - 1 into slots. A slot: half of the hash, then the number plus 1."""
    for slot in range(mask + 1):
        slots[slot] = _0
    for number in range(count):
        place = number * FIELDS
        mixed = mixed_key(words[place + LOW], words[place + HIGH], words[place + SIZE])
        slot = np.int64(mixed >> _32) & mask
        while slots[slot] != _0:
            slot = (slot + 1) & mask
        slots[slot] = (mixed & ~_LOW32) | np.uint64(number + 1)


@kernel
def number_words(text, offsets, every, refs):
    """Words of rows as numbers, in order of their first occurrence.

    Words are what runs of U+0020 leave; with `every` what single ones do, so that some are empty
    and an empty row is one empty word. Returns numbers int32, offsets of rows int64 [n + 1], and
    where each word lies in the text: first byte and size, int64 [words, 2].

    With refs (int64 [items + 1], else none) numbers hold within an item: a hypothesis, then its
    references, refs[i]:refs[i + 1] of all. Its words are numbered from 0, and a reference's word
    that it lacks is -1. No places are returned.
    """
    n = len(offsets) - 1
    by_item = len(refs) > 0
    used = offsets[n] - offsets[0]
    numbers = np.empty(used + n if every else used // 2 + n, np.int32)
    ends = np.empty(n + 1, np.int64)
    ends[0] = 0
    # Room for all words there can be, most of which is never touched: a table that moves would have
    # its references counted at every word.
    most = used
    if by_item:
        most = 0
        for i in range(len(refs) - 1):
            row = i + refs[i]
            most = max(most, offsets[row + 1] - offsets[row])
    room = 1024
    while room < (most + n if every else most // 2 + n) + 1:
        room *= 2
    known = np.empty(room * FIELDS, np.uint64)
    table = np.empty(room * SPARE, np.uint64)
    words, slots, mask = pointer(known, 0), pointer(table, 0), 1024 * SPARE - 1
    for slot in range(mask + 1):
        slots[slot] = _0
    source, length = pointer(text, 0), len(text)
    count = 0
    at = 0
    item = 0
    add = True
    for r in range(n):
        stop = offsets[r + 1]
        begin = offsets[r]
        if by_item:
            add = r == item + refs[item]
            if add:
                item += 1
                count = 0
                mask = 15
                while mask < SPARE * ((stop - begin) // (1 if every else 2) + 1):
                    mask = 2 * mask + 1
                for slot in range(mask + 1):
                    slots[slot] = _0
        block = begin
        while block <= stop:
            bits = bytes_equal(source, length, block, np.uint8(0x20))
            left = stop - block
            if left < 64:  # the end of the row ends a word
                end = _1 << np.uint64(left)
                bits = (bits & (end - _1)) | end
            while bits:
                place = block + lowest(bits)
                bits &= bits - _1
                size = place - begin
                if size > 0 or every:
                    low, high = _0, _0
                    if size > 0:
                        low, high = word_key(source, length, begin, size)
                    mixed = mixed_key(low, high, np.uint64(size))
                    slot = np.int64(mixed >> _32) & mask
                    number = np.int64(-1)
                    while slots[slot] != _0:
                        if (slots[slot] ^ mixed) & ~_LOW32 == _0:
                            other = np.int64(slots[slot] & _LOW32) - 1
                            entry = other * FIELDS
                            if (
                                words[entry + LOW] == low
                                and words[entry + HIGH] == high
                                and words[entry + SIZE] == np.uint64(size)
                                and (
                                    size <= 16
                                    or equal_words(
                                        source, np.int64(words[entry + BEGIN]), source, begin, size
                                    )
                                )
                            ):
                                number = other
                                break
                        slot = (slot + 1) & mask
                    if add and number < 0:
                        number = count
                        entry = number * FIELDS
                        words[entry + LOW] = low
                        words[entry + HIGH] = high
                        words[entry + SIZE] = np.uint64(size)
                        words[entry + BEGIN] = np.uint64(begin)
                        slots[slot] = (mixed & ~_LOW32) | np.uint64(number + 1)
                        count += 1
                        if count * SPARE > mask:
                            mask = 2 * mask + 1
                            fill_slots(slots, mask, words, count)
                    numbers[at] = number
                    at += 1
                begin = place + 1
            block += 64
        ends[r + 1] = at
    places = np.empty((0 if by_item else count, 2), np.int64)
    for number in range(len(places)):
        places[number, 0] = known[number * FIELDS + BEGIN]
        places[number, 1] = known[number * FIELDS + SIZE]
    keep(known)
    keep(table)
    return numbers[:at], ends, places
