"""Kernels of resample.py: random weights of items from a counter, and sums under them.

Every random number is a hash of what it is for (splitmix64: Steele, Lea and Flood, OOPSLA 2014;
`key + i * GOLDEN`, mixed, is the i-th number of a stream that starts at `key`), so no thread, block
or order of work changes one.
"""

import numpy as np

from assay.ops._intrinsics import keep, pointer
from assay.ops.jit import inlined, kernel

__all__ = ["aucs", "curves", "poisson_totals", "poisson_weights", "totals", "weights"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S27, S30, S31, S32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
LOW, ONE = np.uint64(0xFFFFFFFF), np.uint64(1)

AT_ONCE = 1024  # places drawn before they are counted
BESIDE = 8  # replicates whose weights are kept while columns are read once
BLOCK = 2048  # items of a column read by all of them
TINY = 1e-300  # no branch to be guessed where nothing was drawn yet
FEW = 1 << 20  # items up to which half a hash is random enough for one draw

# 2^32 times the probability that a Poisson(1) number is at most 0, 1, …, 11; above it is 2^-32
T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11 = (
    np.int64(round(2**32 * p))
    for p in np.cumsum(np.exp(-1) / np.cumprod([1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]))
)


@inlined
def _mixed(z):
    z = (z ^ (z >> S30)) * FIRST
    z = (z ^ (z >> S27)) * SECOND
    return z ^ (z >> S31)


@inlined
def _places(key, start, count, n, places):
    """Draws start..start + count - 1 of items 0..n - 1, uniform; start is even. One more may be
    written."""
    size, half = np.uint64(n), (count + 1) >> 1
    if n <= FEW:
        for j in range(half):
            h = _mixed(key + np.uint64((start >> 1) + j) * GOLDEN)
            places[j] = np.int64(((h & LOW) * size) >> S32)
            places[half + j] = np.int64(((h >> S32) * size) >> S32)
    else:
        for j in range(count):
            h = _mixed(key + np.uint64(start + j) * GOLDEN)
            places[j] = np.int64(((h >> S32) * size + (((h & LOW) * size) >> S32)) >> S32)


@inlined
def _drawn(key, n, out, places):
    """How often each of n items is drawn in n draws, out uint8 [n]."""
    for i in range(n):
        out[i] = 0
    for start in range(0, n, AT_ONCE):
        count = min(AT_ONCE, n - start)
        _places(key, start, count, n, places)
        for j in range(count):
            out[places[j]] += 1


@inlined
def _swapped(key, n, out):
    """Bits of n items, out uint8 [n]."""
    for start in range(0, n, 64):
        h = _mixed(key + np.uint64(start >> 6) * GOLDEN)
        for j in range(min(64, n - start)):
            out[start + j] = np.uint8((h >> np.uint64(j)) & ONE)


@inlined
def _poisson(base, shift, step, count, out):
    """Poisson(1) numbers of items, out uint8 [count]; base uint64 [count]."""
    for i in range(count):
        h = np.int64((_mixed(base[i] + step) >> shift) & LOW)
        w = (h >= T0) + (h >= T1) + (h >= T2) + (h >= T3) + (h >= T4) + (h >= T5)
        w += (h >= T6) + (h >= T7) + (h >= T8) + (h >= T9) + (h >= T10) + (h >= T11)
        out[i] = np.uint8(w)


@inlined
def _dot(w, x, count):
    total = np.int64(0)
    for i in range(count):
        total += np.int64(w[i]) * x[i]
    return total


@kernel
def weights(keys, swap, out):
    """The weights themselves: keys uint64 [r], out uint8 [r, n]."""
    n = out.shape[1]
    places = np.empty(AT_ONCE + 1, np.int64)
    for r in range(len(keys)):
        if swap:
            _swapped(keys[r], n, out[r])
        else:
            _drawn(keys[r], n, out[r], places)


@kernel
def totals(keys, swap, columns, out):
    """Sums of columns under the weights of each replicate.

    keys uint64 [r], columns int64 [c, n], out int64 [r, c].
    """
    width, n = columns.shape
    many = np.empty((min(BESIDE, len(keys)), n), np.uint8)
    places = np.empty(AT_ONCE + 1, np.int64)
    out[:] = 0
    for first in range(0, len(keys), BESIDE):
        beside = min(BESIDE, len(keys) - first)
        for r in range(beside):
            if swap:
                _swapped(keys[first + r], n, many[r])
            else:
                _drawn(keys[first + r], n, many[r], places)
        for start in range(0, n, BLOCK):
            count = min(BLOCK, n - start)
            for c in range(width):
                column = pointer(columns, c * n + start)
                for r in range(beside):
                    out[first + r, c] += _dot(pointer(many, r * n + start), column, count)
    keep(many)


@kernel
def poisson_weights(base, replicates, out):
    """The weights themselves: base uint64 [n], replicates int64 [r], out uint8 [r, n]."""
    n = len(base)
    for r in range(len(replicates)):
        step = np.uint64(replicates[r] >> 1) * GOLDEN
        shift = np.uint64(32 * (replicates[r] & 1))
        _poisson(pointer(base, 0), shift, step, n, pointer(out, r * n))


@kernel
def poisson_totals(base, replicates, columns, out):
    """Sums under Poisson weights: base uint64 [n], replicates int64 [r], columns int64 [c, n], out
    int64 [r, c]."""
    width, n = columns.shape
    some = np.empty(BLOCK, np.uint8)
    out[:] = 0
    for start in range(0, n, BLOCK):
        count = min(BLOCK, n - start)
        for r in range(len(replicates)):
            step = np.uint64(replicates[r] >> 1) * GOLDEN
            shift = np.uint64(32 * (replicates[r] & 1))
            _poisson(pointer(base, start), shift, step, count, pointer(some, 0))
            for c in range(width):
                out[r, c] += _dot(pointer(some, 0), pointer(columns, c * n + start), count)
    keep(some)


@kernel
def aucs(keys, units, negative, positive, below, upto, out):
    """The area under the ROC curve of each replicate; nan where it drew one class only.

    keys uint64 [r]; units: how many items or clusters are drawn. negative int32 [m]: the unit of
    each negative in order of score, positive int32 [p] that of each positive, below and upto int32
    [p]: negatives of a lower score, and of one not higher. out float64 [r].
    """
    drawn = np.empty(units, np.uint8)
    places = np.empty(AT_ONCE + 1, np.int64)
    before = np.empty(len(negative) + 1, np.int64)  # weight of the first negatives
    for r in range(len(keys)):
        _drawn(keys[r], units, drawn, places)
        total = np.int64(0)
        before[0] = 0
        for j in range(len(negative)):
            total += np.int64(drawn[negative[j]])
            before[j + 1] = total
        twice, wanted = np.int64(0), np.int64(0)
        for j in range(len(positive)):
            w = np.int64(drawn[positive[j]])
            wanted += w
            twice += w * (before[below[j]] + before[upto[j]])
        both = float(wanted) * float(total)
        out[r] = float(twice) / (2.0 * both) if both > 0 else np.nan


@kernel
def curves(keys, units, unit, positive, last, weight, precise, out):
    """The area under the ROC curve of each replicate, or, where precise, average precision; nan
    where it is not defined.

    keys uint64 [r]; units: how many items or clusters are drawn. Items best first: unit int32 [n],
    who each is; positive, last bool [n], whether it is, and whether a lower score follows; weight
    float64 [n], or empty where all weigh 1. out float64 [r]. Sums of whole numbers are exact below
    2^53.
    """
    drawn = np.empty(units, np.uint8)
    places = np.empty(AT_ONCE + 1, np.int64)
    n, weighted = len(unit), len(weight) > 0
    for r in range(len(keys)):
        _drawn(keys[r], units, drawn, places)
        fp, tp, fp0, tp0, total = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            w = np.float64(drawn[unit[i]])
            w = w * weight[i] if weighted else w
            tp += w * positive[i]
            fp += w * (1 - positive[i])
            if last[i]:
                if precise:
                    total += (tp - tp0) * (tp / max(tp + fp, TINY))
                else:
                    total += (fp - fp0) * (tp + tp0)
                fp0, tp0 = fp, tp
        if precise:
            out[r] = total / tp if tp > 0 else np.nan
        else:
            out[r] = total / (2.0 * fp * tp) if fp > 0 and tp > 0 else np.nan
