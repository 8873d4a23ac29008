"""Triton kernels of rank counting and top-K. `_similarity_torch.py` is their only caller.

A tile is a product of query rows and gallery rows, kept in registers, and what is made of it. Its
scores s are turned so that larger is better, and each lies within an error of its canonical value
whose coefficients the caller has inflated for all rounding, the kernels' own included:

    dot     s = acc
    cosine  s = acc * q_scale[i] * g_scale[j]         scale = 1 / norm
    l2      s = acc + q_scale[i] + g_scale[j]         scale = -norm² / 2, so s = -distance / 2
    error   q_err[0, i] * g_err[0, j] + q_err[1, i] + g_err[1, j]

A tile takes its largest coefficients: the error is then one number, which moves thresholds and
costs nothing per score. Where it is not finite nothing is decided: all rows (and columns) of the
tile are lost, and the caller redoes them. That covers every overflow of the product, since the
caller makes coefficients infinite before products of norms overflow; elsewhere no NaN arises.

Sums are float32, int32 for int8. `fusion` is off at every launch: contraction would change bits.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import triton
import triton.language as tl

from assay.ops._similarity_launch import (
    COSINE,
    DOT,
    L2,
    MARK,
    PAIRS,
    UNROLL,
    config,
    layout,
    precision,
)

__all__ = ["bucket_maxima", "canonical_pairs", "count_tiles", "interpreted"]

_DOT, _COSINE, _L2 = tl.constexpr(DOT), tl.constexpr(COSINE), tl.constexpr(L2)
_MARK = tl.constexpr(MARK)


@triton.jit
def _scores(
    q_ptr, g_ptr, q_scale, g_scale,
    row0, col0, n_q, n_g, width, q_stride, g_stride,
    METRIC: tl.constexpr, EVEN: tl.constexpr, PRECISION: tl.constexpr, UPCAST: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """Scores of a tile: float32 [BM, BN]; those outside of the matrix are not masked here."""
    rows = tl.arange(0, BM)
    cols = tl.arange(0, BN)
    k = tl.arange(0, BK)
    row_ok = row0 + rows < n_q
    col_ok = col0 + cols < n_g
    # 64 bits to the tile; 32 inside it, which saves registers
    q_tile = q_ptr + row0.to(tl.int64) * q_stride
    g_tile = g_ptr + col0.to(tl.int64) * g_stride
    q_inside = rows[:, None] * q_stride + k[None, :]
    g_inside = cols[None, :] * g_stride + k[:, None]
    if q_ptr.dtype.element_ty == tl.int8:
        acc = tl.zeros((BM, BN), tl.int32)
    else:
        acc = tl.zeros((BM, BN), tl.float32)
    for k0 in range(0, width, BK):
        q_ok = row_ok[:, None]
        g_ok = col_ok[None, :]
        if not EVEN:
            q_ok = q_ok & (k[None, :] < width - k0)
            g_ok = g_ok & (k[:, None] < width - k0)
        a = tl.load(q_tile + q_inside, mask=q_ok, other=0)
        b = tl.load(g_tile + g_inside, mask=g_ok, other=0)
        if UPCAST:
            a = a.to(tl.float32)
            b = b.to(tl.float32)
        acc = tl.dot(a, b, acc, input_precision=PRECISION, out_dtype=acc.dtype)
        q_tile += BK
        g_tile += BK
    s = acc.to(tl.float32)
    if METRIC != _DOT:
        q_side = tl.load(q_scale + row0 + rows)
        g_side = tl.load(g_scale + col0 + cols)
        if METRIC == _COSINE:
            s = s * q_side[:, None] * g_side[None, :]
        else:
            s = s + q_side[:, None] + g_side[None, :]
    return s


@triton.jit
def _error(q_err, q_ld, i, g_err, g_ld, j):
    """Largest error of a tile, infinite or NaN where there is no bound."""
    factor = tl.max(tl.load(q_err + i), 0) * tl.max(tl.load(g_err + j), 0)
    return factor + (tl.max(tl.load(q_err + q_ld + i), 0) + tl.max(tl.load(g_err + g_ld + j), 0))


@triton.jit
def _mark_windows(s, error, low, high, ld, i, n_each, AXIS: tl.constexpr):
    """Scores within the error of some threshold become NaN, which no later test matches."""
    if AXIS == 0:  # the rows may have marked some, and what max does with NaN is not defined
        top = tl.max(tl.where(s == s, s, -float("inf")), AXIS)
    else:
        top = tl.max(s, AXIS)
    r = 0
    live = n_each
    while live > 0:
        lowest = tl.load(low + i) - error
        highest = tl.load(high + i) + error
        # thresholds ascend: one that all scores lie under has no live one after it
        reached = tl.max((top >= lowest).to(tl.int32), 0)
        s = tl.where(
            (s >= tl.expand_dims(lowest, AXIS)) & (s <= tl.expand_dims(highest, AXIS)),
            float("nan"),
            s,
        )
        low += ld
        high += ld
        r += 1
        live = reached * (n_each - r)
    return s


@triton.jit
def _add_above(s, error, high, above, ld, i, n_each, AXIS: tl.constexpr):
    """Count the scores above each threshold, until no row has one that is reached."""
    r = 0
    live = n_each
    while live > 0:
        highest = tl.load(high + i) + error
        count = tl.sum((s > tl.expand_dims(highest, AXIS)).to(tl.int32), AXIS)
        tl.atomic_add(above + i, count, mask=count > 0, sem="relaxed")
        high += ld
        above += ld
        r += 1
        live = tl.max(count, 0) * (n_each - r)


@triton.jit
def _drop_skipped(
    s, row0, n_q, col0, skip, skip_offsets, steps, BM: tl.constexpr, BN: tl.constexpr
):
    """Columns that a row skips become -inf, which lies under every finite threshold."""
    i = row0 + tl.arange(0, BM)
    ok = i < n_q
    cols = col0 + tl.arange(0, BN)
    at = tl.load(skip_offsets + i, mask=ok, other=0)
    end = tl.load(skip_offsets + i + 1, mask=ok, other=0)
    stop = end
    for _ in range(steps):  # the first entry from col0 on
        middle = (at + stop) // 2
        inside = at < stop
        before = inside & (tl.load(skip + middle, mask=inside, other=0) < col0)
        stop = tl.where(inside & ~before, middle, stop)
        at = tl.where(before, middle + 1, at)
    live = 1
    while live > 0:
        column = tl.load(skip + at, mask=at < end, other=0x7FFFFFFF)
        s = tl.where(cols[None, :] == column[:, None], -float("inf"), s)
        live = tl.max((column < col0 + BN).to(tl.int32), 0)
        at += 1
    return s


@triton.jit
def count_kernel(
    q_ptr, g_ptr,  # [q, d], [g, d]
    q_scale, g_scale,  # float32 [q'], [g']: q' and g' are q and g, up to whole tiles
    q_err, g_err,  # float32 [2, q'], [2, g']
    low, high, g_low, g_high,  # float32 [n, q'], [m, g'], ascending; NaN where a row has fewer
    above, g_above,  # int32 [n, q'], [m, g']: scores above, none of them in `found`
    lost, g_lost,  # int32 [q'], [g']: more than 0 where something undecided found no room
    skip, skip_offsets, marked,  # int32 [s], [q + 1]; int8 [cells of q, cells of g]
    found, found_count,  # int32 [room, 2]: row and column of undecided scores; int64 [1]
    n_q, n_g, width, q_each, g_each, room, steps,
    q_stride, g_stride, q_ld, g_ld,  # of the inputs; of vectors: of what ends in q' or g'
    METRIC: tl.constexpr, REVERSE: tl.constexpr,
    EVEN: tl.constexpr, PRECISION: tl.constexpr, UPCAST: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    # query tiles of one gallery tile run together, so it is read from L2
    n_row_tiles = tl.cdiv(n_q, BM)
    row0 = tl.program_id(0) % n_row_tiles * BM
    col0 = tl.program_id(0) // n_row_tiles * BN
    s = _scores(
        q_ptr, g_ptr, q_scale, g_scale, row0, col0, n_q, n_g, width, q_stride, g_stride,
        METRIC, EVEN, PRECISION, UPCAST, BM, BN, BK,
    )  # fmt: skip
    i = row0 + tl.arange(0, BM)
    j = col0 + tl.arange(0, BN)
    if (row0 + BM > n_q) | (col0 + BN > n_g):
        s = tl.where((i < n_q)[:, None] & (j < n_g)[None, :], s, -float("inf"))
    cell = (row0 // _MARK).to(tl.int64) * tl.cdiv(n_g, _MARK) + col0 // _MARK
    if tl.load(marked + cell) != 0:
        s = _drop_skipped(s, row0, n_q, col0, skip, skip_offsets, steps, BM, BN)

    error = _error(q_err, q_ld, i, g_err, g_ld, j)
    if error < float("inf"):
        s = _mark_windows(s, error, low, high, q_ld, i, q_each, 1)
        if REVERSE:
            s = _mark_windows(s, error, g_low, g_high, g_ld, j, g_each, 0)
    else:
        s = tl.full((BM, BN), float("nan"), tl.float32)

    # One entry for a pair, whoever asked: its canonical score then meets all thresholds of its row
    # (and column), and none of them counts it here.
    hits = (s != s).to(tl.int32)
    n_hit = tl.sum(hits, 1)
    total = tl.sum(n_hit, 0)
    if total > 0:
        wanted = tl.where(error < float("inf"), total, 0).to(tl.int64)
        base = tl.atomic_add(found_count, wanted, sem="relaxed")
        if (base + total > room) | (wanted == 0):
            tl.atomic_add(lost + i, n_hit, mask=n_hit > 0, sem="relaxed")
            if REVERSE:
                g_hit = tl.sum(hits, 0)
                tl.atomic_add(g_lost + j, g_hit, mask=g_hit > 0, sem="relaxed")
        else:
            place = found + 2 * (base + tl.cumsum(n_hit, 0) - n_hit)
            most = tl.max(n_hit, 0)
            # one per row and turn: vectors only, where places for a whole tile would spill
            for _ in range(most):
                first = tl.min(tl.where(s != s, j[None, :], 0x7FFFFFFF), 1)
                some = first < 0x7FFFFFFF
                tl.store(place, i, mask=some)
                tl.store(place + 1, first, mask=some)
                place += 2
                s = tl.where(j[None, :] == first[:, None], -float("inf"), s)

    _add_above(s, error, high, above, q_ld, i, q_each, 1)
    if REVERSE:
        _add_above(s, error, g_high, g_above, g_ld, j, g_each, 0)


@triton.jit
def bucket_kernel(
    q_ptr, g_ptr,  # [q, d], [g, d]
    q_scale, g_scale,  # float32 [q'], [g'], as in count_kernel
    q_err, g_err,  # float32 [2, q'], [2, g']
    upper, lower,  # float32 [q, ceil(g / BUCKET)]
    n_q, n_g, width, q_stride, g_stride, q_ld, g_ld, out_stride,
    METRIC: tl.constexpr, BUCKET: tl.constexpr,
    EVEN: tl.constexpr, PRECISION: tl.constexpr, UPCAST: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """Bounds of the best canonical value among BUCKET neighbouring columns."""
    n_row_tiles = tl.cdiv(n_q, BM)
    row0 = tl.program_id(0) % n_row_tiles * BM
    col0 = tl.program_id(0) // n_row_tiles * BN
    s = _scores(
        q_ptr, g_ptr, q_scale, g_scale, row0, col0, n_q, n_g, width, q_stride, g_stride,
        METRIC, EVEN, PRECISION, UPCAST, BM, BN, BK,
    )  # fmt: skip
    if col0 + BN > n_g:
        s = tl.where((col0 + tl.arange(0, BN) < n_g)[None, :], s, -float("inf"))
    top = tl.max(tl.reshape(s, (BM, BN // BUCKET, BUCKET)), 2)
    i = row0 + tl.arange(0, BM)
    error = _error(q_err, q_ld, i, g_err, g_ld, col0 + tl.arange(0, BN))
    i = i[:, None]
    bucket = col0 // BUCKET + tl.arange(0, BN // BUCKET)[None, :]
    place = i.to(tl.int64) * out_stride + bucket
    ok = (i < n_q) & (bucket < tl.cdiv(n_g, BUCKET))
    bounded = error < float("inf")
    tl.store(upper + place, tl.where(bounded, top + error, float("inf")), mask=ok)
    tl.store(lower + place, tl.where(bounded, top - error, -float("inf")), mask=ok)


@triton.jit
def canonical_kernel(
    q_ptr, g_ptr,  # [q, d], [g, d]
    rows, cols,  # int64 [p]
    out,  # float64 [p]
    n_pairs, width, q_stride, g_stride,
    SQUARE: tl.constexpr, BP: tl.constexpr, UNROLL: tl.constexpr,
):  # fmt: skip
    """Canonical dot (or, if SQUARE, squared distance) of each pair; `canonical` says how."""
    p = tl.program_id(0).to(tl.int64) * BP + tl.arange(0, BP)
    ok = p < n_pairs
    lane = tl.arange(0, 8)
    q_row = q_ptr + tl.load(rows + p, mask=ok, other=0)[:, None] * q_stride + lane[None, :]
    g_row = g_ptr + tl.load(cols + p, mask=ok, other=0)[:, None] * g_stride + lane[None, :]
    total = tl.zeros((BP, 8), tl.float64)
    for k0 in range(0, width, 8 * UNROLL):
        for u in tl.static_range(UNROLL):
            k = k0 + 8 * u
            inside = ok[:, None] & (k + lane < width)[None, :]
            a = tl.load(q_row + k, mask=inside, other=0).to(tl.float64)
            b = tl.load(g_row + k, mask=inside, other=0).to(tl.float64)
            if SQUARE:
                a = a - b
                b = a
            total = total + a * b
    # a sum of two has one order
    total = tl.sum(tl.reshape(total, (BP, 2, 4)), 1)
    total = tl.sum(tl.reshape(total, (BP, 2, 2)), 1)
    tl.store(out + p, tl.sum(total, 1), mask=ok)


def interpreted() -> bool:
    """Whether kernels run in Triton's interpreter: then they take tensors of the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def _target(query: Any) -> str:
    import torch

    if torch.version.hip:
        return "gfx942"
    major = torch.cuda.get_device_capability(query.device)[0] if query.is_cuda else 8
    return {9: "sm_90", 10: "sm_100"}.get(major, "sm_80")


def _on(query: Any) -> AbstractContextManager[Any]:
    """Launch where the tensors are, not on the current device."""
    import torch

    return torch.cuda.device(query.device) if query.is_cuda else nullcontext()


def _launch(query: Any, gallery: Any, metric: int, both: bool) -> tuple[tuple[int], dict[str, Any]]:
    """Grid, and the constants and options of a launch."""
    dtype = str(query.dtype).removeprefix("torch.")
    (n_q, width), target = query.shape, _target(query)
    chosen = config(layout(n_q, width, query.element_size(), both), target)
    return (triton.cdiv(n_q, chosen.rows) * triton.cdiv(len(gallery), chosen.columns),), {
        "METRIC": metric,
        "EVEN": width % chosen.step == 0,
        "PRECISION": precision(dtype, target),
        # the interpreter's dot reads the bits of bfloat16 as integers
        "UPCAST": interpreted() and dtype == "bfloat16",
        "BM": chosen.rows,
        "BN": chosen.columns,
        "BK": chosen.step,
        **chosen.options,
    }


def count_tiles(
    query: Any, gallery: Any, q_side: Any, g_side: Any, rows: Any, columns: Any,
    skipped: Any, found: Any, metric: int,
) -> None:  # fmt: skip
    """Add to the counts of rows (and of columns, unless None); see count_kernel."""
    turned = rows if columns is None else columns
    grid, constants = _launch(query, gallery, metric, columns is not None)
    with _on(query):
        count_kernel[grid](
            query, gallery, q_side.scale, g_side.scale, q_side.error, g_side.error,
            rows.low, rows.high, turned.low, turned.high, rows.above, turned.above,
            rows.lost, turned.lost, skipped.columns, skipped.offsets, skipped.marked,
            found.pairs, found.used,
            len(query), len(gallery), query.shape[1], len(rows.low), len(turned.low),
            len(found.pairs), skipped.steps, query.stride(0), gallery.stride(0),
            q_side.error.stride(0), g_side.error.stride(0),
            REVERSE=columns is not None, **constants,
        )  # fmt: skip


def bucket_maxima(
    query: Any, gallery: Any, q_side: Any, g_side: Any, upper: Any, lower: Any,
    metric: int, bucket: int,
) -> None:  # fmt: skip
    """Write the bounds of each bucket; see bucket_kernel."""
    grid, constants = _launch(query, gallery, metric, False)
    with _on(query):
        bucket_kernel[grid](
            query, gallery, q_side.scale, g_side.scale, q_side.error, g_side.error, upper, lower,
            len(query), len(gallery), query.shape[1], query.stride(0), gallery.stride(0),
            q_side.error.stride(0), g_side.error.stride(0), upper.stride(0),
            BUCKET=bucket, **constants,
        )  # fmt: skip


def canonical_pairs(query: Any, gallery: Any, rows: Any, cols: Any, out: Any, square: bool) -> None:
    """Write the canonical score of each pair; see canonical_kernel."""
    pairs = 4096 if interpreted() else PAIRS  # a program of the interpreter costs milliseconds
    with _on(query):
        canonical_kernel[(triton.cdiv(len(out), pairs),)](
            query, gallery, rows, cols, out,
            len(out), query.shape[1], query.stride(0), gallery.stride(0),
            SQUARE=square, BP=pairs, UNROLL=UNROLL, num_warps=4, enable_fp_fusion=False,
        )  # fmt: skip
