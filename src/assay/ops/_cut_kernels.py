"""Numba kernels that put spaces where tokenisers cut. `ops/cutting.py` is their only caller."""

import numpy as np

from assay.ops import _intrinsics, _token_kernels, _word_kernels
from assay.ops._intrinsics import keep, pointer
from assay.ops._token_kernels import is_space, point_at
from assay.ops._word_kernels import copy_bytes
from assay.ops.jit import inlined, kernel

BUILT_FROM = (_intrinsics, _token_kernels, _word_kernels)

# What a tokeniser takes a code point for
SYMBOL = 1  # always a token of its own
POINT = 2  # punctuation that stays within numbers
DIGIT = 4
DASH = 8  # cut off behind a digit
INNER = 16  # a further byte of a code point
GROWTH = 24  # more than all passes together can lengthen a row


@inlined
def used_part(out, size):
    """The first bytes, eight at least: kernels read eight at a time."""
    for k in range(size, 8):
        out[k] = 0
    return out[: max(8, size)]


@kernel
def blank_all_white_space(text, offsets):
    """Overwrite all white space, as str.isspace has it, with U+0020, byte for byte."""
    for r in range(len(offsets) - 1):
        i = offsets[r]
        stop = offsets[r + 1]
        while i < stop:
            b = text[i]
            if not (b < 0x20 or b == 0xC2 or 0xE1 <= b <= 0xE3):
                i += 1
                continue
            point, size = point_at(text, i, stop)
            if is_space(point):
                for k in range(i, i + size):
                    text[k] = 0x20
            i += size


@kernel
def interleave(heads, head_offsets, rows, row_offsets, ends):
    """Row i of heads, then rows ends[i]:ends[i + 1] of the others, for all i; ends[0] is 0."""
    n = len(ends) - 1
    heads_size = head_offsets[n] - head_offsets[0]
    out = np.empty(max(8, heads_size + row_offsets[ends[n]] - row_offsets[0]), np.uint8)
    offsets = np.empty(n + ends[n] + 1, np.int64)
    offsets[0] = 0
    at = 0
    row = 0
    for i in range(n):
        size = head_offsets[i + 1] - head_offsets[i]
        copy_bytes(heads, head_offsets[i], out, at, size)
        at += size
        row += 1
        offsets[row] = at
        first = row_offsets[ends[i]]
        copy_bytes(rows, first, out, at, row_offsets[ends[i + 1]] - first)
        for r in range(ends[i], ends[i + 1]):
            at += row_offsets[r + 1] - row_offsets[r]
            row += 1
            offsets[row] = at
    return used_part(out, at), offsets


@kernel
def drop_spaces(text, offsets):
    """Rows without U+0020."""
    out = np.empty(max(8, offsets[-1] - offsets[0]), np.uint8)
    ends = np.empty(len(offsets), np.int64)
    ends[0] = 0
    at = 0
    for r in range(len(offsets) - 1):
        for i in range(offsets[r], offsets[r + 1]):
            out[at] = text[i]
            at += text[i] != 0x20
        ends[r + 1] = at
    return used_part(out, at), ends


@kernel
def cut_characters(text, offsets):
    """A space behind each code point."""
    out = np.empty(max(8, 2 * (offsets[-1] - offsets[0])), np.uint8)
    ends = np.empty(len(offsets), np.int64)
    ends[0] = 0
    at = 0
    for r in range(len(offsets) - 1):
        i = offsets[r]
        stop = offsets[r + 1]
        while i < stop:
            size = point_at(text, i, stop)[1]
            for k in range(i, i + size):
                out[at] = text[k]
                at += 1
            out[at] = 0x20
            at += 1
            i += size
        ends[r + 1] = at
    return used_part(out, at), ends


@kernel
def cut_marks(text, offsets, marks):
    """Words parted by U+0020, each with one mark cut off: its last, or else its first code point.

    marks bool [256]. A word of one code point stays.
    """
    out = np.empty(max(8, 2 * (offsets[-1] - offsets[0]) + len(offsets)), np.uint8)
    ends = np.empty(len(offsets), np.int64)
    ends[0] = 0
    at = 0
    for r in range(len(offsets) - 1):
        i = offsets[r]
        stop = offsets[r + 1]
        while i < stop:
            if text[i] == 0x20:
                i += 1
                continue
            begin = i
            while i < stop and text[i] != 0x20:
                i += 1
            cut = i
            if point_at(text, begin, i)[1] < i - begin:
                if marks[text[i - 1]]:
                    cut = i - 1
                elif marks[text[begin]]:
                    cut = begin + 1
            for k in range(begin, i):
                if k == cut:
                    out[at] = 0x20
                    at += 1
                out[at] = text[k]
                at += 1
            out[at] = 0x20
            at += 1
        ends[r + 1] = at
    return used_part(out, at), ends


@kernel
def find_written_forms(text, offsets):
    """Rows in which mteval-v13a may rewrite something: those with `&`, `<s` or a line feed."""
    out = np.zeros(len(offsets) - 1, np.bool_)
    for r in range(len(offsets) - 1):
        before = np.uint8(0)
        for i in range(offsets[r], offsets[r + 1]):
            b = text[i]
            if b == 0x26 or b == 0x0A or (b == 0x73 and before == 0x3C):
                out[r] = True
                break
            before = b
    return out


@inlined
def put(text, kinds, i, size, out, out_kinds, at):
    """Copy the code point at i; returns where the next one goes."""
    for k in range(size):
        out[at + k] = text[i + k]
        out_kinds[at + k] = kinds[i + k]
    return at + size


@inlined
def space(out, out_kinds, at):
    out[at] = 0x20
    out_kinds[at] = 0
    return at + 1


@inlined
def size_at(kinds, i, n):
    size = 1
    while i + size < n and kinds[i + size] & INNER:
        size += 1
    return size


@inlined
def part_all(text, kinds, n, out, out_kinds):
    """Spaces around every SYMBOL."""
    at = 0
    i = 0
    while i < n:
        size = size_at(kinds, i, n)
        if kinds[i] & SYMBOL:
            at = space(out, out_kinds, at)
            at = put(text, kinds, i, size, out, out_kinds, at)
            at = space(out, out_kinds, at)
        else:
            at = put(text, kinds, i, size, out, out_kinds, at)
        i += size
    return at


@inlined
def part_pairs(text, kinds, n, out, out_kinds, first, wanted, second, sought, before):
    """Spaces around the second of two code points, or, with `before`, around the first.

    A pair: one whose `first` bits are `wanted`, then one whose `second` bits are `sought`. Pairs
    are looked for from the left and do not overlap.
    """
    at = 0
    i = 0
    while i < n:
        size = size_at(kinds, i, n)
        follower = i + size
        pair = (
            follower < n and (kinds[i] & first) == wanted and (kinds[follower] & second) == sought
        )
        if not pair:
            at = put(text, kinds, i, size, out, out_kinds, at)
            i = follower
            continue
        if before:
            at = space(out, out_kinds, at)
        at = put(text, kinds, i, size, out, out_kinds, at)
        at = space(out, out_kinds, at)
        size = size_at(kinds, follower, n)
        at = put(text, kinds, follower, size, out, out_kinds, at)
        if not before:
            at = space(out, out_kinds, at)
        i = follower + size
    return at


@kernel
def cut_punctuation(text, offsets, plain, classes, international):
    """Rows with spaces where mteval-v13a or, `international`, mteval-v14 cuts them.

    plain uint8 [128]: kinds of ASCII; classes uint8 [...]: of all code points, or nothing where
    those beyond ASCII are of none. White space is U+0020. Each rule is a pass of its own, as the
    scripts have them: what one puts in, the next one sees.
    """
    n = len(offsets) - 1
    longest = np.int64(0)
    for r in range(n):
        longest = max(longest, offsets[r + 1] - offsets[r])
    room = GROWTH * (longest + 2)
    held = np.empty(4 * room, np.uint8)
    text_a, kinds_a = pointer(held, 0), pointer(held, room)
    text_b, kinds_b = pointer(held, 2 * room), pointer(held, 3 * room)
    out = np.empty(max(8, 2 * (offsets[n] - offsets[0]) + n), np.uint8)
    ends = np.empty(n + 1, np.int64)
    ends[0] = 0
    at = 0
    for r in range(n):
        begin = offsets[r]
        stop = offsets[r + 1]
        while stop > begin and text[stop - 1] == 0x20:
            stop -= 1
        found = 0
        size = 0
        if not international:
            size = space(text_a, kinds_a, 0)
        i = begin
        while i < stop:
            b = text[i]
            if b < 0x80:
                text_a[size] = b
                kinds_a[size] = plain[b]
                found |= plain[b]
                size += 1
                i += 1
                continue
            point, width = point_at(text, i, stop)
            kind = classes[point] if point < len(classes) else 0
            found |= kind
            for k in range(width):
                text_a[size + k] = text[i + k]
                kinds_a[size + k] = kind if k == 0 else INNER
            size += width
            i += width
        if not international:
            size = space(text_a, kinds_a, size)
        source, kinds, other, other_kinds = text_a, kinds_a, text_b, kinds_b
        # One call for every rule, as each is compiled on its own.
        for step in range(4):
            if international:
                rule = (1, 2, 0, 4)[step]
            else:
                rule = (0, 1, 2, 3)[step]
            if rule == 0:
                if not found & SYMBOL:
                    continue
                size = part_all(source, kinds, size, other, other_kinds)
            elif rule == 4 or not found & (DASH if rule == 3 else POINT):
                continue
            else:
                first, wanted, second, sought = DIGIT, 0, POINT, POINT
                if rule == 2:
                    first, wanted, second, sought = POINT, POINT, DIGIT, 0
                elif rule == 3:
                    first, wanted, second, sought = DIGIT, DIGIT, DASH, DASH
                size = part_pairs(
                    source, kinds, size, other, other_kinds, first, wanted, second, sought,
                    rule == 2,
                )  # fmt: skip
            source, kinds, other, other_kinds = other, other_kinds, source, kinds
        gap = True
        for i in range(size):
            b = source[i]
            if b == 0x20 and gap:
                continue
            gap = b == 0x20
            out[at] = b
            at += 1
        ends[r + 1] = at
    keep(held)
    return used_part(out, at), ends
