"""Memory of a device while something runs: peaks of an allocator, and samples between them.

A source is where the numbers come from:

    cuda   torch's allocator: allocated and reserved, with exact peaks; the device's used memory,
           sampled, which other libraries and processes share
    rocm   the same from torch on ROCm
    mps    torch's numbers of Metal, sampled: it keeps no peaks
    rss    resident memory of this process, sampled; its high-water mark where it rose

The allocator has one pair of peaks a device. A watch that begins resets them, so what they were is
first handed to every watch that runs on that device: an outer one loses nothing to an inner one.
"""

import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from assay.core.errors import DeviceError, InputError, MissingDependency
from assay.core.optional import require
from assay.ops import probe
from assay.ops.conditions import torch_loaded

__all__ = ["Peaks", "Samples", "Source", "Watch", "resolve", "source_of"]


@dataclass
class Peaks:
    """Bytes; None where a source does not tell."""

    allocated: int | None = None
    reserved: int | None = None
    used: int | None = None
    outside: int | None = None

    def raise_to(self, other: "Peaks") -> None:
        """Keep what is larger."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if value is not None and (mine is None or value > mine):
                setattr(self, name, value)


@dataclass(frozen=True)
class Samples:
    """What a sampler saw, as the compiled one tells it."""

    source: str
    period_s: float
    peak_bytes: int
    phases: dict[str, int]
    timeline: list[tuple[int, int]]  # nanoseconds since the start, bytes
    count: int
    errors: int
    error: str


class Source(Protocol):
    """Where the numbers of one device come from."""

    name: str  # cuda, rocm, mps, rss
    sampled: str  # the field of Peaks that samples are of

    def now(self) -> Peaks: ...
    def peaks(self) -> Peaks: ...
    def reset(self) -> None: ...
    def empty(self) -> None: ...
    def sampler(self, period_s: float) -> Any: ...  # at work


class Rss:
    """This process."""

    name, sampled = "rss", "allocated"

    def __init__(self) -> None:
        self._mark = _high_water()

    def now(self) -> Peaks:
        return Peaks(allocated=rss_bytes())

    def peaks(self) -> Peaks:
        mark = _high_water()
        return Peaks(allocated=max(rss_bytes(), mark if mark > self._mark else 0))

    def reset(self) -> None:
        self._mark = _high_water()

    def empty(self) -> None:
        """Nothing is cached."""

    def sampler(self, period_s: float) -> Any:
        return _sampling("rss", 0, period_s, rss_bytes)


class TorchCuda:
    """A device of torch.cuda, which is that of ROCm too."""

    sampled = "used"

    def __init__(self, torch: Any, index: int) -> None:
        self._cuda, self._index = torch.cuda, index
        ask = getattr(torch._C, "_cuda_hasPrimaryContext", lambda _: True)
        self._has_context: Callable[[], bool] = functools.partial(ask, index)
        self.name = "rocm" if torch.version.hip else "cuda"

    def _used(self) -> int | None:
        if not self._has_context():  # asking would make one, of hundreds of megabytes
            return None
        free, total = self._cuda.mem_get_info(self._index)
        return int(total - free)

    def _of(self, allocated: int, reserved: int) -> Peaks:
        used, held = self._used(), int(self._cuda.memory_reserved(self._index))
        outside = None if used is None else max(0, used - held)
        return Peaks(int(allocated), int(reserved), used, outside)

    def now(self) -> Peaks:
        cuda, index = self._cuda, self._index
        return self._of(cuda.memory_allocated(index), cuda.memory_reserved(index))

    def peaks(self) -> Peaks:
        cuda, index = self._cuda, self._index
        return self._of(cuda.max_memory_allocated(index), cuda.max_memory_reserved(index))

    def reset(self) -> None:
        self._cuda.reset_peak_memory_stats(self._index)

    def empty(self) -> None:
        with self._cuda.device(self._index):
            self._cuda.empty_cache()

    def sampler(self, period_s: float) -> Any:
        if self.name == "cuda":
            return _sampling("device", self._index, period_s, self._used)
        return _thread(self._used, period_s)


class TorchMps:
    """Metal, as torch tells of it."""

    name, sampled = "mps", "allocated"

    def __init__(self, torch: Any) -> None:
        self._mps = torch.mps

    def now(self) -> Peaks:
        held = int(self._mps.driver_allocated_memory())
        return Peaks(int(self._mps.current_allocated_memory()), held)

    def peaks(self) -> Peaks:
        return self.now()

    def reset(self) -> None:
        """It keeps no peaks."""

    def empty(self) -> None:
        self._mps.empty_cache()

    def sampler(self, period_s: float) -> Any:
        return _thread(lambda: int(self._mps.current_allocated_memory()), period_s)


class ThreadSampler:
    """Samples from a Python thread, where the compiled module has none for a source."""

    def __init__(self, read: Callable[[], int | None], period_s: float) -> None:
        self._read, self._period = read, period_s
        self._phase = ""
        self._phases: dict[str, int] = {}
        self._timeline: list[tuple[int, int]] = []
        self._errors: list[Exception] = []
        self._begun = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="assay-memory", daemon=True)

    def start(self) -> None:
        self._begun = time.perf_counter_ns()
        self._thread.start()

    def mark(self, name: str) -> None:
        self._phase = name

    def stop(self) -> Samples:
        self._end.set()
        self._thread.join()
        return Samples(
            "thread",
            self._period,
            max((size for _, size in self._timeline), default=0),
            {phase: size for phase, size in self._phases.items() if phase},
            self._timeline,
            len(self._timeline),
            len(self._errors),
            str(self._errors[0]) if self._errors else "",
        )

    def _run(self) -> None:
        while not self._end.wait(self._period):
            try:
                size, phase = self._read(), self._phase
            except Exception as error:  # counted, and asked again
                self._errors.append(error)
                continue
            if size is None:
                continue
            self._phases[phase] = max(self._phases.get(phase, 0), size)
            self._timeline.append((time.perf_counter_ns() - self._begun, size))


class Watch:
    """Peaks of one device from start() to stop(), in all and by phase."""

    def __init__(self, device: str, source: Source, period_s: float) -> None:
        self.device, self.source = device, source
        self.baseline, self.peaks = Peaks(), Peaks()
        self.phases: dict[str, Peaks] = {}
        self.samples: Any = None
        self._phase = ""
        self._period = period_s
        self._sampler: Any = None

    def start(self) -> None:
        with _lock:
            others = _running.setdefault(self.device, [])
            if others:
                self._settle()
            else:
                self.source.empty()
            self.source.reset()
            self.baseline = self.source.now()
            self._fold(self.baseline)
            self._sampler = self.source.sampler(self._period)
            others.append(self)

    def mark(self, name: str) -> None:
        """What follows belongs to a phase."""
        with _lock:
            self._settle()
            self.source.reset()
            self._phase = name
            self._sampler.mark(name)
            self._fold(self.source.now())

    def stop(self) -> None:
        with _lock:
            try:
                self._settle()
            finally:
                _running[self.device].remove(self)
                self.samples = seen = self._sampler.stop()
                for phase, size in {"": seen.peak_bytes or None, **seen.phases}.items():
                    self._fold(Peaks(**{self.source.sampled: size}), phase)

    def _settle(self) -> None:
        """Hand the allocator's peaks to every watch of this device."""
        peaks = self.source.peaks()
        for watch in _running[self.device]:
            watch._fold(peaks)

    def _fold(self, peaks: Peaks, phase: str | None = None) -> None:
        self.peaks.raise_to(peaks)
        phase = self._phase if phase is None else phase
        if phase:
            self.phases.setdefault(phase, Peaks()).raise_to(peaks)


_lock = threading.Lock()
_running: dict[str, list[Watch]] = {}


def resolve(device: Any) -> list[str]:
    """Devices by name: None is torch's current GPU where torch is loaded and sees one, else "cpu";
    "cuda" the current one, "all" every visible one; a sequence of names; an index; a torch.device.
    """
    if isinstance(device, list | tuple):
        names = [name for one in device for name in resolve(one)]
        if not names or len(set(names)) < len(names):
            raise InputError(f"device must name some devices, each once, got {device!r}")
        return names
    torch = torch_loaded()
    if device is None:
        if torch is not None and torch.cuda.is_available():
            return resolve("cuda")
        return ["mps" if torch is not None and torch.backends.mps.is_available() else "cpu"]
    name = f"cuda:{device}" if isinstance(device, int) else str(device)
    if name == "cpu":
        return ["cpu"]
    torch = require("torch")
    if name.partition(":")[0] == "mps":
        if not torch.backends.mps.is_available():
            raise InputError(f"device {name!r}: torch {torch.__version__} has no Metal here")
        return ["mps"]
    kind, _, number = name.partition(":")
    if name != "all" and (kind != "cuda" or (number and not number.isdecimal())):
        raise InputError(f"device must be cpu, cuda, cuda:N, mps or all, got {device!r}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count or int(number or 0) >= count:
        raise InputError(f"device {name!r}: torch {torch.__version__} sees {count} GPUs")
    if name == "all":
        return [f"cuda:{i}" for i in range(count)]
    return [f"cuda:{number or torch.cuda.current_device()}"]


def source_of(device: str) -> Source:
    """The source of a device that resolve() named."""
    if device == "cpu":
        return Rss()
    torch = torch_loaded()
    return TorchMps(torch) if device == "mps" else TorchCuda(torch, int(device.partition(":")[2]))


def rss_bytes() -> int:
    """Resident memory of this process; its high-water mark on systems that tell no more."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read(64).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _high_water()


def _high_water() -> int:
    try:
        import resource
    except ImportError as error:
        raise InputError("resident memory is not told on this system; name a GPU") from error
    import sys

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _sampling(source: str, index: int, period_s: float, read: Callable[[], int | None]) -> Any:
    """A sampler at work: the compiled one, or a thread that calls read()."""
    try:
        sampler: Any = probe.MemorySampler(source, index, period_s)
        sampler.start()
    except (MissingDependency, DeviceError):
        return _thread(read, period_s)
    return sampler


def _thread(read: Callable[[], int | None], period_s: float) -> ThreadSampler:
    sampler = ThreadSampler(read, period_s)
    sampler.start()
    return sampler
