"""Clocks: how one call is timed on one device.

On the CPU two readings of the clock stand around it. On an accelerator the device is idle before
the first and after the second (synchronised), and a pair of events on the caller's stream inside
gives the device's own time: the driver's own where the compiled module is there, else torch's.

The clock's own cost stays in: what it adds depends on the call (a cold cache after a long one, a
frame of Python or none). Instead waits of known length are timed by the same clock, and what is
found above their length, twice the median, is the overhead: it grows with what a call leaves cold.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import DeviceError, InputError, MissingDependency
from assay.core.optional import require
from assay.ops import probe
from assay.ops.conditions import Call, torch_loaded

__all__ = ["Clock", "clock_of"]

now = time.perf_counter_ns

WAIT_NS, WAITS = 20_000, 31  # of the waits that tell the clock's own cost


@dataclass
class Clock:
    """Times calls on one device."""

    device: str
    synchronize: Callable[[], None] | None = None
    events: Any = None
    source: str = "none"
    tickets: list[Any] = field(default_factory=list)

    def run(self, call: Call) -> tuple[int, Any]:
        """Nanoseconds of one run, and its output."""
        fn, args, kwargs = call
        if self.synchronize is None:
            start = now()
            output = fn(*args, **kwargs)
            return now() - start, output
        self.synchronize()
        if self.events is None:
            start = now()
            output = fn(*args, **kwargs)
        else:
            stream = self.stream()
            self.tickets.append(self.events.start(stream))
            start = now()
            output = fn(*args, **kwargs)
            self.events.stop(self.tickets[-1], stream)
        self.synchronize()
        return now() - start, output

    def stream(self) -> int:
        """The caller's current stream, as the driver knows it."""
        source = probe.stream_source() if self.source == "driver" else 0
        return source if isinstance(source, int) else source(_index(self.device))

    def device_times(self) -> list[int | None]:
        """The device's nanoseconds of the runs since the last reading; None: it was lost."""
        if self.events is None:
            return []
        tickets, self.tickets = self.tickets, []
        read = dict(self.events.read())
        return [read.get(ticket) for ticket in tickets]

    def overhead(self) -> int:
        """What the clock may add to a run, in nanoseconds: twice what it adds to short waits."""
        found = sorted(self.run(Call(_wait))[0] - WAIT_NS for _ in range(WAITS))
        self.device_times()
        return max(0, 2 * found[WAITS // 2])

    def state(self) -> tuple[bool | None, int | None]:
        """Whether heat or power holds the device's clock down now, and that clock in MHz."""
        if self.source != "driver":
            return None, None
        index = _index(self.device)
        return probe.throttled(index), probe.clock_mhz(index)


class TorchEvents:
    """torch's own events, where the driver's are not used: ROCm, MPS, no compiled module."""

    def __init__(self, event: Callable[..., Any]) -> None:
        self.event = event
        self.pairs: list[tuple[Any, Any]] = []

    def start(self, _: int) -> int:
        self.pairs.append((self.event(enable_timing=True), self.event(enable_timing=True)))
        self.pairs[-1][0].record()
        return len(self.pairs) - 1

    def stop(self, ticket: int, _: int) -> None:
        self.pairs[ticket][1].record()

    def read(self) -> list[tuple[int, int]]:
        pairs, self.pairs = self.pairs, []
        return [(i, round(a.elapsed_time(b) * 1e6)) for i, (a, b) in enumerate(pairs)]


def clock_of(device: str) -> Clock:
    """The clock of a device: "cpu", "cuda", "cuda:1", "mps", or another that torch has."""
    device = str(device)  # torch.device is one too
    kind = device.partition(":")[0]
    if kind == "cpu":
        return Clock("cpu")
    torch = require("torch")
    room = getattr(torch, kind, None)
    events = getattr(getattr(room, "event", room), "Event", None)
    if room is None or events is None or not hasattr(room, "synchronize"):
        raise InputError(f"device must be cpu, cuda, mps or another with events, got {device!r}")
    if not room.is_available():
        raise InputError(f"device {device!r}: torch {torch.__version__} sees none; take 'cpu'")
    if kind != "cuda":
        return Clock(device, room.synchronize, TorchEvents(events), "torch")
    device = f"cuda:{_index(device)}"

    def synchronize() -> None:
        room.synchronize(device)

    native = None if torch.version.hip else _native_events(_index(device))
    if native is not None:
        return Clock(device, synchronize, native, "driver")
    return Clock(device, synchronize, TorchEvents(events), "torch")


def _wait() -> None:
    end = now() + WAIT_NS
    while now() < end:
        pass


def _index(device: str) -> int:
    number = device.partition(":")[2]
    return int(number) if number else int(torch_loaded().cuda.current_device())


def _native_events(index: int) -> Any:
    """The driver's events, or None where the compiled module or the driver is not there."""
    try:
        return probe.EventTimer(index)
    except (MissingDependency, DeviceError):
        return None
