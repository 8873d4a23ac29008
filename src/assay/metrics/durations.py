"""What many durations of one thing say: quantiles, mean, the interval of the median.

Quantiles are those of a histogram (`ops/durations.py`), within 0.05 % of a duration that was
measured: the least one that a share q of all reach or stay below. Mean, least and longest are
exact. A quantile is told where at least three runs are expected above it (p90: 30 runs, p95: 60,
p99: 300).

The interval of the median needs no distribution: of n runs, how many lie below the true median is
binomial(n, 1/2), so the runs at ranks l and n + 1 - l enclose it with at least the level, where l
is the largest rank with P(at most l - 1 below) <= (1 - level) / 2. Six runs are the least at 0.95.
Its ends are moved outwards by the histogram's error, the low one also by what the clock adds.

A loop that stops once the interval is narrow covers a little less often than the level says: in
simulations of latency(), 0.94 to 0.95 of the time.

Source: David and Nagaraja, "Order Statistics", 2003, section 7.1. Runs are taken to be independent
of one another, which neighbours in time are not quite.
"""

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.ops import durations as ops

__all__ = ["LEVEL", "Durations", "achieved_level", "check_counts", "counts_of", "median_ranks"]

LEVEL = 0.95
EXACT = 1 << 18  # runs, up to which the binomial is summed; beyond, the normal is off by 1e-6
ABOVE = 3  # runs expected above a quantile that is told
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def counts_of(ns: Any) -> dict[int, int]:
    """The histogram of durations in nanoseconds: bucket -> how many."""
    buckets, counts = np.unique(ops.bucket_of(ns), return_counts=True)
    return dict(zip(buckets.tolist(), counts.tolist(), strict=True))


def check_counts(counts: Mapping[int, int]) -> None:
    """Refuse, of a state from elsewhere, what is no histogram of durations."""
    known = all(0 <= bucket <= ops.LAST and n >= 0 for bucket, n in counts.items())
    if not known or sum(counts.values()) >= 1 << 53:
        raise InputError("counts of durations are below 0, beyond 2^53, or in no bucket")


@functools.lru_cache(4096)
def median_ranks(n: int, level: float = LEVEL) -> tuple[int, int] | None:
    """Ranks 1..n of the runs that enclose the median; None where n is too small.

    >>> median_ranks(5), median_ranks(6), median_ranks(100)
    (None, (1, 6), (40, 61))
    """
    tail = (1 - level) / 2
    if n > EXACT:
        low = math.floor((n + 1 + NormalDist().inv_cdf(tail) * math.sqrt(n)) / 2)
    else:
        low = int(np.searchsorted(_below(n), tail, "right"))
    return (low, n + 1 - low) if low else None


@functools.lru_cache(4096)
def achieved_level(n: int) -> float:
    """The chance that the runs at those ranks enclose the median: at least the level."""
    ranks = median_ranks(n)
    if ranks is None:
        return math.nan
    if n > EXACT:
        return 1 - 2 * NormalDist().cdf((2 * ranks[0] - 1 - n) / math.sqrt(n))
    return 1 - 2 * float(_below(n)[ranks[0] - 1])


def _below(n: int) -> npt.NDArray[np.float64]:
    """The chance that at most 0, 1, …, n/2 of n runs lie below the median."""
    half = n // 2
    steps = np.log(np.arange(n, n - half, -1)) - np.log(np.arange(1, half + 1))
    logs = np.concatenate([[0.0], np.cumsum(steps)]) - n * math.log(2)
    return np.asarray(np.cumsum(np.exp(logs)))


@dataclass(frozen=True)
class Durations:
    """A histogram with the exact total, least (its negative) and longest, in nanoseconds.

    overhead_ns: what the clock may have added to each.
    """

    counts: Mapping[int, int]
    total_ns: int
    minus_min_ns: int | None
    max_ns: int | None
    overhead_ns: int = 0

    @functools.cached_property
    def n(self) -> int:
        """Runs."""
        return sum(self.counts.values())

    @property
    def mean_ns(self) -> float:
        return self.total_ns / self.n if self.n else math.nan

    def quantile_ns(self, q: float) -> float:
        """A quantile; nan of no runs."""
        return ops.quantile(list(self.counts), list(self.counts.values()), q)

    @functools.cached_property
    def enclosing_ns(self) -> tuple[float, float]:
        """The runs that enclose the median; nan of too few."""
        ranks = median_ranks(self.n)
        if ranks is None:
            return math.nan, math.nan
        low, high = ops.at_rank(list(self.counts), list(self.counts.values()), ranks)
        return float(low), float(high)

    @property
    def interval_ns(self) -> tuple[float, float]:
        """The interval of the median, with what histogram and clock may be off by."""
        low, high = self.enclosing_ns
        if math.isnan(low):
            return low, high
        return max(0.0, low * (1 - ops.ERROR) - self.overhead_ns), high * (1 + ops.ERROR)

    @property
    def relative_width(self) -> float:
        """Of the runs that enclose the median, their distance over it; inf of too few."""
        low, high = self.enclosing_ns
        middle = self.quantile_ns(0.5)
        return (high - low) / middle if middle > 0 and not math.isnan(low) else math.inf

    @property
    def left_out(self) -> dict[str, str]:
        """Which quantiles are not told, and why."""
        return {
            name: f"takes {_needed(q)} runs, there are {self.n}"
            for name, q in QUANTILES.items()
            if name != "p50" and self.n < _needed(q)
        }

    def values_ms(self) -> Iterator[tuple[str, float]]:
        """Names and values in milliseconds: p50, its interval, p90 …, iqr, mean, min, max."""
        low, high = self.interval_ns
        values = {"p50": self.quantile_ns(0.5), "p50_low": low, "p50_high": high}
        values |= {
            name: self.quantile_ns(q)
            for name, q in QUANTILES.items()
            if name != "p50" and name not in self.left_out
        }
        values["iqr"] = self.quantile_ns(0.75) - self.quantile_ns(0.25)
        values["mean"] = self.mean_ns
        values["min"] = math.nan if self.minus_min_ns is None else -self.minus_min_ns
        values["max"] = math.nan if self.max_ns is None else self.max_ns
        yield from ((name, ns / 1e6) for name, ns in values.items())


def _needed(q: float) -> int:
    return math.ceil(ABOVE / (1 - q) - 1e-9)
