"""The loop that times calls: warm up, run, until enough is known or time is up.

The output of a run is dropped after its clock was read. Garbage is not collected within a run: the
collector is off, and young garbage is collected between runs as it would have been.
"""

import gc
import inspect
import random
import statistics
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.ops import clocks
from assay.ops.clocks import Clock, clock_of
from assay.ops.conditions import Call, device_of, look, tensors_in, torch_loaded

__all__ = ["Stream", "Timing", "measure", "read_stream"]

Ints = npt.NDArray[np.int64]

WINDOW_NS, WINDOW_RUNS = 10_000_000, 1000  # of warm-up, which is compared with the one before
FASTER = 0.95  # a window below this share of the one before: still warming up
ENOUGH_RUNS, ENOUGH_NS = 300, 500_000_000  # quick calls go on until either
MOST_RUNS = 1 << 20


@dataclass(frozen=True, eq=False)
class Timing:
    """What was measured of one call, in nanoseconds.

    ns: end to end, a run each. device_ns: between the events, a run each; empty on the CPU.
    first_ns: the first of the warm-up, which compiles. throttled: None where nothing tells.
    events: whose they are, "driver", "torch" or "none".
    graph: the output can be differentiated, so a graph was recorded. clock_mhz: of a GPU's
    multiprocessors, the lower of begin and end; None where nothing tells.
    """

    ns: Ints
    device_ns: Ints
    warmup_runs: int
    warmup_ns: int
    first_ns: int
    overhead_ns: int
    throttled: bool | None
    device: str
    events: str
    graph: bool
    clock_mhz: int | None


def measure(
    calls: Sequence[Call],
    *,
    device: str | None,
    warmup: int | None,
    min_runs: int,
    max_time_s: float,
    enough: Callable[[list[Ints]], bool],
    seed: int = 0,
    output: Callable[[Any], None] | None = None,
) -> list[Timing]:
    """Time calls, in turns if there are several: each round in another order, drawn from the seed.

    device: where they run; None finds it. warmup: runs before timing; None goes on until they get
    no faster, for half of max_time_s at most. enough: of the durations so far, whether they do; it
    is asked from min_runs on, of quick calls from ENOUGH_RUNS, then whenever there are a quarter
    more, until it holds twice in a row. max_time_s: of the timed rounds;
    one that has begun is finished. output: takes one output of each call, warmed up, before the
    next call runs, which may write to the same memory.
    """
    with _collector_off():
        limit = int(max_time_s * 1e9 / 2 / len(calls))
        warm = [_warm_up(call, device, warmup, limit) for call in calls]
        own = [clock for clock, _, _ in warm]
        if output is not None:
            for clock, call in zip(own, calls, strict=True):
                output(clock.run(call)[1])
                clock.device_times()
        overheads = [clock.overhead() for clock in own]
        states = [[clock.state()] for clock in own]
        runs = _rounds(calls, own, min_runs, int(max_time_s * 1e9), enough, seed)
        for seen, clock in zip(states, own, strict=True):
            seen.append(clock.state())
    return [
        Timing(
            runs[i],
            _whole(clock.device_times()),
            len(ns),
            sum(ns),
            ns[0] if ns else 0,
            overheads[i],
            _of_both(any, [flag for flag, _ in states[i]]),
            clock.device,
            clock.source,
            graph,
            _of_both(min, [mhz for _, mhz in states[i]]),
        )
        for i, (clock, ns, graph) in enumerate(warm)
    ]


def _of_both(rule: Callable[[list[Any]], Any], seen: list[Any]) -> Any:
    """What is made of two readings; None where one is missing."""
    return None if None in seen else rule(seen)


def _whole(times: list[int | None]) -> Ints:
    """Times of all runs, or none where some were lost: the rest may be no fair sample."""
    return np.array([] if None in times else times, np.int64)


class Stream(NamedTuple):
    """When the chunks of a stream arrived, in nanoseconds from the call, and what they were."""

    arrivals: list[int]
    chunks: list[Any]


def read_stream(call: Call, *, keep: bool) -> Stream:
    """Call, and read what it gives to the end. A tensor has arrived when its device made it."""
    fn, args, kwargs = call
    arrivals: list[int] = []
    chunks: list[Any] = []
    begin = clocks.now()
    stream = fn(*args, **kwargs)
    if not isinstance(stream, Iterable):
        raise InputError(
            f"latency_stream: fn must give an iterable of tokens, got {type(stream).__name__}; "
            "for a call that returns once take assay.latency"
        )
    for chunk in stream:
        kind = getattr(getattr(chunk, "device", None), "type", "cpu")
        if kind != "cpu":
            getattr(torch_loaded(), kind).synchronize()
        arrivals.append(clocks.now() - begin)
        if keep:
            chunks.append(chunk)
    if not arrivals:
        raise InputError("latency_stream: fn yielded nothing; there is no token to time")
    return Stream(arrivals, chunks)


def _rounds(
    calls: Sequence[Call],
    clock_of_each: Sequence[Clock],
    min_runs: int,
    limit_ns: int,
    enough: Callable[[list[Ints]], bool],
    seed: int,
) -> list[Ints]:
    """Durations of each call, end to end."""
    ns: list[list[int]] = [[] for _ in calls]
    drawn, turn = random.Random(seed), list(range(len(calls)))
    begin, check, held = clocks.now(), min_runs, 0
    while True:
        drawn.shuffle(turn)
        for i in turn:
            _collect_young()
            try:
                ns[i].append(clock_of_each[i].run(calls[i])[0])
            except Exception as error:
                _say_where(error, f"timed run {len(ns[i]) + 1}", i, len(calls))
                raise
        runs, spent = len(ns[0]), clocks.now() - begin
        done = spent >= limit_ns or runs >= MOST_RUNS
        if not done and runs >= check and (runs >= ENOUGH_RUNS or spent >= ENOUGH_NS):
            # Stopping at the first narrow interval prefers those that are narrow by chance.
            held = held + 1 if enough([np.array(one, np.int64) for one in ns]) else 0
            done = held == 2
            check = max(runs + 1, runs * 5 // 4)
        if done:
            return [np.array(one, np.int64) for one in ns]


def _warm_up(
    call: Call, device: str | None, runs: int | None, limit_ns: int
) -> tuple[Clock, list[int], bool]:
    """The clock of a call, its durations until two windows in a row say that it gets no faster,
    and whether it records a graph. The first output tells where a call ran whose arguments do not.
    """
    clock = clock_of(device_of(call) if device is None else device)
    ns: list[int] = []

    def run() -> Any:
        _collect_young()
        try:
            spent, output = clock.run(call)
        except Exception as error:
            _say_where(error, f"warm-up run {len(ns) + 1}")
            raise
        ns.append(spent)
        return output

    if runs == 0:
        return clock, ns, False
    output = run()
    _refuse_unrun(output)
    if device is None and clock.device == "cpu":
        clock = _clock_seen(call, output)
    graph = any(tensor.requires_grad for tensor in tensors_in(output))
    del output
    before = 0.0
    while len(ns) < runs if runs is not None else sum(ns) < limit_ns:
        start = len(ns)
        spent = 0
        while len(ns) < start + 2 or (spent < WINDOW_NS and len(ns) < start + WINDOW_RUNS):
            run()
            spent += ns[-1]
            if len(ns) == runs:
                break
        middle = statistics.median(ns[start:])
        if runs is None and before and middle >= FASTER * before:
            break
        before = middle
    clock.device_times()
    return clock, ns, graph


def _clock_seen(call: Call, output: Any) -> Clock:
    """The clock for where a call ran, now that its output is seen."""
    clock = clock_of(device_of(call, output))
    torch = torch_loaded()
    unknown = clock.device == "cpu" and not any(look(call))
    if unknown and torch is not None and torch.cuda.is_initialized():
        clock.synchronize = torch.cuda.synchronize  # it may have left work to a GPU
    return clock


def _refuse_unrun(output: Any) -> None:
    if inspect.isawaitable(output):
        getattr(output, "close", lambda: None)()
        raise InputError(
            "fn returned an awaitable: nothing of it has run; time a function that awaits it, "
            "such as lambda: asyncio.run(fn())"
        )
    if inspect.isgenerator(output) or inspect.isasyncgen(output):
        raise InputError(
            "fn returned a generator: nothing of it has run; time a function that reads it, "
            "or take assay.latency_stream"
        )


def _say_where(error: Exception, run: str, call: int = 0, calls: int = 1) -> None:
    which = f" of call {'ab'[call]}" if calls > 1 else ""
    error.add_note(f"assay: raised by {run}{which}")


_off_lock = threading.Lock()
_off = 0  # how many measurements want the collector off
_was_on = False


@contextmanager
def _collector_off() -> Iterator[None]:
    """No collection of garbage meanwhile; the last of several measurements turns it on again."""
    global _off, _was_on
    with _off_lock:
        _off += 1
        if _off == 1:
            _was_on = gc.isenabled()
            gc.disable()
    try:
        yield
    finally:
        with _off_lock:
            _off -= 1
            if not _off and _was_on:
                gc.enable()


def _collect_young() -> None:
    if gc.get_count()[0] > gc.get_threshold()[0] > 0:
        gc.collect(0)
