"""What the machine does while a run goes on: processor, memory, GPUs.

Read from /proc and from NVIDIA's management library, which is opened at run time; what a machine
does not have is left out. GPU figures are of the whole device, whoever uses it.
"""

import ctypes
import os
import time
from contextlib import suppress

__all__ = ["Sampler"]


class _Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]


class _Utilization(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint) for name in ("gpu", "memory")]


class Sampler:
    """sample() gives values under the names of metrics, since the last one where they are rates."""

    def __init__(self) -> None:
        self._cpu = _cpu_seconds()
        self._at = time.monotonic()
        self._gpus = _Gpus()

    def sample(self) -> dict[str, float]:
        """system/cpu_percent: of this process and its children that ended, 100 a core.
        system/rss_bytes: memory of this process. system/gpu0_memory_bytes and
        system/gpu0_utilization_percent of each device that the process may use."""
        now, cpu = time.monotonic(), _cpu_seconds()
        values = {"system/cpu_percent": 100 * (cpu - self._cpu) / max(now - self._at, 1e-9)}
        self._cpu, self._at = cpu, now
        with suppress(OSError, ValueError, AttributeError), open("/proc/self/statm") as file:
            values["system/rss_bytes"] = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return values | self._gpus.sample()


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class _Gpus:
    """The devices, in the order of NVML or of CUDA_VISIBLE_DEVICES."""

    def __init__(self) -> None:
        self._devices: dict[int, ctypes.c_void_p] = {}
        try:
            self._nvml = ctypes.CDLL("libnvidia-ml.so.1")
            if self._nvml.nvmlInit_v2():
                return
            count = ctypes.c_uint()
            self._nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
            for place, name in enumerate(_visible(count.value)):
                handle = ctypes.c_void_p()
                if not self._open(name, handle):
                    self._devices[place] = handle
        except (OSError, AttributeError):
            self._devices = {}

    def sample(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for place, handle in self._devices.items():
            memory, utilization = _Memory(), _Utilization()
            if not self._nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
                values[f"system/gpu{place}_memory_bytes"] = memory.used
            if not self._nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(utilization)):
                values[f"system/gpu{place}_utilization_percent"] = utilization.gpu
        return values

    def _open(self, name: str, handle: ctypes.c_void_p) -> int:
        if name.isdigit():
            get = self._nvml.nvmlDeviceGetHandleByIndex_v2
            return int(get(ctypes.c_uint(int(name)), ctypes.byref(handle)))
        get = self._nvml.nvmlDeviceGetHandleByUUID
        return int(get(ctypes.c_char_p(name.encode()), ctypes.byref(handle)))


def _visible(count: int) -> list[str]:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return [str(index) for index in range(count)]
    return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
