"""How long a call takes: warmed up, timed until its median is known, with an interval.

End to end (`latency_ms`) is what a caller waits: on an accelerator the device is idle before and
after. On the device (`device_latency_ms`) is the time between two events around the call on the
caller's stream; it holds the device's idle time too where the host is the slower one.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, Literal

from assay.core.checks import number, one_of, whole
from assay.core.errors import InputError
from assay.metrics.durations import Durations, counts_of
from assay.metrics.latency_state import Latency
from assay.ops import conditions, timing
from assay.ops.conditions import Call

__all__ = [
    "Latency",
    "MeasurementWarning",
    "check_options",
    "check_size",
    "latency",
    "warn_of",
    "width",
]

Mode = Literal["inference", "train"]

SHARE = 0.02  # of the median that the clock may add without a warning


class MeasurementWarning(UserWarning):
    """A measurement says less than it seems to; the message says why, and what to do."""


def latency(
    fn: Callable[..., Any],
    *args: Any,
    items: int = 1,
    warmup: int | None = None,
    min_runs: int = 30,
    max_time_s: float = 10.0,
    precision: float = 0.02,
    device: str | None = None,
    mode: Mode = "inference",
    audio_s: float | None = None,
    **kwargs: Any,
) -> Latency:
    """Time fn(*args, **kwargs).

    items: what one run works on (the batch size), for `throughput` in items/s and `ms_per_sample`.
    warmup: runs before timing; None goes on until two windows in a row get no faster. Then runs are
    timed until the interval of the median (level 0.95, distribution-free) is at most `precision`
    of the median wide, twice in a row, but at least min_runs, and 300 of a quick call; or for
    max_time_s.
    `converged` says which, and a warning if it is the latter. audio_s: seconds of audio that a run
    works on, for `real_time_factor` (mean time over audio). Options come before fn's own keywords
    of the same names: bind those with functools.partial.

    `latency_ms/p50`, p50_low and p50_high, p90, p95, p99 (left out where runs are too few, see
    `left_out`), iqr, mean, min, max; lower is better. The same as `device_latency_ms/…` on an
    accelerator. Quantiles are within 0.05 %, sums exact; states of equal conditions add.

    device: "cpu", "cuda:0", "mps"; None finds it in arguments, parameters and output. Grad mode,
    autocast and threads stay the caller's and are recorded; a module left in train mode, a graph
    that is recorded, a throttled device, and a clock that is not negligible are warned of
    (MeasurementWarning). mode="train" says that a training step is timed: no warning of the first
    two.

    What fn raises passes, with a note of the run. An fn that is not callable, or returns a
    generator or an awaitable, which has not run yet, and options out of range are an InputError.

    Source: the order-statistic interval of David and Nagaraja, 2003.

    >>> l = latency(sorted, list(range(20_000)), items=20_000, precision=0.9)
    >>> l["latency_ms/p50"] > 0, l["throughput"] > 0, l["runs"] >= 30
    (True, True, True)
    """
    call = Call(fn, args, kwargs)
    check_options("latency", fn, warmup, min_runs, max_time_s, precision, mode)
    items, audio_ms = check_size("latency", items, audio_s)
    (measured,) = timing.measure(
        [call],
        device=device,
        warmup=warmup,
        min_runs=min_runs,
        max_time_s=max_time_s,
        enough=lambda runs: all(width(ns) <= precision for ns in runs),
    )
    found = conditions.look(call)
    state = Latency.of(
        measured,
        items=items,
        audio_ms=audio_ms,
        conditions=conditions.conditions(found, measured.device, mode),
        precision=precision,
    )
    warn_of("latency", state, found, measured.graph, mode)
    return state


def width(ns: Any) -> float:
    """The distance of the runs that enclose the median, over it."""
    return Durations(counts_of(ns), 0, None, None).relative_width


def check_options(
    caller: str,
    fn: Any,
    warmup: int | None,
    min_runs: int,
    max_time_s: float,
    precision: float,
    mode: str,
) -> None:
    """Refuse options out of range."""
    if not callable(fn):
        raise InputError(
            f"{caller}: fn must be callable, got {type(fn).__name__}; "
            f"give the function and its arguments: {caller}(fn, x), not {caller}(fn(x))"
        )
    if warmup is not None:
        whole(warmup, f"{caller}: warmup", 0)
    whole(min_runs, f"{caller}: min_runs")
    if not 0 < number(max_time_s, f"{caller}: max_time_s") < math.inf:
        raise InputError(f"{caller}: max_time_s must be positive and finite, got {max_time_s!r}")
    if not 0 < number(precision, f"{caller}: precision") < 1:
        raise InputError(f"{caller}: precision must be between 0 and 1, got {precision!r}")
    one_of(mode, f"{caller}: mode", ("inference", "train"))


def check_size(caller: str, items: int, audio_s: float | None) -> tuple[int, int | None]:
    """Items, and audio in milliseconds."""
    items = whole(items, f"{caller}: items")
    if audio_s is None:
        return items, None
    if not 0.001 <= number(audio_s, f"{caller}: audio_s") < math.inf:
        raise InputError(f"{caller}: audio_s must be at least 0.001 s, got {audio_s!r}")
    return items, round(audio_s * 1000)


def warn_of(caller: str, state: Latency, found: conditions.Found, graph: bool, mode: str) -> None:
    """Say what makes a measurement say less than it seems to."""

    def warn(text: str) -> None:
        warnings.warn(f"{caller}: {text}", MeasurementWarning, stacklevel=4)

    if mode == "inference" and found.training:
        warn(
            f"{found.training} is in train mode, so dropout and batch norm act as in training; "
            "call .eval(), or say mode='train'"
        )
    elif mode == "inference" and graph:
        warn("gradients are recorded; call it under torch.inference_mode(), or say mode='train'")
    if not state.converged:
        spread = state.durations.relative_width
        known = f"known to {spread:.1%}" if spread < math.inf else "without an interval"
        warn(
            f"stopped after {state.runs} runs with the median {known}, not {state.precision:.1%}; "
            "give more max_time_s, or a wider precision"
        )
    if state.lost_events:
        warn("events of some runs were lost, so there is no device_latency_ms")
    added, median = state.overhead_ns or 0, state.median_ms * 1e6
    if added > SHARE * median:
        warn(
            f"the clock may add {added} ns to a median of {median:.0f} ns; "
            "time a function that calls it many times, with items="
        )
    if state.throttle_seen:
        warn("the device ran below its clock, for heat or power; let it cool and measure again")
