"""A simulated clock: calls take as long as a test says, and no time passes elsewhere."""

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

import numpy as np

from assay.ops import clocks
from assay.ops.timing import Timing


class SimulatedClock:
    """Stands for perf_counter_ns: a reading takes `tick` ns, a call made here as long as given."""

    def __init__(self, monkeypatch: Any, tick: int = 50) -> None:
        self.ns, self.tick = 0, tick
        monkeypatch.setattr(clocks, "now", self)

    def __call__(self) -> int:
        self.ns += self.tick
        return self.ns

    def call(self, lengths: int | Iterable[int], log: list[Any] | None = None, name: Any = None):
        """A function whose runs take these nanoseconds, one after another."""
        left = repeat(lengths) if isinstance(lengths, int) else iter(lengths)

        def call(*_: Any) -> None:
            self.ns += int(next(left))
            if log is not None:
                log.append(name)

        return call


def timing(ns: Iterable[int], device_ns: Iterable[int] = (), **changed: Any) -> Timing:
    """What the loop gives for these runs."""
    values = {
        "ns": np.array(ns, np.int64),
        "device_ns": np.array(device_ns, np.int64),
        "warmup_runs": 2,
        "warmup_ns": 9,
        "first_ns": 7,
        "overhead_ns": 100,
        "throttled": None,
        "device": "cpu",
        "events": "none",
        "graph": False,
        "clock_mhz": None,
    }
    return Timing(**{**values, **changed})


def endless(draw: Callable[[], float]) -> Iterable[int]:
    while True:
        yield round(draw())
