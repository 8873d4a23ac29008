"""What a timing depends on beside the code: device, threads, types, modes.

Only torch knows of most of it, and only torch that is loaded already is asked. A module is found
where it is called, bound, closed over, among the arguments, or a global that the function names.
"""

import functools
import os
import platform
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

__all__ = ["Call", "Found", "conditions", "device_of", "look", "tensors_in", "torch_loaded"]

DEPTH, WIDTH = 3, 256  # of containers that are looked into


class Call(NamedTuple):
    """fn(*args, **kwargs), not called yet."""

    fn: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}


class Found(NamedTuple):
    """Modules and tensors that a call is seen to use."""

    modules: list[Any]
    tensors: list[Any]

    @property
    def training(self) -> str:
        """Which module is in train mode, in words; empty where none is."""
        for module in self.modules:
            name = type(getattr(module, "_orig_mod", module)).__name__
            if module.training:
                return name
            for path, part in module.named_modules():
                if part.training:
                    return f"{name}.{path.removeprefix('_orig_mod.')}"
        return ""

    @property
    def mode(self) -> str:
        """ "train" where any module is, "eval", or "none" without modules."""
        return "train" if self.training else "eval" if self.modules else "none"

    @property
    def compiled(self) -> bool:
        """torch.compile was asked for one of the modules."""
        return any(
            hasattr(m, "_orig_mod") or getattr(m, "_compiled_call_impl", None) is not None
            for m in self.modules
        )

    @property
    def dtypes(self) -> str:
        """Types of the modules' parameters, or else of the tensors, joined by +."""
        held = [p for m in self.modules for p in m.parameters()]
        names = {str(t.dtype).removeprefix("torch.") for t in held or self.tensors}
        packed = any(
            "quantized" in type(part).__module__ for m in self.modules for part in m.modules()
        )
        return "+".join(sorted(names | ({"packed_int"} if packed else set()))) or "none"


def torch_loaded() -> Any:
    """torch where this process has imported it, else None."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "nn") else None  # not while it is being imported


def look(call: Call) -> Found:
    """The modules and tensors of a call."""
    torch = torch_loaded()
    if torch is None:
        return Found([], [])
    seen: dict[int, Any] = {}
    for value in [*_behind(call.fn), *call.args, *call.kwargs.values()]:
        seen.update((id(leaf), leaf) for leaf in _leaves(value))
    modules = [leaf for leaf in seen.values() if isinstance(leaf, torch.nn.Module)]
    return Found(modules, [leaf for leaf in seen.values() if isinstance(leaf, torch.Tensor)])


def tensors_in(value: Any) -> list[Any]:
    """Tensors in nested containers."""
    torch = torch_loaded()
    return [] if torch is None else [x for x in _leaves(value) if isinstance(x, torch.Tensor)]


def device_of(call: Call, output: Any = None) -> str:
    """Where a call runs, "cuda:0", "mps:0", "cpu": on the first device that is none of the CPU
    among its arguments, parameters and output."""
    found = look(call)
    tensors = [*found.tensors, *tensors_in(output)]
    tensors += [p for module in found.modules for p in module.parameters()]
    away = (str(t.device) for t in tensors if t.device.type not in ("cpu", "meta"))
    return next(away, "cpu")


def conditions(found: Found, device: str, mode: str) -> tuple[str, ...]:
    """What a duration depends on, as "name:value", in a fixed order."""
    torch = torch_loaded()
    entries = {"device": _name_of(device)}
    if torch is None:
        entries["threads"] = str(os.cpu_count() or 1)
    else:
        kind = device.partition(":")[0]
        autocast = torch.is_autocast_enabled(kind)
        kept = str(torch.get_autocast_dtype(kind)).removeprefix("torch.") if autocast else "off"
        entries |= {
            "threads": str(torch.get_num_threads()),
            "dtype": found.dtypes,
            "autocast": kept,
            "module": found.mode,
            "grad": "on" if torch.is_grad_enabled() else "off",
            "compiled": "yes" if found.compiled else "no",
        }
        if kind == "cuda":
            entries["matmul"] = torch.get_float32_matmul_precision()
    entries["mode"] = mode
    return tuple(f"{name}:{value.replace('|', '/')}" for name, value in entries.items())


def _behind(value: Any, depth: int = DEPTH) -> Iterator[Any]:
    """What a callable holds: itself, what it is bound to, its closure, the globals it names."""
    yield value
    if not depth:
        return
    held: list[Any] = []
    if isinstance(value, functools.partial):
        held = [value.func, *value.args, *value.keywords.values()]
    elif isinstance(value, types.MethodType):
        held = [value.__self__, value.__func__]
    elif isinstance(value, types.FunctionType):
        held = [_held(cell) for cell in value.__closure__ or ()]
        held += [value.__globals__.get(name) for name in value.__code__.co_names]
    else:
        yield from _attributes(value)
    for part in held:
        yield from _behind(part, depth - 1)


def _held(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _attributes(value: Any) -> list[Any]:
    """Attributes of an object that may hold a model, as a pipeline does."""
    torch = torch_loaded()
    if isinstance(value, type | types.ModuleType | torch.nn.Module | torch.Tensor):
        return []
    return list(getattr(value, "__dict__", {}).values())


def _leaves(value: Any, depth: int = DEPTH) -> Iterator[Any]:
    if depth and isinstance(value, Mapping):
        value = list(islice(value.values(), WIDTH))
    if depth and isinstance(value, list | tuple | set):
        for part in islice(value, WIDTH):
            yield from _leaves(part, depth - 1)
    else:
        yield value


def _name_of(device: str) -> str:
    if device.startswith("cuda"):
        return str(torch_loaded().cuda.get_device_name(device))
    return _cpu_name() if device == "cpu" else device


@functools.cache
def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            named = (line.partition(":")[2] for line in file if line.startswith("model name"))
            return " ".join(next(named).split())
    except (OSError, StopIteration):
        return platform.processor() or platform.machine() or "cpu"
