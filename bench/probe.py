"""The probe: what a timed scope costs, and what a memory sampler costs the loop beside it.

Peers keep one duration a scope in a list and nothing else: no names, no nesting, no threads, no
device. On a device the driver is the tests' fake one, which records nothing: what is timed is the
binding, not a GPU.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from gate import Contender, Work

FAKE = Path(__file__).parents[1] / "tests" / "fake_cuda.c"
FAKE_VERSION = 13990  # no CUDA has it
PERIOD_S = 0.001


class Scope:
    """The leanest context manager in Python that times."""

    __slots__ = ("add", "start", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.add = self.times.append

    def __enter__(self) -> None:
        self.start = perf_counter_ns()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.add(perf_counter_ns() - self.start)


class Scopes:
    """The same by name."""

    __slots__ = ("scopes",)

    def __init__(self) -> None:
        self.scopes: dict[str, Scope] = {}

    def __call__(self, name: str) -> Scope:
        scope = self.scopes.get(name)
        if scope is None:
            scope = self.scopes[name] = Scope()
        return scope


def _ours(n: int, timer: Any) -> Contender:
    def run() -> Any:
        for _ in range(n):
            with timer("step"):
                pass
        return timer

    return Contender(run, lambda timer: {"scopes": timer.state.scope("step")["count"]})


def _lean(n: int) -> Contender:
    scope = Scope()

    def run() -> Any:
        scope.times.clear()
        for _ in range(n):
            with scope:
                pass
        return scope.times

    return Contender(run, lambda times: {"scopes": len(times)})


def _by_name(n: int) -> Contender:
    timer = Scopes()

    def run() -> Any:
        timer("step").times.clear()
        for _ in range(n):
            with timer("step"):
                pass
        return timer("step").times

    return Contender(run, lambda times: {"scopes": len(times)})


def _generator(n: int) -> Contender:
    times: list[int] = []

    @contextmanager
    def scope() -> Any:
        start = perf_counter_ns()
        try:
            yield
        finally:
            times.append(perf_counter_ns() - start)

    def run() -> Any:
        times.clear()
        for _ in range(n):
            with scope():
                pass
        return times

    return Contender(run, lambda times: {"scopes": len(times)})


def _scopes(n: int, ours: Callable[[], Contender]) -> Work:
    def floor() -> None:
        for _ in range(n):
            pass

    return Work(
        ours=ours,
        peers={
            "Python class": lambda: _lean(n),
            "Python class, by name": lambda: _by_name(n),
            "contextlib": lambda: _generator(n),
        },
        truth=lambda: {"scopes": n},
        floor=floor,
    )


def scope(n: int) -> Work:
    """n scopes by the clock alone."""

    def ours() -> Contender:
        import assay

        return _ours(n, assay.Timer())

    return _scopes(n, ours)


def scope_fake_device(n: int) -> Work:
    """n scopes on a device too, whose driver is fake."""

    def ours() -> Contender:
        _load_fake()
        import assay

        return _ours(n, assay.Timer(0, stream=0x1000))

    return _scopes(n, ours)


@cache
def _load_fake() -> None:
    import ctypes

    from assay.ops import probe

    folder = tempfile.mkdtemp()
    library = f"{folder}/libcuda.so.1"
    command = [os.environ.get("CC") or "cc", "-shared", "-fPIC", "-O2", str(FAKE), "-o", library]
    subprocess.run([*command, "-lpthread"], check=True)
    os.environ |= {"ASSAY_LIBCUDA_PATH": library, "FAKE_VERSION": str(FAKE_VERSION)}
    if probe.native_reason() or probe.native.cuda_driver().version != FAKE_VERSION:
        raise ImportError(probe.native_reason() or "a real driver is open in this process")
    fake = ctypes.CDLL(library)
    fake.fake_quiet(1)


# -- on a GPU --------------------------------------------------------------------------------------


def scope_gpu(n: int) -> Work:
    """n scopes around a small kernel each, by the clock and on the GPU. The floor launches the
    kernels alone: what is above it is what timing does to a loop that waits for its launches."""
    import torch

    x = torch.zeros(256, device="cuda")

    def floor() -> None:
        for _ in range(n):
            x.add_(1)
        torch.cuda.synchronize()

    def ours() -> Contender:
        import assay

        timer = assay.Timer("cuda")

        def run() -> Any:
            for _ in range(n):
                with timer("step"):
                    x.add_(1)
            torch.cuda.synchronize()
            return timer

        return Contender(run, lambda timer: {"scopes": timer.state.scope("step")["device_count"]})

    def events() -> Contender:
        def run() -> Any:
            pairs = []
            for _ in range(n):
                start = torch.cuda.Event(enable_timing=True)
                stop = torch.cuda.Event(enable_timing=True)
                start.record()
                x.add_(1)
                stop.record()
                pairs.append((start, stop))
            torch.cuda.synchronize()
            return [start.elapsed_time(stop) for start, stop in pairs]

        return Contender(run, lambda times: {"scopes": len(times)})

    def synchronised() -> Contender:
        def run() -> Any:
            times = []
            for _ in range(n):
                torch.cuda.synchronize()
                start = perf_counter_ns()
                x.add_(1)
                torch.cuda.synchronize()
                times.append(perf_counter_ns() - start)
            return times

        return Contender(run, lambda times: {"scopes": len(times)})

    return Work(
        ours=ours,
        peers={"torch.cuda.Event": events, "synchronize": synchronised},
        truth=lambda: {"scopes": n},
        floor=floor,
    )


def peak_gpu(n: int) -> Work:
    """n bytes of a GPU in eight blocks, held for a moment: the peak that samples of the device saw
    above what was used before, beside the allocator's own. Nobody else may use the device."""
    import torch

    torch.zeros(1, device="cuda")  # the context is no part of the peak

    def hold() -> None:
        blocks = [torch.empty(n // 8, dtype=torch.uint8, device="cuda") for _ in range(8)]
        torch.cuda.synchronize()
        time.sleep(20 * PERIOD_S)
        del blocks

    def ours() -> Contender:
        import assay

        def run() -> Any:
            with assay.VramSampler("cuda", period_s=PERIOD_S) as sampler:
                hold()
            return sampler

        def read(sampler: Any) -> dict[str, float]:
            used = sampler["peak_device_bytes"] - sampler["baseline_device_bytes"]
            return {"sampled": used, "allocated": sampler["peak_allocated_bytes"]}

        return Contender(run, read)

    def allocator() -> Contender:
        def run() -> int:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            hold()
            return torch.cuda.max_memory_allocated()

        return Contender(run, lambda peak: {"allocated": peak})

    return Work(
        ours=ours,
        peers={"max_memory_allocated": allocator},
        truth=lambda: {"sampled": n, "allocated": n},
        floor=hold,
    )


# -- memory ----------------------------------------------------------------------------------------


def _work(n: int) -> int:
    total = 0
    for i in range(n):
        total += i & 7
    return total


def sampler(n: int) -> Work:
    """A loop of n additions in Python, beside a sampler of resident memory."""

    def ours() -> Contender:
        from assay.ops import probe

        def run() -> Any:
            sampler = probe.MemorySampler("rss", 0, PERIOD_S)
            sampler.start()
            total = _work(n)
            return total, sampler.stop()

        return Contender(run, lambda result: {"total": result[0]})

    def thread() -> Contender:
        page = os.sysconf("SC_PAGE_SIZE")

        def run() -> int:
            stop, peak = threading.Event(), [0]

            def sample() -> None:
                with open("/proc/self/statm", "rb", buffering=0) as file:
                    while not stop.is_set():
                        used = int(os.pread(file.fileno(), 64, 0).split()[1]) * page
                        peak[0] = max(peak[0], used)
                        time.sleep(PERIOD_S)

            sampler = threading.Thread(target=sample)
            sampler.start()
            total = _work(n)
            stop.set()
            sampler.join()
            return total

        return Contender(run, lambda total: {"total": total})

    return Work(
        ours=ours,
        peers={"Python thread": thread},
        truth=lambda: {"total": _work(n)},
        floor=lambda: _work(n),
    )
