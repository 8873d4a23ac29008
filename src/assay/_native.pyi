"""Types of the compiled module, which csrc/bindings.cpp defines."""

from collections.abc import Callable
from types import TracebackType
from typing import final

# total, least and longest in nanoseconds, None without durations; bucket -> how many
_Tally = tuple[int, int | None, int | None, dict[int, int]]

@final
class CudaDriver:
    """The CUDA driver of this process, or why there is none."""

    @property
    def available(self) -> bool:
        """The driver is open and sees at least one device."""
    @property
    def reason(self) -> str:
        """Why it is not available: what the loader or which driver call said. Empty if it is."""
    @property
    def version(self) -> int | None:
        """1000 * major + 10 * minor of the newest CUDA it supports, or None where it won't say."""
    @property
    def devices(self) -> int:
        """How many devices it sees."""

def cuda_driver() -> CudaDriver:
    """Open and initialise the CUDA driver; once per process, later calls are free.

    A process that forks after this cannot use CUDA in its children (a rule of CUDA's).
    """

@final
class Nvml:
    """NVML of this process, or why there is none. Devices are numbered as CUDA numbers them."""

    @property
    def available(self) -> bool:
        """The library is open."""
    @property
    def reason(self) -> str:
        """Why it is not. Empty if it is."""
    def used_bytes(self, device: int) -> int:
        """Bytes in use on a device, by whomever; without what the driver reserves, where told."""
    def clock_mhz(self, device: int) -> int | None:
        """The clock of the multiprocessors now; None where the device does not tell."""
    def throttled(self, device: int) -> bool | None:
        """Power, temperature or a slowdown holds the clocks down; None where it does not tell."""

def nvml() -> Nvml:
    """Open NVML; once per process, later calls are free."""

@final
class EventTimer:
    """Device times between two events on a stream. Nothing waits for the device.

    DeviceError where the driver cannot be used; later failures are counted as lost.
    """

    def __init__(self, device: int) -> None: ...
    def start(self, stream: int) -> int:
        """Record the start on a stream; a ticket, or 0 where it was lost or skipped."""
    def stop(self, ticket: int, stream: int) -> None:
        """Record the end. InputError for a ticket that was stopped, or never given."""
    def read(self) -> list[tuple[int, int]]:
        """(ticket, nanoseconds) of what has finished since the last call."""
    def reset(self) -> None:
        """Forget counts and what is not read; pairs that are open stay."""
    @property
    def lost(self) -> int:
        """Pairs that failed calls cost."""
    @property
    def skipped(self) -> int:
        """Pairs on a stream that was being captured, where nothing runs."""
    @property
    def grown(self) -> int:
        """Times that every pair was in use and more were made."""
    @property
    def pending(self) -> int:
        """Pairs whose end the device has not reached."""
    @property
    def pairs(self) -> int:
        """Pairs in the pool."""
    @property
    def error(self) -> str:
        """Of the first that was lost: the call, its code, the meaning. Empty."""

@final
class MemorySamples:
    """What a MemorySampler saw, in bytes."""

    @property
    def source(self) -> str:
        """Who was asked: "cuda" (the driver), "nvml", or "rss" (what the process has resident)."""
    @property
    def period_s(self) -> float:
        """The time between samples that was asked for."""
    @property
    def baseline_bytes(self) -> int:
        """At start()."""
    @property
    def end_bytes(self) -> int:
        """At stop()."""
    @property
    def peak_bytes(self) -> int:
        """The largest of all samples."""
    @property
    def phases(self) -> dict[str, int]:
        """The largest of each phase, in the order of their first marks."""
    @property
    def timeline(self) -> list[tuple[int, int]]:
        """(nanoseconds since start(), bytes), at most 16,384: of a longer recording the largest of
        2, 4, 8 … samples each."""
    @property
    def count(self) -> int:
        """Samples taken."""
    @property
    def errors(self) -> int:
        """Samples that failed."""
    @property
    def error(self) -> str:
        """The first failure: the call, its code, the meaning. Empty."""

@final
class MemorySampler:
    """Samples bytes in use in a thread of its own, which never takes Python's lock.

    source: "rss", or "device": of the driver where the device has a context, else of NVML, so that
    none is made. period_s: from 0.0005.
    """

    def __init__(self, source: str, device: int = 0, period_s: float = 0.001) -> None: ...
    def start(self) -> None:
        """Take the baseline and begin. DeviceError where the source cannot be read."""
    def mark(self, phase: str) -> None:
        """A phase begins, and that before it ends; it may be one that was marked before."""
    def stop(self) -> MemorySamples:
        """End the recording; called again, it gives the same."""

@final
class Scope:
    """A named scope of a timer; made by timer(name)."""

    def __enter__(self) -> Scope: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

class ScopeTimer:
    """Named scopes, nested: timer(name) is a context manager.

    device: also times scopes on that device, between events on a stream: a handle, or who gives
    the current stream of a device. DeviceError where its driver cannot be used.
    """

    def __init__(
        self, device: int | None = None, stream: Callable[[int], int] | int | None = None
    ) -> None: ...
    def __call__(self, name: str) -> Scope:
        """The scope of a name: one object a name. InputError for "" or a name with "/"."""
    def read(self) -> list[tuple[str, _Tally, _Tally, int, int]]:
        """Path, times, device times, how many failed and how many were left open. Never waits."""
    def reset(self) -> None:
        """Forget it; a scope that is open counts whole when it ends."""
    @property
    def open(self) -> list[str]:
        """Paths of the scopes that are open on any thread."""
    @property
    def lost(self) -> int:
        """Device times that failed calls cost."""
    @property
    def skipped(self) -> int:
        """Device times not taken while a stream was captured, where nothing runs."""
    @property
    def pending(self) -> int:
        """Device times that are not there yet."""
    @property
    def grown(self) -> int:
        """Times that all event pairs were in use and more were made."""
    @property
    def device_error(self) -> str:
        """Of the first device time lost: the call, its code, the meaning. Empty."""

def bucket_of(ns: int) -> int:
    """The bucket of a duration; assay.ops.durations has it for arrays."""
