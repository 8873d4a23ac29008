"""The edit distance of one long pair: banded, and split the way compiled rapidfuzz splits it.

Where the table of a pair would take 1 MiB of bits or more, rapidfuzz cuts the hypothesis in the
middle, takes the first reference position through which a shortest path goes, and aligns both
halves on their own. That changes ties, so it is done here at the same sizes.

Any alignment is an upper bound k of the distance, and a path of cost <= k stays on the diagonals
i - j in [-(k - (n - m)) // 2, (k + (n - m)) // 2] (Ukkonen 1985). Cells outside are taken as too
large, which changes no cell of a shortest path and no tie on one. Memory is linear: one column of
bits, and at the leaves a table below the limit above.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.threads import parallel
from assay.ops._edit_kernels import DELETE, EQUAL, INSERT, SUBSTITUTE
from assay.ops.jit import kernel

Ids = npt.NDArray[np.int32]
Index = tuple[Any, Any, Any, Any]  # what index_symbols returns

SPLIT_BYTES = 1 << 20
FIRST_BOUND = 512
_FAR = np.iinfo(np.int64).max // 4

_0 = np.uint64(0)
_1 = np.uint64(1)
_63 = np.uint64(63)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@kernel
def index_symbols(a, size):
    """Where each symbol 0..size - 1 occurs in a.

    starts int64 [size + 1] and positions list the places of every symbol. Symbols met so often
    that marking their places one by one would cost more than reading a bit row have one:
    row int32 [size] names it in pm [1 + rows, blocks]; row 0 of pm is scratch for the others.
    """
    n = len(a)
    blocks = (n + 63) >> 6
    starts = np.zeros(size + 1, np.int64)
    for i in range(n):
        starts[a[i] + 1] += 1
    row = np.zeros(size, np.int32)
    rows = 0
    for s in range(size):
        if starts[s + 1] > blocks:
            rows += 1
            row[s] = rows
        starts[s + 1] += starts[s]
    positions = np.empty(n, np.int32)
    pm = np.zeros((rows + 1, blocks), np.uint64)
    fill = starts.copy()
    for i in range(n):
        positions[fill[a[i]]] = i
        fill[a[i]] += 1
        if row[a[i]]:
            pm[row[a[i]], i >> 6] |= _1 << np.uint64(i & 63)
    return starts, positions, row, pm


@kernel
def band(starts, positions, row, pm, n, b, columns, low, high, keep):
    """Columns 1..columns of the table, on diagonals low..high.

    Returns the last column [n + 1] (far away outside the band) and, with `keep`, the vertical
    steps of every column: vp, vn [columns + 1, width], the first block of column j at
    max(0, j + low - 1) // 64.
    """
    blocks = (n + 63) >> 6
    p = np.empty(blocks, np.uint64)
    q = np.empty(blocks, np.uint64)
    bottom = np.empty(blocks, np.int64)
    width = min(blocks, ((high - low) >> 6) + 3)
    vp = np.empty((columns + 1 if keep else 1, width), np.uint64)
    vn = np.empty((columns + 1 if keep else 1, width), np.uint64)
    seek = starts.copy()
    top = -1  # the last block that has been in the band
    first = 0
    for j in range(1, columns + 1):
        first = max(0, j + low - 1) >> 6
        last = (min(n, j + high) - 1) >> 6
        while top < last:
            # a block enters: below the band every row costs one more, no less than the truth
            top += 1
            p[top] = _ALL
            q[top] = _0
            bottom[top] = 64 + (bottom[top - 1] if top > 0 else j - 1)
        symbol = b[j - 1]
        bits = row[symbol]
        if bits == 0:
            at = seek[symbol]
            stop = starts[symbol + 1]
            while at < stop and positions[at] < first << 6:
                at += 1
            seek[symbol] = at
            while at < stop and positions[at] < (last + 1) << 6:
                pm[0, positions[at] >> 6] |= _1 << np.uint64(positions[at] & 63)
                at += 1
        hp_in = _1  # row 0, or a row that has left the band: one more, no less than the truth
        hn_in = _0
        for w in range(first, last + 1):
            up = p[w]
            down = q[w]
            x = pm[bits, w] | hn_in
            d = (((x & up) + up) ^ up) | x | down
            hp = down | ~(d | up)
            hn = d & up
            hp_out = hp >> _63
            hn_out = hn >> _63
            bottom[w] += np.int64(hp_out) - np.int64(hn_out)
            hp = (hp << _1) | hp_in
            hn = (hn << _1) | hn_in
            hp_in = hp_out
            hn_in = hn_out
            p[w] = hn | ~(d | hp)
            q[w] = hp & d
        if bits == 0:
            for w in range(first, last + 1):
                pm[0, w] = _0
        if keep:
            for w in range(first, last + 1):
                vp[j, w - first] = p[w]
                vn[j, w - first] = q[w]
    column = np.full(n + 1, _FAR)
    for w in range(first, top + 1):
        value = bottom[w]
        for bit in range(63, -1, -1):
            i = 64 * w + bit + 1
            if i <= n:
                column[i] = value
            value -= np.int64((p[w] >> np.uint64(bit)) & _1)
            value += np.int64((q[w] >> np.uint64(bit)) & _1)
    if first == 0:
        column[0] = columns
    return column, vp, vn


@kernel
def walk_band(a, b, low, high, vp, vn, path):
    """The canonical path through a kept band, written to the end of path; returns its start."""
    at = len(path)
    i = len(a)
    j = len(b)
    while i > 0 and j > 0:
        at -= 1
        bit = np.uint64((i - 1) & 63)
        here = ((i - 1) >> 6) - (max(0, j + low - 1) >> 6)
        left = ((i - 1) >> 6) - (max(0, j + low - 2) >> 6)
        inside = (i - 1) >> 6 <= (min(len(a), j - 1 + high) - 1) >> 6
        if (vp[j, here] >> bit) & _1:
            path[at] = DELETE
            i -= 1
        elif j > 1 and inside and (vn[j - 1, left] >> bit) & _1:
            path[at] = INSERT
            j -= 1
        else:
            path[at] = EQUAL if a[i - 1] == b[j - 1] else SUBSTITUTE
            i -= 1
            j -= 1
    while i > 0:
        at -= 1
        path[at] = DELETE
        i -= 1
    while j > 0:
        at -= 1
        path[at] = INSERT
        j -= 1
    return at


def long_distance(a: Ids, b: Ids, size: int) -> int:
    """Distance of one pair of symbol sequences, symbols in 0..size - 1."""
    before, after = common_ends(a, b)
    a, b = a[before : len(a) - after], b[before : len(b) - after]
    return _bound(a, b, size, prove=True) if len(a) and len(b) else len(a) + len(b)


def long_path(a: Ids, b: Ids, size: int) -> npt.NDArray[np.uint8]:
    """The canonical path of one pair: one operation a step."""
    return np.concatenate([*_align(a, b, size, None), np.empty(0, np.uint8)])


def common_ends(a: Ids, b: Ids) -> tuple[int, int]:
    """Lengths of the common prefix, and of the common suffix of what remains."""
    size = min(len(a), len(b))
    differ = np.flatnonzero(a[:size] != b[:size])
    before = int(differ[0]) if differ.size else size
    size -= before
    differ = np.flatnonzero(a[len(a) - size :] != b[len(b) - size :])
    return before, size - 1 - int(differ[-1]) if differ.size else size


def _diagonals(n: int, m: int, bound: int) -> tuple[int, int]:
    return -((bound - (n - m)) // 2), (bound + (n - m)) // 2


def _bound(a: Ids, b: Ids, size: int, prove: bool) -> int:
    """An upper bound of the distance from narrow bands; with `prove` the distance itself, from a
    band as wide as that bound."""
    n, m = len(a), len(b)
    index: Index = index_symbols(a, size)
    best = max(n, m)
    width = min(best, abs(n - m) + FIRST_BOUND)
    while True:
        low, high = _diagonals(n, m, width)
        column, _, _ = band(*index, n, b, m, low, high, False)
        best = min(best, int(column[n]))
        near = best <= 8 * width  # wider bands would cost more than they can save
        if best <= width or (near and not prove):
            return best
        width = best if near else 4 * width


def _align(a: Ids, b: Ids, size: int, distance: int | None) -> list[npt.NDArray[np.uint8]]:
    """Pieces of the path of a against b, whose distance is known except at the top."""
    before, after = common_ends(a, b)
    a, b = a[before : len(a) - after], b[before : len(b) - after]
    n, m = len(a), len(b)
    cap = max(n, m) if distance is None else min(distance, max(n, m))
    table_bytes = 2 * min(n, 2 * cap + 1) * m // 8
    if not n or not m:
        pieces = [np.full(n + m, DELETE if n else INSERT, np.uint8)]
    elif table_bytes < SPLIT_BYTES or n < 65 or m < 10:
        pieces = [_leaf(a, b, size, cap)]
    else:
        bound = _bound(a, b, size, prove=False) if distance is None else cap
        half = m // 2
        head, tail = _halves(a, b, size, bound, half)
        total = head + tail[::-1]
        cut = int(np.argmin(total))  # the first of the least
        pieces = _align(a[:cut], b[:half], size, int(head[cut]))
        pieces += _align(a[cut:], b[half:], size, int(tail[n - cut]))
    return [np.zeros(before, np.uint8), *pieces, np.zeros(after, np.uint8)]


def _halves(a: Ids, b: Ids, size: int, bound: int, half: int) -> list[Any]:
    """Distances of every prefix of a to b[:half], and of every suffix of a to b[half:]."""
    low, high = _diagonals(len(a), len(b), bound)

    def one(side: tuple[Ids, Ids, int]) -> Any:
        x, y, columns = side
        index: Index = index_symbols(x, size)
        return band(*index, len(x), y, columns, low, high, False)[0]

    back = np.ascontiguousarray(a[::-1]), np.ascontiguousarray(b[::-1])
    return list(parallel(one, [(a, b, half), (*back, len(b) - half)]))


def _leaf(a: Ids, b: Ids, size: int, bound: int) -> npt.NDArray[np.uint8]:
    low, high = _diagonals(len(a), len(b), bound)
    index: Index = index_symbols(a, size)
    _, vp, vn = band(*index, len(a), b, len(b), low, high, True)
    path = np.empty(len(a) + len(b), np.uint8)
    return path[walk_band(a, b, low, high, vp, vn, path) :]
