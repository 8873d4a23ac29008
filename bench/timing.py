"""Times that can be compared on a machine that is busy with other things.

Contenders take turns; a round gives each a slice of time in which it is called at least once, and
its figure for the round is the median of those calls. Ratios are taken inside a round, so what
slows the machine for a while slows both sides, and their median over rounds is reported. When to
stop is decided apart from how to measure.
"""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from gate import Took

__all__ = ["StopRule", "Times", "interleave"]


@dataclass
class Times:
    """Seconds of one contender: of each round, and of every call."""

    rounds: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # of all threads, a call's mean in each round
    peak_bytes: int | None = None

    @property
    def median(self) -> float:
        return median(self.rounds)

    @property
    def min(self) -> float:
        return min(self.calls)

    def quantile(self, q: float) -> float:
        return float(np.quantile(self.calls, q))

    def ratio_to(self, other: "Times") -> float:
        """Median over rounds of this time over the other's in the same round."""
        return median(a / b for a, b in zip(self.rounds, other.rounds, strict=True))


@dataclass(frozen=True)
class StopRule:
    """Enough rounds: the ratios have settled, or the time is spent.

    settled: the span from the 20th to the 80th percentile of every ratio to the first contender,
    over the square root of the number of rounds, as a share of the ratio.
    """

    min_rounds: int = 5
    max_rounds: int = 40
    budget_s: float = 12.0
    settled: float = 0.01
    slice_s: float = 0.1

    def done(self, times: Mapping[str, Times], elapsed_s: float) -> bool:
        base, *others = times.values()
        rounds = len(base.rounds)
        if rounds < self.min_rounds:
            return False
        if rounds >= self.max_rounds or elapsed_s >= self.budget_s:
            return True
        return all(self._spread(one, base) <= self.settled for one in others)

    @staticmethod
    def _spread(one: Times, base: Times) -> float:
        ratios = np.divide(one.rounds, base.rounds)
        low, middle, high = np.quantile(ratios, [0.2, 0.5, 0.8])
        return float((high - low) / middle / np.sqrt(len(ratios)))


def interleave(
    contenders: Mapping[str, Callable[[], Any]],
    rule: StopRule,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Times]:
    """Time the contenders in turns until the rule says stop. Each has been called before."""
    times = {name: Times() for name in contenders}
    gc.collect()
    gc.freeze()  # inputs and truths are not looked through again at each collection
    started = clock()
    order = list(contenders)
    try:
        while not rule.done(times, clock() - started):
            for name in order:
                _slice(contenders[name], times[name], rule.slice_s, clock)
            order.append(order.pop(0))  # nobody always follows the same neighbour
    finally:
        gc.unfreeze()
    return times


def _slice(
    run: Callable[[], Any], times: Times, slice_s: float, clock: Callable[[], float]
) -> None:
    gc.collect()  # nobody pays for another's garbage
    calls: list[float] = []
    spent = 0.0
    cpu_s = -time.process_time()
    while not calls or spent < slice_s:
        start = clock()
        result = run()
        seconds = passed = clock() - start
        if isinstance(result, Took):  # what it tells may be a small part of what passed
            seconds = result.seconds
            cpu_s += result.cpu_s or 0.0
            times.peak_bytes = max(times.peak_bytes or 0, result.peak_bytes or 0) or None
        calls.append(seconds)
        spent += passed
    times.cpu.append((cpu_s + time.process_time()) / len(calls))
    times.calls += calls
    times.rounds.append(median(calls))
