"""Numba kernels that pack queries and gallery rows for the product of `_similarity_simd.py`.

Vectors lie flat, [n * d]. Every kernel has a form for float32 and one for float64 vectors.
"""

import numpy as np

from assay.ops import _intrinsics, _similarity_simd
from assay.ops._intrinsics import keep, pointer
from assay.ops._similarity_simd import (
    COSINE,
    E1,
    E2,
    KAPPA_8,
    L2,
    LARGE,
    LOW,
    PARTS,
    ROWS,
    SCALE,
    SMALL,
    TERMS,
    UP,
    WIDEN,
    WIDTH,
    canonical_four,
)
from assay.ops.jit import inlined, kernel, twin

BUILT_FROM = (_intrinsics, _similarity_simd)

_INF = np.float32(np.inf)


@inlined
def float_row(x, at, d, factor, row):
    for k in range(d):
        row[k] = np.float32(x[at + k] * factor)


@inlined(reassociate=True)
def whole_row(row, d, whole):
    """row as 8-bit integers: their scale and the norm of what is lost."""
    top = np.float32(0)
    for k in range(d):
        top = max(top, abs(row[k]))
    scale = top / np.float32(127)
    inverse = np.float32(1) / scale if top > 0 else np.float32(0)
    lost = np.float32(0)
    for k in range(d):
        q = np.rint(row[k] * inverse)
        whole[k] = np.int8(q)
        left = row[k] - q * scale
        lost += left * left
    return scale, np.sqrt(np.float64(lost) * (1 + d * 2.0**-23))


@inlined
def shape_row(x, at, d, metric, norm, row):
    """The vector that is multiplied, as float32; its norm, and whether bounds on it can be had."""
    by_norm = metric == COSINE and norm > 0
    float_row(x, at, d, 1.0 / norm if by_norm else 1.0, row)
    return 1.0 if by_norm else norm, norm == 0 or SMALL < norm < LARGE


@kernel
def norms_32(x, n, d, norms):
    """Canonical norms of the rows. Returns the first row whose norm is not finite, or -1."""
    lanes = np.empty(32)
    sums = np.empty(4)
    starts = np.empty(4, np.int64)
    bad = -1
    rows = pointer(x, 0)
    for i in range(n):
        for c in range(4):
            starts[c] = i * d
        canonical_four(
            rows, i * d, rows, pointer(starts, 0), d, False, pointer(lanes, 0), pointer(sums, 0)
        )
        norms[i] = np.sqrt(sums[0])
        if bad < 0 and not norms[i] < np.inf:
            bad = i
    keep((lanes, sums, starts))
    return bad


norms_64 = twin(norms_32, "norms_64")


@kernel
def pack_queries_32(x, n, d, metric, norms, floats, words, float_terms, whole_terms, shifts):
    """Queries in groups of ROWS: floats [groups, d, ROWS], words [groups, ceil(d / 4), ROWS] of
    four 8-bit integers (or empty: not wanted), and the TERMS of either kind, float32 [n, TERMS].
    """
    row = np.zeros((d + 3) // 4 * 4, np.float32)
    whole = np.zeros(len(row), np.int8)
    steps = len(row) // 4
    for i in range(n):
        at = i // ROWS
        lane = i % ROWS
        size, trusted = shape_row(pointer(x, 0), i * d, d, metric, norms[i], pointer(row, 0))
        for k in range(d):
            floats[(at * d + k) * ROWS + lane] = row[k]
        shift = -norms[i] * norms[i] if metric == L2 else 0.0
        slack = abs(shift) * 2.0**-20
        for kind in range(2):
            terms = float_terms if kind == 0 else whole_terms
            scale = np.float32(1)
            lost = size * 2.0**-22
            if kind == 1:
                if len(words) == 0:
                    break
                scale, more = whole_row(pointer(row, 0), len(row), pointer(whole, 0))
                lost += more
                total = 0
                for k in range(len(row)):
                    total += whole[k]
                shifts[i] = 128 * total
                for s in range(steps):
                    words[(at * steps + s) * ROWS + lane] = word(pointer(whole, 0), 4 * s, 0)
            terms[i * TERMS] = scale
            terms[i * TERMS + 1] = lost * WIDEN if trusted else _INF
            terms[i * TERMS + 2] = (size + lost) * WIDEN if trusted else _INF
            terms[i * TERMS + 3] = shift + slack
            terms[i * TERMS + 4] = shift - slack
    keep((row, whole))


pack_queries_64 = twin(pack_queries_32, "pack_queries_64")


@inlined
def word(whole, k, zero):
    """Four 8-bit integers with `zero` added, as one."""
    total = 0
    for b in range(4):
        total |= ((whole[k + b] + zero) & 255) << (8 * b)
    return np.int32(total)


@inlined
def describe_row(panel, at, metric, size, scale, lost, kappa, trusted):
    """The PARTS of one gallery row."""
    twice = 2.0 if metric == L2 else 1.0
    square = size * size if metric == L2 else 0.0
    panel[at + SCALE * WIDTH] = scale * twice
    panel[at + UP * WIDTH] = -square + square * 2.0**-20
    panel[at + LOW * WIDTH] = -square - square * 2.0**-20
    panel[at + E1 * WIDTH] = size * WIDEN * twice
    error = (lost + kappa * (size + lost)) * WIDEN * twice
    panel[at + E2 * WIDTH] = error if trusted else _INF


@kernel
def pack_words_32(y, n, d, metric, norms, words, panels):
    """Gallery rows in panels of WIDTH: words [panels, ceil(d / 4), WIDTH], and their PARTS."""
    row = np.zeros((d + 3) // 4 * 4, np.float32)
    whole = np.zeros(len(row), np.int8)
    steps = len(row) // 4
    panels[:] = 0
    for j in range(n):
        p = j // WIDTH
        lane = j % WIDTH
        size, trusted = shape_row(pointer(y, 0), j * d, d, metric, norms[j], pointer(row, 0))
        scale, lost = whole_row(pointer(row, 0), len(row), pointer(whole, 0))
        for s in range(steps):
            words[(p * steps + s) * WIDTH + lane] = word(pointer(whole, 0), 4 * s, 128)
        describe_row(
            pointer(panels, 0), p * PARTS * WIDTH + lane, metric, size, scale,
            lost + size * 2.0**-22, KAPPA_8, trusted,
        )  # fmt: skip
    keep((row, whole))


pack_words_64 = twin(pack_words_32, "pack_words_64")


@inlined
def pack_panel(y, p, n, d, metric, norms, row, floats, panels):
    """The rows of panel p as float32: floats [panels, d, WIDTH], and their PARTS."""
    kappa = (d + 16) * 2.0**-23
    for at in range(p * PARTS * WIDTH, (p + 1) * PARTS * WIDTH):
        panels[at] = 0
    for j in range(p * WIDTH, min(n, (p + 1) * WIDTH)):
        lane = j % WIDTH
        size, trusted = shape_row(y, j * d, d, metric, norms[j], row)
        for k in range(d):
            floats[(p * d + k) * WIDTH + lane] = row[k]
        describe_row(
            panels, p * PARTS * WIDTH + lane, metric, size, 1.0, size * 2.0**-22, kappa, trusted
        )
