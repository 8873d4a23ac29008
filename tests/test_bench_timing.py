"""How the benchmark measures: contenders in turns, a slice of time each, memory and processes."""

import itertools
import sys

import memory
import numpy as np
import processes
import pytest
from gate import Took
from timing import StopRule, Times, interleave

from bench_kit import ONCE


class Clock:
    """A clock that only moves when a contender runs."""

    def __init__(self):
        self.now, self.ran = 0.0, []

    def __call__(self):
        return self.now

    def contender(self, name, *seconds):
        times = itertools.cycle(seconds)

        def runs():
            self.ran.append(name)
            self.now += next(times)

        return runs


def test_contenders_take_turns_and_ratios_stay_inside_a_round():
    # The machine slows down threefold in the second round: ratios do not move.
    clock = Clock()
    contenders = {"a": clock.contender("a", 1, 3), "b": clock.contender("b", 4, 12)}
    times = interleave(contenders, StopRule(min_rounds=2, settled=0.0, budget_s=16), clock)
    assert clock.ran == ["a", "b", "b", "a"]
    assert times["b"].ratio_to(times["a"]) == 4
    assert times["a"].rounds == [1, 3]
    assert times["a"].min == 1


def test_a_slice_ends_by_the_clock_whatever_a_contender_tells():
    """One that tells the time of a small part would be called for ever."""
    clock = Clock()
    run = clock.contender("a", *[5] * 4)

    def told():
        run()
        return Took(1e-6, None)

    times = interleave({"a": told}, StopRule(1, 1, slice_s=8), clock)
    assert times["a"].calls == [1e-6] * 2


def test_short_calls_are_repeated_for_a_slice():
    clock = Clock()
    times = interleave({"a": clock.contender("a", 1, 5, 2)}, StopRule(1, 1, slice_s=8), clock)
    assert times["a"].calls == [1, 5, 2]
    assert times["a"].rounds == [2]


def test_a_contender_may_measure_itself():
    times = interleave({"a": lambda: Took(2.5, None, 7, cpu_s=4.0)}, ONCE)
    assert (times["a"].rounds, times["a"].peak_bytes) == ([2.5], 7)
    assert 4.0 <= times["a"].cpu[0] < 5.0


def test_stop_rule():
    rule = StopRule(min_rounds=3, max_rounds=5, budget_s=10, settled=0.01)

    def times(*ratios):
        return {"a": Times([1.0] * len(ratios)), "b": Times([*ratios])}

    assert not rule.done(times(2, 2), 99)
    assert rule.done(times(2, 2, 2), 0)
    assert not rule.done(times(1, 2, 3), 0)
    assert rule.done(times(1, 2, 3), 10)
    assert rule.done(times(1, 2, 3, 4, 5), 0)


@pytest.mark.skipif(not memory.CLEAR.exists(), reason="resident peaks are read from Linux's /proc")
def test_memory_of_arrays_is_seen():
    # So much that what others give back meanwhile does not matter.
    assert 240 << 20 <= memory.extra_bytes(lambda: np.ones(32 << 20)) <= 272 << 20


def test_a_process_is_timed_and_its_failure_told():
    took = processes.spawn([sys.executable, "-c", "print('x' * 3)"])
    assert took.result == "xxx\n"
    assert took.seconds > 0
    assert took.peak_bytes > 1 << 20
    with pytest.raises(RuntimeError, match="exit code 1: ValueError: no"):
        processes.spawn([sys.executable, "-c", "raise ValueError('no')"])
