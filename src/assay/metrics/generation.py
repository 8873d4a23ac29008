"""Generation: time to the first token, between tokens, and tokens a second.

Of each run: the call begins, tokens arrive one by one from the iterator it returns, the last one
ends it.

    time_to_first_token_ms   from the call to the first token
    inter_token_ms           between two tokens that follow one another
    latency_ms               from the call to the end
    tokens_per_s             all tokens over all time
    decode_tokens_per_s      tokens after the first over the time after it
    real_time_factor         time over seconds of audio; below 1 is faster than speech
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from assay.core.checks import whole
from assay.core.errors import InputError
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, keyed, peak, summed
from assay.metrics.durations import Durations, check_counts, counts_of
from assay.metrics.latency import check_options, check_size, warn_of, width
from assay.metrics.latency_state import Latency
from assay.ops import conditions, timing
from assay.ops.conditions import Call

__all__ = ["Generation", "latency_stream"]


@dataclass(frozen=True, eq=False)
class Generation(State):
    """Durations of runs that give tokens one after another.

    whole: () -> Latency of whole runs. first_*, between_*: histograms with exact total, least (its
    negative) and longest, in nanoseconds. chunks: what the iterator gave; tokens: what was counted
    in them, decoded those after the first chunk of each run.
    """

    whole: Mapping[tuple[()], Latency] = grouped()
    first_counts: Mapping[int, int] = keyed()
    first_total_ns: int = summed()
    first_minus_min_ns: int | None = peak()
    first_max_ns: int | None = peak()
    between_counts: Mapping[int, int] = keyed()
    between_total_ns: int = summed()
    between_minus_min_ns: int | None = peak()
    between_max_ns: int | None = peak()
    chunks: int = summed()
    tokens: int = summed()
    decoded: int = summed()
    unit: str | None = fixed()

    def check(self) -> None:
        """Refuse what are no counts of durations."""
        check_counts(self.first_counts)
        check_counts(self.between_counts)
        super().check()

    @property
    def latency(self) -> Latency:
        """Whole runs."""
        return self.whole.get((), Latency())

    @cached_property
    def first(self) -> Durations:
        """From the call to the first token."""
        return Durations(
            self.first_counts,
            self.first_total_ns,
            self.first_minus_min_ns,
            self.first_max_ns,
            self.latency.overhead_ns or 0,
        )

    @cached_property
    def between(self) -> Durations:
        """Between tokens; of chunks where the iterator gives several tokens at once."""
        return Durations(
            self.between_counts,
            self.between_total_ns,
            self.between_minus_min_ns,
            self.between_max_ns,
            self.latency.overhead_ns or 0,
        )

    @property
    def left_out(self) -> dict[str, str]:
        """Quantiles that are not told, and why."""
        return {
            **{f"time_to_first_token_ms/{q}": why for q, why in self.first.left_out.items()},
            **{f"inter_token_ms/{q}": why for q, why in self.between.left_out.items()},
            **self.latency.left_out,
        }

    def total_scores(self) -> list[Score]:
        """First token, between tokens, tokens a second, then those of whole runs."""
        n, total = self.latency.runs, self.latency.total_ns
        scores = [
            self._score(f"{name}/{part}", value, "ms", "lower", durations.n)
            for name, durations in (
                ("time_to_first_token_ms", self.first),
                ("inter_token_ms", self.between),
            )
            for part, value in durations.values_ms()
        ]
        scores += [
            self._score("tokens_per_s", _rate(self.tokens, total), "tokens/s", "higher", n),
            self._score(
                "decode_tokens_per_s",
                _rate(self.decoded, self.between_total_ns),
                "tokens/s",
                "higher",
                n,
            ),
            self._score("tokens", self.tokens, "tokens", None, n),
        ]
        named = {"throughput", "ms_per_sample"}  # here said in tokens
        return scores + [s for s in self.latency.total_scores() if s.name not in named]

    def scores(self) -> list[Score]:
        """The same: there are no groups."""
        return self.total_scores()

    def __getitem__(self, name: str) -> float:
        if why := self.left_out.get(name):
            raise KeyError(f"{name} {why}; measure longer, or ask for min_runs=")
        return super().__getitem__(name)

    def _score(self, name: str, value: float, unit: str, better: Better, n: int) -> Score:
        signature = f"{name}|token:{self.unit}|{self.latency.signature}"
        return Score(name, value, unit, better, n, {}, signature, provenance())


def latency_stream(
    fn: Callable[..., Iterable[Any]],
    *args: Any,
    tokens: Callable[[Any], int] | None = None,
    audio_s: float | None = None,
    warmup: int | None = None,
    min_runs: int = 10,
    max_time_s: float = 30.0,
    precision: float = 0.05,
    device: str | None = None,
    **kwargs: Any,
) -> Generation:
    """Time the tokens that fn(*args, **kwargs) yields: a generator, or any iterable (a streamer).

    tokens: how many a chunk holds (`lambda text: len(tokenizer(text).input_ids)`), counted after
    the run; None: one. A chunk that is a tensor on an accelerator has arrived when the device has
    made it: the clock waits for that; chunks of other types are taken to be there. The rest as in
    latency(), where a run is from the call to the end of the iterator; precision is of its median.

    An fn that yields nothing, or gives no iterable, is an InputError.

    >>> g = latency_stream(lambda n: (sum(range(20_000)) for _ in range(n)), 5, precision=0.9)
    >>> g["tokens_per_s"] > 0, g["time_to_first_token_ms/p50"] < g["latency_ms/p50"]
    (True, True)
    """
    check_options("latency_stream", fn, warmup, min_runs, max_time_s, precision, "inference")
    _, audio_ms = check_size("latency_stream", 1, audio_s)
    if tokens is not None and not callable(tokens):
        raise InputError(f"latency_stream: tokens must be a function of a chunk, got {tokens!r}")
    runs: list[timing.Stream] = []

    def read() -> None:
        runs.append(timing.read_stream(Call(fn, args, kwargs), keep=tokens is not None))

    (measured,) = timing.measure(
        [Call(read)],
        device=device,
        warmup=warmup,
        min_runs=min_runs,
        max_time_s=max_time_s,
        enough=lambda runs: all(width(ns) <= precision for ns in runs),
    )
    found = conditions.look(Call(fn, args, kwargs))
    whole = Latency.of(
        measured,
        items=1,
        audio_ms=audio_ms,
        conditions=conditions.conditions(found, measured.device, "inference"),
        precision=precision,
    )
    warn_of("latency_stream", whole, found, measured.graph, "inference")
    return _generation(whole, runs[-len(measured.ns) :], tokens)


def _generation(
    whole: Latency, runs: list[timing.Stream], tokens: Callable[[Any], int] | None
) -> Generation:
    first = np.array([run.arrivals[0] for run in runs], np.int64)
    between = np.concatenate([np.diff(np.array(run.arrivals, np.int64)) for run in runs])
    counts = [_counted(run, tokens) for run in runs]
    return Generation(
        {(): whole},
        *_histogram(first),
        *_histogram(between),
        sum(len(run.arrivals) for run in runs),
        sum(map(sum, counts)),
        sum(sum(own[1:]) for own in counts),
        "chunk" if tokens is None else "counted",
    )


def _counted(run: timing.Stream, tokens: Callable[[Any], int] | None) -> list[int]:
    if tokens is None:
        return [1] * len(run.arrivals)
    return [whole(tokens(chunk), "latency_stream: tokens(chunk)", 0) for chunk in run.chunks]


def _histogram(ns: Any) -> tuple[dict[int, int], int, int | None, int | None]:
    if not len(ns):
        return {}, 0, None, None
    return counts_of(ns), int(ns.sum()), -int(ns.min()), int(ns.max())


def _rate(count: int, ns: int) -> float:
    return count / ns * 1e9 if ns else math.nan
