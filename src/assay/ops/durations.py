"""Durations in an integer histogram, which adds exactly.

A duration of ns nanoseconds below 2048 has a bucket of its own. Above that a bucket holds the
durations that agree in their first eleven bits:

    e = bit_length(ns) - 11        bucket = (e << 10) + (ns >> e)

Buckets are in the order of durations, and the middle of one is within 0.05 % of all it holds.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ERROR", "LAST", "at_rank", "bucket_of", "middle_of", "quantile"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ERROR = 2.0**-11  # of a middle, relative to any duration of its bucket
LAST = (52 << 10) + 2047  # the bucket of 2^63 - 1 ns


def bucket_of(ns: Any) -> Ints:
    """Buckets of durations: int64 nanoseconds, at least 0.

    >>> bucket_of([0, 2047, 2048, 4096]).tolist()
    [0, 2047, 2048, 3072]
    """
    ns = np.asarray(ns, np.int64)
    # frexp of the upper half: a float64 would round a long one up to the next power of two.
    high = ns >> 20
    bits = np.where(high > 0, np.frexp(high)[1] + 20, np.frexp(ns & 0xFFFFF)[1])
    shift = np.maximum(bits - 11, 0).astype(np.int64)
    return np.asarray((shift << 10) + (ns >> shift))


def middle_of(buckets: Any) -> Floats:
    """The middle of each bucket, in nanoseconds.

    >>> middle_of([7, 2048, 3072]).tolist()
    [7.0, 2048.5, 4097.5]
    """
    buckets = np.asarray(buckets, np.int64)
    shift = np.maximum((buckets >> 10) - 1, 0)
    first = (buckets - (shift << 10)) << shift
    return np.asarray(first + ((1 << shift) - 1) / 2)


def at_rank(buckets: Any, counts: Any, ranks: Any) -> Floats:
    """The durations at ranks 1..n of n in a histogram, in nanoseconds: middles of their buckets."""
    buckets, counts = np.asarray(buckets, np.int64), np.asarray(counts, np.int64)
    order = np.argsort(buckets)
    below = np.cumsum(counts[order])
    return middle_of(buckets[order][np.searchsorted(below, ranks)])


def quantile(buckets: Any, counts: Any, q: float) -> float:
    """The least duration that at least a share q of all reach or stay below; nan of none.

    >>> quantile([10, 20, 30], [1, 2, 1], 0.5)
    20.0
    """
    n = int(np.sum(counts))
    return float(at_rank(buckets, counts, max(1, int(np.ceil(q * n))))) if n else float("nan")
