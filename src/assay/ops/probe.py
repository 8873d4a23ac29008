"""Times and memory through the compiled module, of which this is the only user.

Without it there is still a scope timer, in Python; the others say why they cannot be had.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from assay.core.errors import DeviceError, InputError, MissingDependency
from assay.ops.scopes import PlainScopeTimer

__all__ = [
    "EventTimer",
    "MemorySampler",
    "ScopeTimer",
    "clock_mhz",
    "device_index",
    "native",
    "native_reason",
    "stream_source",
    "throttled",
]

T = TypeVar("T")

_reason: str | None = None
try:
    import assay._native as native  # "from assay" would say no more than ImportError
except ImportError as error:
    native = None  # type: ignore[assignment]
    _reason = f"cannot be loaded: {error}"
    if isinstance(error, ModuleNotFoundError):
        _reason = (
            "not built: no C++ compiler or Python headers at install time; "
            "reinstall with ASSAY_REQUIRE_NATIVE=1 to see the error"
            if sys.platform == "linux"
            else f"not built: it runs on Linux, this is {sys.platform}"
        )


class _Absent:
    def __init__(self, *_: Any, **__: Any) -> None:
        raise MissingDependency(f"{type(self).__name__} needs the compiled module: {_reason}")


if TYPE_CHECKING:
    from assay._native import EventTimer, MemorySampler, ScopeTimer
elif _reason is None:
    EventTimer, MemorySampler = native.EventTimer, native.MemorySampler
    ScopeTimer = native.ScopeTimer
else:
    EventTimer, MemorySampler = (
        type("EventTimer", (_Absent,), {}),
        type("MemorySampler", (_Absent,), {}),
    )
    ScopeTimer = PlainScopeTimer


def native_reason() -> str | None:
    """Why there is no compiled module; None where there is."""
    return _reason


def throttled(device_index: int) -> bool | None:
    """Whether power, temperature or a slowdown holds a GPU's clocks down; None where not told."""
    return _told(lambda: native.nvml().throttled(device_index))


def clock_mhz(device_index: int) -> int | None:
    """The clock of a GPU's multiprocessors now, in MHz; None where not told."""
    return _told(lambda: native.nvml().clock_mhz(device_index))


def _told(ask: Callable[[], T]) -> T | None:
    if _reason is not None:
        return None
    try:
        return ask()
    except DeviceError:  # no NVML, or a device that is lost: nothing is known
        return None


def device_index(device: Any) -> int | None:
    """The number of a CUDA device: of 1, "cuda:1", or torch's device; of "cuda" the current one.
    None for None and "cpu"."""
    if device is None or str(device) == "cpu":
        return None
    kind, _, number = str(device).partition(":")
    if isinstance(device, int) and not isinstance(device, bool) and device >= 0:
        return device
    if kind == "cuda" and number.isdecimal():
        return int(number)
    if str(device) == "cuda":
        torch = sys.modules.get("torch")
        return int(torch.cuda.current_device()) if torch and torch.cuda.is_available() else 0
    raise InputError(f"device must be None, 'cpu', 'cuda', 'cuda:1' or a number, got {device!r}")


def stream_source() -> Callable[[int], int] | int:
    """Who gives the current stream of a device: torch, if it is loaded; else the default stream."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0
    raw = getattr(torch._C, "_cuda_getCurrentRawStream", None)  # tens of times cheaper
    return raw or (lambda index: int(torch.cuda.current_stream(index).cuda_stream))
