"""Two versions of a call, before and after: how much faster, and how far their outputs are apart.

Runs alternate in an order drawn anew each round, so what changes with time (clocks, heat, other
work) falls on both alike. The ratio of medians has an interval that follows from those of the two
medians, taken on a logarithmic scale:

    se = ln(high / low) / 2z         z of the level those ranks really have
    ln ratio ± z sqrt(se_a^2 + se_b^2)

It takes the two to be independent; runs of one round are a little alike, which makes it wider than
it need be. States add, and the ratio is that of the sums.

Source: Price and Bonett, J. Stat. Comput. Simul. 72, 2002, on ranks of the binomial.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from assay.core.checks import flag
from assay.core.errors import InputError
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped
from assay.metrics.drift import Drift, drift_of
from assay.metrics.durations import LEVEL, Durations, achieved_level
from assay.metrics.latency import Mode, check_options, check_size, warn_of, width
from assay.metrics.latency_state import Latency
from assay.ops import conditions, timing
from assay.ops.conditions import Call
from assay.ops.leaves import Leaf, leaves

__all__ = ["LatencyComparison", "latency_compare"]


@dataclass(frozen=True, eq=False)
class LatencyComparison(State):
    """Latency of two calls, and the drift of their outputs.

    sides: (name,) -> Latency, whose scores carry the name as the tag `model`. drifts: () -> Drift.
    names: which is before and which after.
    """

    sides: Mapping[tuple[str], Latency] = grouped()
    drifts: Mapping[tuple[()], Drift] = grouped()
    names: tuple[str, ...] | None = fixed()

    def check(self) -> None:
        """Refuse names without a latency."""
        if sorted((name,) for name in self.names or ()) != sorted(self.sides):
            raise InputError(f"there are latencies of {[*self.sides]}, not of {self.names}")
        super().check()

    @property
    def before(self) -> Latency:
        """The first call's latency."""
        return self._side(0)

    @property
    def after(self) -> Latency:
        """The second call's latency."""
        return self._side(1)

    @property
    def drift(self) -> Drift:
        """How far the outputs are apart; of nothing where they were not compared."""
        return self.drifts.get((), Drift())

    def _side(self, i: int) -> Latency:
        return self.sides.get((self.names[i],), Latency()) if self.names else Latency()

    @property
    def speedup(self) -> float:
        """Median before over median after: above 1 the second is faster; nan of no runs."""
        return _over(self.before.median_ms, self.after.median_ms)

    @property
    def speedup_interval(self) -> tuple[float, float]:
        """The interval of that ratio; nan of fewer than six runs."""
        return _ratio_interval(self.before.durations, self.after.durations)

    def total_scores(self) -> list[Score]:
        """The ratio with its interval, then the drift."""
        low, high = self.speedup_interval
        values = {"speedup": self.speedup, "speedup_low": low, "speedup_high": high}
        if self.before.device_durations.n and self.after.device_durations.n:
            a, b = self.before.device_durations, self.after.device_durations
            low, high = _ratio_interval(a, b)
            middle = _over(a.quantile_ns(0.5), b.quantile_ns(0.5))
            values |= {"device_speedup": middle}
            values |= {"device_speedup_low": low, "device_speedup_high": high}
        scores = [self._score(name, value, "ratio", "higher") for name, value in values.items()]
        return [*scores, *(self.drift.total_scores() if self.drifts else [])]

    def scores(self) -> list[Score]:
        """Ratio and drift, then the two latencies, then the drift of each output."""
        scores = self.total_scores()
        for name in self.names or ():
            scores += [score.tagged(model=name) for score in self.sides[name,].total_scores()]
        return scores + self.drift.scores()[len(self.drift.total_scores()) :]

    def _score(self, name: str, value: float, unit: str, better: Better) -> Score:
        a, b = self.before, self.after
        signature = f"{name}|medians|interval:{LEVEL}|before:{a.signature}|after:{b.signature}"
        return Score(name, value, unit, better, min(a.runs, b.runs), {}, signature, provenance())


def latency_compare(
    a: Callable[..., Any],
    b: Callable[..., Any],
    *args: Any,
    names: Sequence[str] = ("before", "after"),
    drift: bool = True,
    items: int = 1,
    warmup: int | None = None,
    min_runs: int = 30,
    max_time_s: float = 20.0,
    precision: float = 0.02,
    device: str | None = None,
    mode: Mode = "inference",
    audio_s: float | None = None,
    seed: int = 0,
    **kwargs: Any,
) -> LatencyComparison:
    """Time a(*args, **kwargs) and b of the same in turns, and compare their outputs.

    As a model before and after it is quantised, pruned or compiled. names: of the two, the tag
    `model` of their scores. `speedup` is the median of a over that of b (above 1: b is faster),
    with an interval of level 0.95. drift: compare the outputs of one run of each, warmed up:
    `max_abs_difference`, `cosine`, `min_cosine`, `argmax_agreement`, `identical` (see count_drift);
    outputs of other structure or shape are an InputError. Every run is given the same arguments: a
    call that writes to them changes what the next one sees. seed: of the order of runs. The rest as
    in latency(), for each of the two; max_time_s is of both together.

    >>> c = latency_compare(sorted, lambda x: sorted(x), [3, 1, 2] * 5000, precision=0.9)
    >>> c["speedup"] > 0, c["identical"], c.before["runs"] == c.after["runs"]
    (True, 1.0, True)
    """
    for fn in (a, b):
        check_options("latency_compare", fn, warmup, min_runs, max_time_s, precision, mode)
    items, audio_ms = check_size("latency_compare", items, audio_s)
    flag(drift, "latency_compare: drift")
    if len(names) != 2 or names[0] == names[1] or not all(names):
        raise InputError(f"latency_compare: names must be two different ones, got {names!r}")
    calls = [Call(fn, args, kwargs) for fn in (a, b)]
    drifts: dict[tuple[()], Drift] = {}

    taken: list[list[Leaf]] = []

    def take(output: Any) -> None:  # copied: the second may be written where the first was
        taken.append([(path, None if a is None else a.copy(), x) for path, a, x in leaves(output)])
        if len(taken) == 2:
            drifts[()] = drift_of(*taken)

    measured = timing.measure(
        calls,
        device=device,
        warmup=warmup,
        min_runs=min_runs,
        max_time_s=max_time_s,
        enough=lambda runs: all(width(ns) <= precision for ns in runs),
        seed=seed,
        output=take if drift else None,
    )
    sides = {}
    for name, call, one in zip(names, calls, measured, strict=True):
        found = conditions.look(call)
        sides[name,] = Latency.of(
            one,
            items=items,
            audio_ms=audio_ms,
            conditions=conditions.conditions(found, one.device, mode),
            precision=precision,
        )
        warn_of(f"latency_compare ({name})", sides[name,], found, one.graph, mode)
    return LatencyComparison(sides, drifts, tuple(names))


def _ratio_interval(a: Durations, b: Durations) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    spread = math.hypot(*(_spread_of_log(side) for side in (a, b)))
    middle = _over(a.quantile_ns(0.5), b.quantile_ns(0.5))
    return middle * math.exp(-z * spread), middle * math.exp(z * spread)


def _spread_of_log(durations: Durations) -> float:
    """The standard error of the logarithm of a median."""
    low, high = durations.enclosing_ns
    if not low > 0:
        return math.nan
    z = NormalDist().inv_cdf((1 + achieved_level(durations.n)) / 2)
    return math.log(high / low) / (2 * z)


def _over(a: float, b: float) -> float:
    return a / b if b else math.nan
