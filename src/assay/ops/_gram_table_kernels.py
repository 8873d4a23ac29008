"""Numba kernels over sorted tables of n-grams, of `ops/ngram_table.py` and `own_frequencies.py`.

A key is the number of the n-gram's first n - 1 words, times 2^32, plus that of its last word: a
whole n-gram in 64 bits. Tables are in order of keys, so they add and are searched by going along.
"""

import numpy as np

from assay.ops import _intrinsics
from assay.ops._intrinsics import keep, pointer
from assay.ops.jit import inlined, kernel

BUILT_FROM = (_intrinsics,)

_DIGIT = 12  # bits, at most
_WORD = np.int64(0xFFFFFFFF)


@inlined
def scatter(keys, numbers, n, shift, mask, starts, keys_to, numbers_to):
    """Put keys and their numbers in order of one digit; starts: where each value of it begins."""
    for k in range(n):
        value = (keys[k] >> shift) & mask
        at = starts[value]
        starts[value] = at + 1
        keys_to[at] = keys[k]
        numbers_to[at] = numbers[k]


@inlined
def sort_keys(keys, numbers, spare, spare_numbers):
    """Put keys, and the numbers that go with them, in order; all four are written over.

    A radix sort of both halves put together, as neither fills its own. Returns pointers to the keys
    so put together and to the numbers, and how wide the lower half is.
    """
    n = len(keys)
    low, high = np.int64(0), np.int64(0)
    for i in range(n):
        low |= keys[i] & _WORD
        high |= keys[i] >> 32
    width = np.int64(0)
    while low >> width:
        width += 1
    bits = width
    while high >> (bits - width):
        bits += 1
    digits = (bits + _DIGIT - 1) // _DIGIT
    digit = (bits + digits - 1) // max(1, digits)
    mask = (np.int64(1) << digit) - 1
    source, other = pointer(keys, 0), pointer(spare, 0)
    own, others = pointer(numbers, 0), pointer(spare_numbers, 0)
    held_starts = np.zeros(digits << digit, np.int64)
    starts = pointer(held_starts, 0)
    for i in range(n):
        key = ((source[i] >> 32) << width) | (source[i] & _WORD)
        source[i] = key
        for d in range(digits):
            starts[(d << digit) | ((key >> (d * digit)) & mask)] += 1
    for d in range(digits):
        total = 0
        for value in range(d << digit, (d + 1) << digit):
            count = starts[value]
            starts[value] = total
            total += count
        scatter(source, own, n, d * digit, mask, pointer(held_starts, d << digit), other, others)
        source, other, own, others = other, source, others, own
    keep(held_starts)
    return source, own, width


@kernel
def count_keys(keys):
    """The distinct keys in order, how often each is there, and which of them each key is."""
    n = len(keys)
    held, spare = keys.copy(), np.empty(n, np.int64)
    numbers, spare_numbers = np.empty(n, np.int32), np.empty(n, np.int32)
    for i in range(n):
        numbers[i] = i
    source, own, width = sort_keys(held, numbers, spare, spare_numbers)
    distinct, counts = np.empty(n, np.int64), np.empty(n, np.int64)
    places = np.empty(n, np.int32)
    found = 0
    before = np.int64(-1)
    for k in range(n):
        key = source[k]
        if key != before:
            distinct[found] = ((key >> width) << 32) | (key & ((np.int64(1) << width) - 1))
            counts[found] = 0
            found += 1
            before = key
        counts[found - 1] += 1
        places[own[k]] = found - 1
    keep((held, spare, numbers, spare_numbers))
    return distinct[:found].copy(), counts[:found].copy(), places


@kernel
def keys_of(above, symbols, lengths, ranks, length, places):
    """The nodes of one length whose words have a rank and the one above them a place, and their
    keys. ranks int64: of each word, below 0: none; places int32: of nodes of other lengths."""
    chosen, keys = np.empty(len(lengths), np.int32), np.empty(len(lengths), np.int64)
    at = 0
    for i in range(len(lengths)):
        if lengths[i] == length:
            rank = ranks[symbols[i]]
            up = np.int64(places[above[i]]) if length > 1 else np.int64(0)
            if rank >= 0 and up >= 0:
                chosen[at] = i
                keys[at] = (up << 32) | rank
                at += 1
    return chosen[:at], keys[:at]


@kernel
def put_counts(chosen, numbers, found, counts, places, out):
    """Of each chosen node where it stands in the table, and its count, if that is above 1."""
    for k in range(len(chosen)):
        at = found[numbers[k]]
        if at >= 0 and counts[at] > 1:
            places[chosen[k]] = at
            out[chosen[k]] = counts[at]


@kernel
def find_keys(table, keys):
    """Where each of some keys stands in a table, -1 where it does not; both are in order."""
    out = np.empty(len(keys), np.int32)
    n = len(table)
    low = 0
    for k in range(len(keys)):
        key = keys[k]
        step = 1
        while low + step < n and table[low + step] < key:
            low += step
            step *= 2
        high = min(n, low + step + 1)
        while low < high:
            middle = (low + high) // 2
            if table[middle] < key:
                low = middle + 1
            else:
                high = middle
        out[k] = low if low < n and table[low] == key else -1
    return out


@kernel
def merge_tables(a, a_counts, a_above, a_words, b, b_counts, b_above, b_words):
    """The keys of two tables and their counts, and where those of each went.

    above, words int32: the new number of each old one, in the same order.
    """
    keys = np.empty(len(a) + len(b), np.int64)
    counts = np.empty(len(keys), np.int64)
    a_to, b_to = np.empty(len(a), np.int32), np.empty(len(b), np.int32)
    none = np.int64(0x7FFFFFFFFFFFFFFF)
    i, j, at = 0, 0, 0
    x = (np.int64(a_above[a[0] >> 32]) << 32) | a_words[a[0] & _WORD] if len(a) else none
    y = (np.int64(b_above[b[0] >> 32]) << 32) | b_words[b[0] & _WORD] if len(b) else none
    while i < len(a) or j < len(b):
        key = min(x, y)
        keys[at] = key
        counts[at] = 0
        if x == key:
            counts[at] += a_counts[i]
            a_to[i] = at
            i += 1
            x = none
            if i < len(a):
                x = (np.int64(a_above[a[i] >> 32]) << 32) | a_words[a[i] & _WORD]
        if y == key:
            counts[at] += b_counts[j]
            b_to[j] = at
            j += 1
            y = none
            if j < len(b):
                y = (np.int64(b_above[b[j] >> 32]) << 32) | b_words[b[j] & _WORD]
        at += 1
    return keys[:at].copy(), counts[:at].copy(), a_to, b_to
