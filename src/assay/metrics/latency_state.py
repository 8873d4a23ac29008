"""Latency: how long one call takes, as a state that adds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, keyed, peak, summed
from assay.metrics.durations import LEVEL, Durations, check_counts, counts_of
from assay.ops.timing import Timing

__all__ = ["Latency"]


@dataclass(frozen=True, eq=False, repr=False)
class Latency(State):
    """Durations of one call, end to end and, on an accelerator, on the device.

    counts, device_counts: bucket of a duration -> runs; totals, least (as its negative, since peaks
    keep what is largest) and longest are exact, in nanoseconds. items: what one run works on.
    audio_ms: how much audio that is. conditions: "name:value" of device, threads, types and modes;
    states that differ in them do not add. overhead_ns: what the clock may add to a run. precision:
    the width asked for, of the median's interval over the median.
    """

    counts: Mapping[int, int] = keyed()
    total_ns: int = summed()
    minus_min_ns: int | None = peak()
    max_ns: int | None = peak()
    device_counts: Mapping[int, int] = keyed()
    device_total_ns: int = summed()
    device_minus_min_ns: int | None = peak()
    device_max_ns: int | None = peak()
    warmup_runs: int = summed()
    warmup_ns: int = summed()
    first_ns: int | None = peak()
    overhead_ns: int | None = peak()
    measurements: int = summed()
    throttle_known: int = summed()
    throttle_seen: int = summed()
    minus_clock_mhz: int | None = peak()
    precision: float | None = peak()
    items: int | None = fixed()
    audio_ms: int | None = fixed()
    conditions: tuple[str, ...] | None = fixed()

    @classmethod
    def of(
        cls,
        timing: Timing,
        *,
        items: int,
        audio_ms: int | None,
        conditions: tuple[str, ...],
        precision: float,
    ) -> "Latency":
        """The state of one measurement."""
        ns, device = timing.ns, timing.device_ns
        return cls(
            counts_of(ns),
            int(ns.sum()),
            -int(ns.min()),
            int(ns.max()),
            counts_of(device),
            int(device.sum()),
            -int(device.min()) if len(device) else None,
            int(device.max()) if len(device) else None,
            timing.warmup_runs,
            timing.warmup_ns,
            timing.first_ns if timing.warmup_runs else None,
            timing.overhead_ns,
            1,
            int(timing.throttled is not None),
            int(bool(timing.throttled)),
            None if timing.clock_mhz is None else -timing.clock_mhz,
            precision,
            items,
            audio_ms,
            (*conditions, f"events:{timing.events}"),
        )

    def check(self) -> None:
        """Refuse what are no counts of durations."""
        check_counts(self.counts)
        check_counts(self.device_counts)
        super().check()

    # -- values --------------------------------------------------------------------------------

    @cached_property
    def durations(self) -> Durations:
        """End to end."""
        return Durations(
            self.counts, self.total_ns, self.minus_min_ns, self.max_ns, self.overhead_ns or 0
        )

    @cached_property
    def device_durations(self) -> Durations:
        """Between the events on the device; empty on the CPU."""
        return Durations(
            self.device_counts, self.device_total_ns, self.device_minus_min_ns, self.device_max_ns
        )

    @property
    def runs(self) -> int:
        """Timed runs."""
        return self.durations.n

    @property
    def median_ms(self) -> float:
        """The median, end to end; nan of no runs."""
        return self.durations.quantile_ns(0.5) / 1e6

    @property
    def interval_ms(self) -> tuple[float, float]:
        """The interval of the median."""
        low, high = self.durations.interval_ns
        return low / 1e6, high / 1e6

    @property
    def converged(self) -> bool:
        """The median is known as precisely as was asked for."""
        return self.durations.relative_width <= (self.precision or 0.0)

    @property
    def lost_events(self) -> bool:
        """It ran on an accelerator, and events of some runs were lost: no device time is told."""
        timed = "events:none" not in (self.conditions or ("events:none",))
        return timed and not self.device_counts

    @property
    def throughput(self) -> float:
        """Items a second of the time spent in runs."""
        items = self.runs * (self.items or 0)
        return items / self.total_ns * 1e9 if self.total_ns else math.nan

    @property
    def ms_per_sample(self) -> float:
        """Milliseconds an item: 1000 / throughput."""
        items = self.runs * (self.items or 0)
        return self.total_ns / items / 1e6 if items else math.nan

    @property
    def left_out(self) -> dict[str, str]:
        """Scores that are not told, and why."""
        reasons = {f"latency_ms/{q}": why for q, why in self.durations.left_out.items()}
        device = self.device_durations
        if device.n:
            reasons |= {f"device_latency_ms/{q}": why for q, why in device.left_out.items()}
        else:
            reasons["device_latency_ms/p50"] = (
                "is not told: events of some runs were lost"
                if self.lost_events
                else "is of runs on an accelerator"
            )
        return reasons

    # -- scores --------------------------------------------------------------------------------

    @property
    def signature(self) -> str:
        """The definition and the conditions: equal signatures mean comparable numbers."""
        told = "|".join(self.conditions or ())
        return f"clock:perf_counter_ns|interval:{LEVEL}|items:{self.items}|{told}"

    def total_scores(self) -> list[Score]:
        """Quantiles, interval, mean, least and longest; throughput; how it was measured."""
        scores = [
            self._score(f"latency_ms/{name}", value, "ms", "lower")
            for name, value in self.durations.values_ms()
        ]
        if self.device_durations.n:
            scores += [
                self._score(f"device_latency_ms/{name}", value, "ms", "lower")
                for name, value in self.device_durations.values_ms()
            ]
        scores += [
            self._score("throughput", self.throughput, "items/s", "higher"),
            self._score("ms_per_sample", self.ms_per_sample, "ms", "lower"),
        ]
        if self.audio_ms:
            factor = self.durations.mean_ns / 1e6 / self.audio_ms
            scores.append(self._score("real_time_factor", factor, "ratio", "lower"))
        scores += [
            self._score("runs", self.runs, "runs", None),
            self._score("converged", int(self.converged), "0 or 1", "higher"),
            self._score("warmup_runs", self.warmup_runs, "runs", None),
            self._score("warmup_ms", self.warmup_ns / 1e6, "ms", None),
            self._score("first_run_ms", _ms(self.first_ns), "ms", None),
            self._score("clock_overhead_ms", _ms(self.overhead_ns), "ms", None),
        ]
        if self.throttle_known:
            share = self.throttle_seen / self.throttle_known
            scores.append(self._score("throttled", share, "fraction", "lower"))
        if self.minus_clock_mhz is not None:
            scores.append(self._score("sm_clock_mhz", -self.minus_clock_mhz, "MHz", None))
        return scores

    def __getitem__(self, name: str) -> float:
        if why := self.left_out.get(name):
            more = "; ask for min_runs=" if why.startswith("takes") else ""
            needed = why.split()[1] if more else ""
            raise KeyError(f"{name} {why}{more}{needed}")
        return super().__getitem__(name)

    def __repr__(self) -> str:
        low, high = self.interval_ms
        state = "converged" if self.converged else "not converged"
        return f"Latency({self.median_ms:.4g} ms, {low:.4g}..{high:.4g}, n={self.runs}, {state})"

    def _score(self, name: str, value: float, unit: str, better: Better) -> Score:
        return Score(
            name, value, unit, better, self.runs, {}, f"{name}|{self.signature}", provenance()
        )


def _ms(ns: int | None) -> float:
    return math.nan if ns is None else ns / 1e6
