"""Timings: how long the scopes of a loop took, as a state that adds over ranks and runs.

Of every path there is a histogram of durations, exact totals, and the least and the longest, of the
clock and, where a device was given, of the device. Quantiles are within 0.05 %, and told where
enough runs lie above them (`metrics/durations.py`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from assay.core.errors import InputError
from assay.core.score import Better, Score, provenance
from assay.core.state import State, grouped, keyed, peak, summed
from assay.metrics.durations import Durations, check_counts

__all__ = ["ScopeTimes", "Timings"]

_TOLD = ("mean", "p50", "p90", "p95", "p99", "min", "max")


@dataclass(frozen=True, eq=False)
class ScopeTimes(State):
    """The scopes of one path, in nanoseconds.

    counts, device_counts: bucket of a duration -> scopes. least: as its negative, since peaks keep
    what is largest. failed: left by an exception; they are in no time. unclosed: never left, or
    open when they were read.
    """

    counts: Mapping[int, int] = keyed()
    total_ns: int = summed()
    minus_min_ns: int | None = peak()
    max_ns: int | None = peak()
    device_counts: Mapping[int, int] = keyed()
    device_total_ns: int = summed()
    device_minus_min_ns: int | None = peak()
    device_max_ns: int | None = peak()
    failed: int = summed()
    unclosed: int = summed()

    @classmethod
    def of(cls, row: tuple[str, Any, Any, int, int]) -> "ScopeTimes":
        """The state of a row that a ScopeTimer read."""
        _, host, device, failed, unclosed = row
        return cls(*_fields(host), *_fields(device), failed, unclosed)

    def check(self) -> None:
        """Refuse what are no counts of durations."""
        check_counts(self.counts)
        check_counts(self.device_counts)
        super().check()

    @cached_property
    def durations(self) -> Durations:
        """By the clock."""
        return Durations(self.counts, self.total_ns, self.minus_min_ns, self.max_ns)

    @cached_property
    def device_durations(self) -> Durations:
        """On the device; empty without one."""
        return Durations(
            self.device_counts, self.device_total_ns, self.device_minus_min_ns, self.device_max_ns
        )

    def total_scores(self) -> list[Score]:
        """count and total_s, time_ms/mean, p50 …, the same of the device; failed and unclosed
        where there are any."""
        scores = self._scores_of(self.durations, "")
        if self.device_durations.n:
            scores += self._scores_of(self.device_durations, "device_")
        for name in ("failed", "unclosed"):
            if value := getattr(self, name):
                scores.append(_score(name, int(value), "scopes", "lower", int(value)))
        return scores

    def _scores_of(self, durations: Durations, prefix: str) -> list[Score]:
        n = durations.n
        scores = [
            _score(f"{prefix}count", n, "scopes", None, n),
            _score(f"{prefix}total_s", durations.total_ns / 1e9, "s", "lower", n),
        ]
        told = dict(durations.values_ms()) if n else {}
        return scores + [
            _score(f"{prefix}time_ms/{name}", told[name], "ms", "lower", n)
            for name in _TOLD
            if name in told
        ]

    def __getitem__(self, name: str) -> float:
        prefix, _, quantile = name.rpartition("time_ms/")
        durations = self.device_durations if prefix else self.durations
        if prefix in ("", "device_") and (why := durations.left_out.get(quantile)):
            raise KeyError(f"{name} {why}")
        return super().__getitem__(name)


@dataclass(frozen=True, eq=False)
class Timings(State):
    """What a Timer counted.

    scopes: (path,) -> ScopeTimes, names of nested scopes joined by "/". total_ns: since the timer
    was made; of several ranks or runs their sum. epochs: whole ones; epoch_ns: they took,
    epoch_evaluation_ns of it in evaluation. evaluations, evaluation_ns: all of them. lost, skipped:
    device times that failed calls cost, or that a stream capture left out.
    """

    scopes: Mapping[tuple[str, ...], ScopeTimes] = grouped()
    total_ns: int = summed()
    epochs: int = summed()
    epoch_ns: int = summed()
    epoch_evaluation_ns: int = summed()
    evaluations: int = summed()
    evaluation_ns: int = summed()
    lost: int = summed()
    skipped: int = summed()

    by: ClassVar = ("scope",)

    def scope(self, path: str) -> ScopeTimes:
        """The scopes of a path, such as "step/forward"; InputError for one that there is not."""
        if (path,) not in self.scopes:
            known = ", ".join(sorted(key for (key,) in self.scopes)) or "none"
            raise InputError(f"scope {path!r} was not timed; there are: {known}")
        return self.scopes[path,]

    @property
    def total_time_s(self) -> float:
        """Seconds since the timer was made or reset, summed over ranks and runs."""
        return int(self.total_ns) / 1e9

    @property
    def epoch_time_s(self) -> float:
        """Mean seconds of an epoch, evaluation included; nan without epochs."""
        return int(self.epoch_ns) / 1e9 / self.epochs if self.epochs else math.nan

    @property
    def epoch_train_time_s(self) -> float:
        """Mean seconds of an epoch outside evaluation; nan without epochs."""
        spent = int(self.epoch_ns - self.epoch_evaluation_ns)
        return spent / 1e9 / self.epochs if self.epochs else math.nan

    @property
    def evaluation_time_s(self) -> float:
        """Mean seconds of an evaluation; nan without one."""
        return int(self.evaluation_ns) / 1e9 / self.evaluations if self.evaluations else math.nan

    def total_scores(self) -> list[Score]:
        """total_time_s; epoch_time_s, epoch_train_time_s and evaluation_time_s where there were
        any; lost and skipped device times likewise. Those of scopes are tagged with their path."""
        scores = [_score("total_time_s", self.total_time_s, "s", "lower", 1)]
        if self.epochs:
            scores += [
                _score(name, getattr(self, name), "s", "lower", int(self.epochs))
                for name in ("epoch_time_s", "epoch_train_time_s")
            ]
        if self.evaluations:
            mean, n = self.evaluation_time_s, int(self.evaluations)
            scores.append(_score("evaluation_time_s", mean, "s", "lower", n))
        for name in ("lost", "skipped"):
            if value := int(getattr(self, name)):
                scores.append(_score(f"device_times_{name}", value, "scopes", "lower", value))
        return scores


def _fields(
    tally: tuple[int, int | None, int | None, dict[int, int]],
) -> tuple[dict[int, int], int, int | None, int | None]:
    total, least, most, counts = tally
    return counts, total, None if least is None else -least, most


def _score(name: str, value: float, unit: str, better: Better, n: int) -> Score:
    return Score(name, value, unit, better, n, {}, f"{name}|clock:monotonic", provenance())
