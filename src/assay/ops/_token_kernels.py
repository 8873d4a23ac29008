"""Numba kernels over UTF-8 buffers. `ops/tokens.py` and `ops/normalise.py` call them."""

import numpy as np

from assay.ops import _intrinsics, _text_lanes, _word_kernels
from assay.ops._intrinsics import lowest, pointer
from assay.ops._text_lanes import WIDE, next_high, plain_64
from assay.ops._word_kernels import bytes_equal
from assay.ops.jit import inlined, kernel, twin

BUILT_FROM = (_intrinsics, _text_lanes, _word_kernels)

_1 = np.uint64(1)

# How the normaliser `basic` treats a code point; none of these: it stays.
BLANK = 1  # punctuation, symbols, white space: becomes a space
APOSTROPHE = 2
UNSETTLED = 4  # NFKC or lower case is more than one other code point, or depends on the place
JOINS = 8  # may compose with the code point before it, or be put in another order
FIRST = 16  # may be the first of a composition
MARK = 32  # has a combining class


@inlined
def is_space(point):
    """str.isspace for one code point."""
    if point < 0x85:
        return point == 0x20 or 0x09 <= point <= 0x0D or 0x1C <= point <= 0x1F
    return (
        point == 0x85
        or point == 0xA0
        or point == 0x1680
        or 0x2000 <= point <= 0x200A
        or point == 0x2028
        or point == 0x2029
        or point == 0x202F
        or point == 0x205F
        or point == 0x3000
    )


@kernel
def has_odd_bytes(text):
    """Could there be white space other than U+0020? Its first byte is below 0x20, C2 or E1..E3."""
    low = np.uint8(255)
    high = np.uint8(0)
    for i in range(len(text)):
        low = min(low, text[i])
        high = max(high, text[i])
    if low >= 0x20 and high < 0xC2:
        return False
    odd = 0
    for i in range(len(text)):
        b = text[i]
        odd |= (b < 0x20) | (b == 0xC2) | ((b >= 0xE1) & (b <= 0xE3))
    return odd != 0


@kernel
def has_high_bytes(text):
    high = np.uint8(0)
    for i in range(len(text)):
        high |= text[i]
    return high >= 0x80


@inlined
def point_at(text, i, stop):
    """The code point at byte i and its size; bytes that form none stand for themselves."""
    b = np.int32(text[i])
    if b < 0xC0:
        return b, 1
    if b < 0xE0:
        if i + 2 > stop:
            return b, 1
        return (b & 0x1F) << 6 | np.int32(text[i + 1]) & 0x3F, 2
    if b < 0xF0:
        if i + 3 > stop:
            return b, 1
        point = (b & 0x0F) << 12 | (np.int32(text[i + 1]) & 0x3F) << 6
        return point | np.int32(text[i + 2]) & 0x3F, 3
    if i + 4 > stop:
        return b, 1
    point = (b & 0x07) << 18 | (np.int32(text[i + 1]) & 0x3F) << 12
    return point | (np.int32(text[i + 2]) & 0x3F) << 6 | np.int32(text[i + 3]) & 0x3F, 4


@inlined
def point_before(text, i, start):
    """The code point that ends before byte i."""
    k = i - 1
    while k > start and k > i - 4 and (text[k] & 0xC0) == 0x80:
        k -= 1
    return point_at(text, k, i)[0]


@kernel
def blank_white_space(text, offsets):
    """Overwrite white space that separates words with U+0020, byte for byte."""
    for r in range(len(offsets) - 1):
        start = offsets[r]
        stop = offsets[r + 1]
        i = start
        while i < stop:
            b = text[i]
            if not (b < 0x20 or b == 0xC2 or 0xE1 <= b <= 0xE3):
                i += 1
                continue
            point, size = point_at(text, i, stop)
            if is_space(point):
                end = i + size
                if (
                    i == start
                    or end == stop
                    or is_space(point_before(text, i, start))
                    or is_space(point_at(text, end, stop)[0])
                ):
                    for k in range(i, end):
                        text[k] = 0x20
            i += size


@kernel
def decode(text, offsets):
    """UTF-8 rows as code points."""
    points = np.empty(offsets[-1] - offsets[0], np.int32)
    out = np.empty(len(offsets), np.int64)
    out[0] = 0
    at = 0
    for r in range(len(offsets) - 1):
        i = offsets[r]
        stop = offsets[r + 1]
        while i < stop:
            point, size = point_at(text, i, stop)
            points[at] = point
            at += 1
            i += size
        out[r + 1] = at
    return points[:at], out


@kernel
def pick_words(text, offsets, rows, places):
    """The words of some places as rows of UTF-8: word places[k] of row rows[k], words cut at
    U+0020. rows do not decrease, and the places within a row increase."""
    out = np.empty(offsets[-1] - offsets[0], np.uint8)
    ends = np.zeros(len(rows) + 1, np.int64)
    size = 0
    row = -1
    i = 0
    word = 0
    for k in range(len(rows)):
        if rows[k] != row:
            row = rows[k]
            i = offsets[row]
            word = -1
        stop = offsets[row + 1]
        while word < places[k]:
            while text[i] == 0x20:
                i += 1
            begin = i
            while i < stop and text[i] != 0x20:
                i += 1
            word += 1
        for b in range(begin, i):
            out[size] = text[b]
            size += 1
        ends[k + 1] = size
    return out[:size], ends


@inlined
def stripped(symbols, i, stop):
    """The bounds of a row without the white space at its ends."""
    while i < stop and is_space(symbols[i]):
        i += 1
    while i < stop and is_space(symbols[stop - 1]):
        stop -= 1
    return i, stop


@kernel
def strip_rows(symbols, offsets):
    """Where each row starts and ends without the white space at its ends."""
    n = len(offsets) - 1
    starts = np.empty(n, np.int64)
    ends = np.empty(n, np.int64)
    for r in range(n):
        starts[r], ends[r] = stripped(symbols, offsets[r], offsets[r + 1])
    return starts, ends


strip_bytes = twin(strip_rows, "strip_bytes")  # symbols uint8 instead of int32


@kernel
def strip_joined(data, n):
    """Where each of n rows of ASCII, joined by one zero byte each, starts and ends without the
    white space at its ends; nothing if some row holds a zero byte too."""
    starts = np.empty(n, np.int64)
    ends = np.empty(n, np.int64)
    text, size = pointer(data, 0), len(data)
    row = 0
    begin = 0
    for block in range(0, size + 1, 64):
        zeros = bytes_equal(text, size, block, np.uint8(0))
        if size - block < 64:  # the end of the text ends a row
            zeros |= _1 << np.uint64(size - block)
        while zeros:
            if row == n:
                return starts[:0], ends[:0]
            stop = block + lowest(zeros)
            zeros &= zeros - _1
            starts[row], ends[row] = stripped(text, begin, stop)
            begin = stop + 1
            row += 1
    return starts, ends


@kernel
def unsettled_rows(text, offsets, classes):
    """Rows that NFKC or lower case may change beyond one code point for another.

    A code point that joins (a combining mark, or the second of a composition) changes nothing
    unless it follows the first of one, or a mark follows a mark.
    """
    out = np.zeros(len(offsets) - 1, np.bool_)
    source, kinds = pointer(text, 0), pointer(classes, 0)
    for r in range(len(offsets) - 1):
        i = offsets[r]
        stop = offsets[r + 1]
        before = np.uint8(0)
        while i < stop:
            if source[i] < 0x80:
                if i + 1 < stop and source[i + 1] < 0x80:
                    i = next_high(source, len(text), i + 2, stop)
                else:
                    i += 1
                before = kinds[source[i - 1]]
                continue
            point, size = point_at(source, i, stop)
            kind = kinds[point] if point < len(classes) else np.uint8(UNSETTLED)
            if kind & UNSETTLED or (
                kind & JOINS and (before & FIRST or (kind & MARK and before & MARK))
            ):
                out[r] = True
                break
            before = kind
            i += size
    return out


@inlined
def put_point(values, at, point):
    """Write a code point as UTF-8; returns where the next one goes."""
    if point < 0x80:
        values[at] = point
        return at + 1
    if point < 0x800:
        values[at] = 0xC0 | (point >> 6)
        values[at + 1] = 0x80 | (point & 0x3F)
        return at + 2
    if point < 0x10000:
        values[at] = 0xE0 | (point >> 12)
        values[at + 1] = 0x80 | ((point >> 6) & 0x3F)
        values[at + 2] = 0x80 | (point & 0x3F)
        return at + 3
    values[at] = 0xF0 | (point >> 18)
    values[at + 1] = 0x80 | ((point >> 12) & 0x3F)
    values[at + 2] = 0x80 | ((point >> 6) & 0x3F)
    values[at + 3] = 0x80 | (point & 0x3F)
    return at + 4


@kernel
def basic_rows(text, offsets, classes, lower):
    """Lower case, BLANK code points to spaces, runs of spaces to one, none at the ends.

    An APOSTROPHE between two code points that are neither becomes U+0027 and stays, others are
    blank. lower int32: the lower case of each code point.
    """
    # two bytes may become three, and one that is part of no code point two
    values = np.empty((offsets[-1] - offsets[0]) * 2 + WIDE, np.uint8)
    out = np.empty(len(offsets), np.int64)
    out[0] = 0
    at = 0
    source, target = pointer(text, 0), pointer(values, 0)
    kinds, small = pointer(classes, 0), pointer(lower, 0)
    inside = len(text) - WIDE
    for r in range(len(offsets) - 1):
        i = offsets[r]
        stop = offsets[r + 1]
        begin = at
        gap = True  # nothing kept since the last space or the start
        kept = False  # was the code point before one that stays?
        while i < stop:
            # not for one byte between others, which takes less by itself
            if i <= inside and source[i] < 0x80 and source[i + 1] < 0x80:
                stays, blank = plain_64(source, i, target, at)
                again = blank & (blank << _1 | np.uint64(gap))  # a space that follows a space
                count = min(lowest(~(stays | blank) | again), stop - i)
                if count:
                    i += count
                    at += count
                    kept = (stays >> np.uint64(count - 1)) & _1 != 0
                    gap = not kept
                    continue
            point, size = point_at(source, i, stop)
            kind = kinds[point] if point < len(classes) else 0
            i += size
            if kind & APOSTROPHE:
                ahead = BLANK
                if kept and i < stop:
                    point = point_at(source, i, stop)[0]
                    ahead = kinds[point] if point < len(classes) else 0
                kept = False
                if ahead & (BLANK | APOSTROPHE):
                    kind = BLANK
                else:
                    target[at] = 0x27
                    at += 1
                    continue
            if kind & BLANK:
                kept = False
                target[at] = 0x20
                at += not gap
                gap = True
                continue
            kept = True
            gap = False
            at = put_point(target, at, small[point] if point < len(lower) else point)
        if gap and at > begin:
            at -= 1
        out[r + 1] = at
    for k in range(at, at + 8):
        values[k] = 0
    return values[: at + 8], out
