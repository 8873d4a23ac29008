"""Numba kernels over UTF-8 buffers. `ops/tokens.py` and `ops/normalise.py` call them."""

import numpy as np

from assay.ops.jit import inlined, kernel, twin


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
    size = 2 if b < 0xE0 else 3 if b < 0xF0 else 4
    if i + size > stop:
        return b, 1
    point = b & (0x7F >> size)
    for k in range(1, size):
        point = point << 6 | np.int32(text[i + k]) & 0x3F
    return point, size


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
def byte_offsets(text, offsets):
    """Offsets in bytes of rows whose offsets are counted in code points."""
    out = np.empty(len(offsets), np.int64)
    out[0] = 0
    at = 0
    for r in range(len(offsets) - 1):
        left = offsets[r + 1] - offsets[r]
        # a row ends where the code point behind its last one begins
        while at < len(text):
            if (text[at] & 0xC0) != 0x80:
                if left == 0:
                    break
                left -= 1
            at += 1
        out[r + 1] = at
    return out


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
def strip_rows(symbols, offsets):
    """Where each row starts and ends without the white space at its ends."""
    n = len(offsets) - 1
    starts = np.empty(n, np.int64)
    ends = np.empty(n, np.int64)
    for r in range(n):
        i = offsets[r]
        stop = offsets[r + 1]
        while i < stop and is_space(symbols[i]):
            i += 1
        while i < stop and is_space(symbols[stop - 1]):
            stop -= 1
        starts[r] = i
        ends[r] = stop
    return starts, ends


strip_bytes = twin(strip_rows, "strip_bytes")  # symbols uint8 instead of int32


@kernel
def basic_rows(text, offsets, classes):
    """ASCII letters lower-cased, code points of class 1 to spaces, runs of spaces to one, none at
    the ends. An apostrophe (class 2) stays between two code points of class 0."""
    values = np.empty(offsets[-1] - offsets[0] + 8, np.uint8)
    out = np.empty(len(offsets), np.int64)
    out[0] = 0
    at = 0
    for r in range(len(offsets) - 1):
        i = offsets[r]
        stop = offsets[r + 1]
        gap = True  # nothing kept since the last space or the start
        kept = False  # is the code point before of class 0?
        begin = at
        while i < stop:
            point, size = point_at(text, i, stop)
            kind = classes[point] if point < len(classes) else 0
            if kind == 2:
                inside = False
                if kept and i + size < stop:
                    ahead = point_at(text, i + size, stop)[0]
                    inside = (classes[ahead] if ahead < len(classes) else 0) == 0
                kind = 3 if inside else 1
            if kind == 1:
                if not gap:
                    values[at] = 0x20
                    at += 1
                    gap = True
            elif kind == 3:
                values[at] = 0x27
                at += 1
            else:
                for k in range(i, i + size):
                    b = text[k]
                    values[at] = b + 0x20 if 0x41 <= b <= 0x5A else b
                    at += 1
                gap = False
            kept = kind == 0
            i += size
        if gap and at > begin:
            at -= 1
        out[r + 1] = at
    for k in range(at, len(values)):
        values[k] = 0
    return values, out
