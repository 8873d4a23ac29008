"""Canonical scores, error bounds and top-K of torch tensors: Triton kernels, or plain torch.

With v a canonical score turned so that larger is better (-distance / 2 for l2), a cheap product
gives s with |s - v| <= e, and e has the form that `_similarity_triton` states. Here

    e = gamma * |q| * |g|    + terms of the norms (l2), inflated
    gamma = n * 2^-23 + loss

where n is how many sums an element takes (d; 3 d for tf32x3; none for int8, whose sums are exact),
and loss what the product drops of its inputs (2^-18 for tf32x3, whose two small products lose
2^-20 each and a third is left out; TF32 and bfloat16 modes of torch's own product: see `_loss`).
2^-23 a sum, not 2^-24, because tensor cores cut where IEEE arithmetic rounds. How they add is not
documented: that term is empirical, and `verify=` checks it on the device at hand. `SMALLEST` added
to norms covers underflow: gamma * SMALLEST² exceeds 2 d times the smallest normal number.
Norms that could overflow get an infinite coefficient, and then nothing is decided by s.

Top-K. U[b] and L[b] bound the best v of bucket b from above and below. Let t be the k-th largest L:
the best members of those k buckets are k distinct elements with v >= t, so the k-th best v is >= t,
and so is each v in the top k, and with it the U of its bucket. Buckets with U >= t therefore hold
the whole top k, ties at its end included; their elements are scored canonically.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from assay.core.checks import one_of
from assay.core.errors import AssayError, InputError
from assay.ops._similarity_launch import COSINE, DOT, L2

__all__ = ["METRICS", "Side", "canonical", "topk_device"]

METRICS = {"dot": DOT, "cosine": COSINE, "l2": L2}
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.int8, torch.float64)

BLOCK = 1 << 22  # elements of the largest temporary
LARGE = {torch.float32: 2.0**62, torch.float64: 2.0**500}
SMALLEST = {torch.float32: 2.0**-51, torch.float64: 2.0**-480}
UNIT = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}


class Side(NamedTuple):
    """Queries or gallery. Vectors are padded beyond n, to whole tiles from any row on."""

    values: torch.Tensor  # [n, d]
    norm: torch.Tensor  # float64 [n], canonical
    scale: torch.Tensor  # [n']
    error: torch.Tensor  # [2, n']

    def rows(self, first: int, last: int) -> "Side":
        return Side(
            self.values[first:last], self.norm[first:last],
            self.scale[first:], self.error[:, first:],
        )  # fmt: skip

    def take(self, index: torch.Tensor) -> "Side":
        return Side(self.values[index], self.norm[index], self.scale[index], self.error[:, index])


def canonical(
    query: Side, gallery: Side, rows: torch.Tensor, cols: torch.Tensor, metric: int,
    kernels: Any = None,
) -> torch.Tensor:  # fmt: skip
    """Canonical score of each pair of rows: float64 [p].

    Products and sums in float64, in eight lanes: lane l sums elements l, l + 8, … in this order,
    from 0; then ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7)). No contraction.
    """
    if kernels is not None:
        out = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
        if len(rows):
            at = rows.contiguous(), cols.contiguous()
            kernels.canonical_pairs(query.values, gallery.values, *at, out, metric == L2)
    else:
        out = _plain_pairs(query.values, gallery.values, rows, cols, metric == L2)
    if metric == COSINE:
        out /= query.norm[rows] * gallery.norm[cols]
    return out


def _plain_pairs(
    query: torch.Tensor, gallery: torch.Tensor, rows: torch.Tensor, cols: torch.Tensor, square: bool
) -> torch.Tensor:
    width = query.shape[1]
    out = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for first, last in blocks(len(rows), max(1, BLOCK // max(width, 8))):
        a, b = query[rows[first:last]], gallery[cols[first:last]]
        lanes = torch.zeros((len(a), 8), dtype=torch.float64, device=rows.device)
        for k in range(0, width, 8):
            x, y = a[:, k : k + 8].double(), b[:, k : k + 8].double()
            if square:
                x = x - y
                y = x
            lanes[:, : x.shape[1]] += x * y
        lanes = lanes[:, :4] + lanes[:, 4:]
        lanes = lanes[:, :2] + lanes[:, 2:]
        out[first:last] = lanes[:, 0] + lanes[:, 1]
    return out


def turned(score: torch.Tensor, metric: int) -> torch.Tensor:
    return score * -0.5 if metric == L2 else score


def blocks(n: int, size: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + size, n)) for first in range(0, n, size))


def _kernels(values: torch.Tensor, backend: str | None) -> Any:
    """The Triton kernels, or None where plain torch runs."""
    if backend not in (None, "triton", "torch"):
        raise InputError(f"backend must be triton or torch for tensors, got {backend!r}")
    if backend == "torch":
        return None
    reason = ""
    try:
        from assay.ops import _similarity_triton as kernels
    except ImportError as error:
        if backend == "triton":
            raise
        return _none(f"triton cannot be imported: {error}")
    if not values.is_cuda and not kernels.interpreted():
        reason = f"Triton needs a GPU tensor, got one on {values.device}"
    elif values.dtype == torch.float64:
        reason = "the kernels take float32, bfloat16, float16 and int8, got float64"
    elif values.dtype == torch.int8 and values.shape[1] >= 1 << 17:
        reason = f"sums of int8 must fit 32 bits: width < 131072, got {values.shape[1]}"
    elif (
        values.is_cuda
        and not torch.version.hip
        and torch.cuda.get_device_capability(values.device)[0] < 8
    ):
        name = torch.cuda.get_device_name(values.device)
        reason = f"the kernels need compute capability 8.0, got {name}"
    if reason and backend == "triton":
        raise InputError(f"backend='triton': {reason}")
    return _none(reason) if reason else kernels


@functools.cache
def _none(reason: str) -> None:
    import logging

    logging.getLogger("assay").debug("similarity: backend torch (%s)", reason)


def _loss(dtype: torch.dtype) -> float:
    """What torch's float32 product may drop of its inputs, relative to |q| |g|."""
    cast = 2.0**-22 if dtype == torch.float64 else 0.0
    backends: Any = torch.backends
    try:
        plain = torch.get_float32_matmul_precision() == "highest"
        plain &= not backends.cuda.matmul.allow_tf32
        for backend in (backends, backends.cuda.matmul, backends.mkldnn, backends.mkldnn.matmul):
            plain &= getattr(backend, "fp32_precision", "none") in ("none", "ieee")
    except RuntimeError:  # old and new switches in use at once
        plain = False
    return cast if plain else cast + 2.0**-6  # bfloat16, the coarsest mode


def gamma(values: torch.Tensor, kernels: Any, compute: torch.dtype) -> float:
    width = values.shape[1]
    if compute == torch.float64:
        return 1.01 * (width + 32) * 2.0**-52
    if kernels is None:
        return 1.01 * ((width + 32) * 2.0**-23 + _loss(values.dtype))
    if values.dtype == torch.int8:
        return 1.01 * 2.0**-21
    triple = values.dtype == torch.float32 and not torch.version.hip
    return 1.01 * ((3 * width + 32) * 2.0**-23 + 2.0**-18 if triple else (width + 32) * 2.0**-23)


def with_bounds(side: Side, metric: int, gamma: float, compute: torch.dtype) -> Side:
    """The side with scale and error for a product of this precision; gamma inf: no bound."""
    norm, width = side.norm, side.values.shape[1]
    factor = gamma**0.5 * (norm + SMALLEST[compute])
    term = torch.zeros_like(norm)
    scale = torch.ones_like(norm)
    sound = norm < LARGE[compute]
    if metric == COSINE:
        factor = factor / norm
        scale = 1 / norm
        sound &= norm > 1 / LARGE[compute]
    elif metric == L2:
        scale = -0.5 * norm * norm
        term = (8 * UNIT[compute] + (16 + width) * UNIT[torch.float64]) * norm * norm
    factor = torch.where(sound, factor, torch.inf)
    error = torch.stack([factor, term]) * (1 + 2.0**-20)
    # tiles read beyond the last row
    pad = (0, 512)
    return side._replace(
        scale=torch.nn.functional.pad(scale, pad).to(compute),
        error=torch.nn.functional.pad(error, pad).to(compute),
    )


def prepare(
    name: str, query: torch.Tensor, gallery: torch.Tensor, metric: str, backend: str | None
) -> tuple[Side, Side, int, Any]:
    """Both sides with canonical norms and bounds, the metric's number, and the kernels or None."""
    one_of(metric, f"{name}: metric", METRICS)
    for argument, values in (("query", query), ("gallery", gallery)):
        if values.ndim != 2 or values.shape[1] == 0:
            shape = list(values.shape)
            raise InputError(f"{name}: {argument} must be [rows, width >= 1], got shape {shape}")
        if values.dtype not in DTYPES:
            names = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
            raise InputError(f"{name}: {argument} must be one of {names}, got {values.dtype}")
        if len(values) >= 1 << 31 or values.shape[1] >= 1 << 22:
            raise InputError(
                f"{name}: {argument} must have fewer than 2**31 rows of width below 2**22, "
                f"got shape {list(values.shape)}; count or rank it in parts"
            )
    if query.shape[1] != gallery.shape[1]:
        raise InputError(
            f"{name}: query and gallery must have one width, "
            f"got {query.shape[1]} and {gallery.shape[1]}"
        )
    if query.dtype != gallery.dtype or query.device != gallery.device:
        raise InputError(
            f"{name}: query and gallery must have one dtype and device, got {query.dtype} on "
            f"{query.device} and {gallery.dtype} on {gallery.device}"
        )
    kernels, number = _kernels(query, backend), METRICS[metric]
    compute = torch.float32
    bound = gamma(query, kernels, compute)
    none = torch.empty(0, dtype=torch.float64, device=query.device)
    sides = []
    for values in (query.detach(), gallery.detach()):
        side = Side(values.contiguous(), none, none, none)
        itself = torch.arange(len(values), device=values.device)
        squares = canonical(side, side, itself, itself, DOT, kernels)
        sides.append(with_bounds(side._replace(norm=_root(squares)), number, bound, compute))
    for argument, side in zip(("query", "gallery"), sides, strict=True):
        bad = ~side.norm.isfinite()
        if number == COSINE:
            bad |= side.norm == 0
        if bad.any():
            row = int(bad.nonzero()[0, 0])
            rule = "be finite" if not side.norm[row].isfinite() else "not be zero under cosine"
            raise InputError(f"{name}: rows of {argument} must {rule}, row {row} breaks this")
    return sides[0], sides[1], number, kernels


def _root(squares: torch.Tensor) -> torch.Tensor:
    # torch's own on the CPU (MKL's) is not always the nearest number
    return squares.sqrt() if squares.is_cuda else torch.from_numpy(np.sqrt(squares.numpy()))


def product(query: Side, gallery: Side, metric: int, compute: torch.dtype) -> torch.Tensor:
    """Scores [rows, columns] by torch's own product. They are finite wherever errors are."""
    q, g = len(query.values), len(gallery.values)
    s = query.values.to(compute) @ gallery.values.to(compute).T
    if metric == COSINE:
        s *= query.scale[:q, None]
        s *= gallery.scale[:g]
    elif metric == L2:
        s += query.scale[:q, None]
        s += gallery.scale[:g]
    finite: torch.Tensor = torch.where(s.isfinite(), s, 0)
    return finite


def row_errors(query: Side, gallery: Side) -> torch.Tensor:
    factor, term = gallery.error[:, : len(gallery.values)].amax(1)
    error = query.error[:, : len(query.values)]
    total: torch.Tensor = error[0] * factor + (error[1] + term)
    return total


def topk_device(
    query: torch.Tensor, gallery: torch.Tensor, k: int, metric: str = "dot", *,
    verify: int = 0, backend: str | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """The k best gallery rows of each query, best first, ties to the lower row.

    query [q, d], gallery [g, d]: one dtype and device. Scores float64 [q, k], canonical (distances
    for l2), and index int64 [q, k]. `verify` queries, evenly spaced, are ranked again without a
    bound. InputError on a bad argument; AssayError if verification fails.
    """
    if not 1 <= k <= len(gallery):
        raise InputError(f"topk: k must be in 1..g, got k={k} with g={len(gallery)}")
    q_side, g_side, number, kernels = prepare("topk", query, gallery, metric, backend)
    n_q, n_g = len(query), len(gallery)
    # few large buckets make cheap selection, many small ones few candidates
    ideal = (2 * n_g / (k * query.shape[1])) ** 0.5
    bucket = 32 if ideal > 16 else 8
    n_buckets = -(-n_g // bucket)
    scores = torch.empty((n_q, k), dtype=torch.float64, device=query.device)
    index = torch.empty((n_q, k), dtype=torch.int64, device=query.device)
    for first, last in blocks(n_q, max(1, min(8192, 8 * BLOCK // n_buckets))):
        rows = q_side.rows(first, last)
        bounds = torch.empty((2, last - first, n_buckets), device=query.device)
        if kernels is not None:
            kernels.bucket_maxima(
                rows.values, g_side.values, rows, g_side, *bounds, number, bucket
            )  # fmt: skip
        else:
            _plain_maxima(rows, g_side, bounds, number, bucket)
        _select(rows, g_side, bounds, k, number, bucket, kernels, scores[first:], index[first:])
    for row in sample(n_q, verify):
        one = q_side.rows(row, row + 1)
        none = torch.tensor([torch.inf, -torch.inf], device=query.device)
        bounds = none[:, None, None].expand(2, 1, n_buckets)
        out = torch.empty_like(scores[:1]), torch.empty_like(index[:1])
        _select(one, g_side, bounds, k, number, bucket, None, *out)
        if not (torch.equal(out[0][0], scores[row]) and torch.equal(out[1][0], index[row])):
            raise unverified("topk", row, query)
    return scores, index


def _plain_maxima(
    query: Side, gallery: Side, bounds: torch.Tensor, metric: int, bucket: int
) -> None:
    rows, n_g = bounds.shape[1], len(gallery.values)
    step = max(bucket, BLOCK // max(rows, 1) // bucket * bucket)
    for first, last in blocks(n_g, step):
        part = gallery.rows(first, last)
        s = product(query, part, metric, torch.float32)
        s = torch.nn.functional.pad(s, (0, -(last - first) % bucket), value=-torch.inf)
        top: torch.Tensor = s.view(rows, -1, bucket).amax(2)
        error = row_errors(query, part)[:, None]
        at = slice(first // bucket, first // bucket + top.shape[1])
        known = error < torch.inf
        bounds[0, :, at] = torch.where(known, top + error, torch.inf)
        bounds[1, :, at] = torch.where(known, top - error, -torch.inf)


def _select(
    query: Side, gallery: Side, bounds: torch.Tensor, k: int, metric: int, bucket: int,
    kernels: Any, scores: torch.Tensor, index: torch.Tensor,
) -> None:  # fmt: skip
    """The exact top k of rows from the bounds of their buckets."""
    (upper, lower), (rows, n_buckets) = bounds, bounds.shape[1:]
    device, n_g = upper.device, len(gallery.values)
    least = torch.full((rows,), -torch.inf, device=device)
    if n_buckets >= k:
        least = lower.topk(k, 1).values[:, -1]
    near = upper >= least[:, None]
    inside = torch.arange(bucket, device=device)
    ends = (near.sum(1) * bucket).cumsum(0).cpu().numpy()  # one wait for the device
    first = 0
    while first < rows:
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(ends.searchsorted(before + BLOCK, side="right")))
        row, col = near[first:last].nonzero(as_tuple=True)
        row = row.repeat_interleave(bucket) + first
        col = (col[:, None] * bucket + inside).flatten()
        if n_g % bucket:
            row, col = row[col < n_g], col[col < n_g]
        score = canonical(query, gallery, row, col, metric, kernels)
        value = turned(score, metric)
        good = value >= least[row]
        row, col, score, value = row[good], col[good], score[good], value[good]
        # by row, then value, then column, which ascends already
        order = value.sort(descending=True, stable=True).indices
        order = order[row[order].sort(stable=True).indices]
        start = torch.searchsorted(row[order], torch.arange(first, last, device=device))
        best = order[start[:, None] + torch.arange(k, device=device)]
        scores[first:last], index[first:last] = score[best], col[best]
        first = last


def sample(n: int, wanted: int) -> list[int]:
    count = min(n, wanted)
    return [i * n // count for i in range(count)]


def unverified(name: str, row: int, values: torch.Tensor) -> AssayError:
    where = torch.cuda.get_device_name(values.device) if values.is_cuda else str(values.device)
    return AssayError(
        f"{name}: row {row} differs from its canonical ranking on {where} ({values.dtype}): the "
        "error bound does not hold there; use backend='torch', and report the device"
    )
