"""What a torch module holds: parameters, bytes, zeros, by module.

Every storage is counted once, where it stands first, so tied weights and views cost nothing more
and the rows of all modules add up to the model.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.ops._footprint_values import (
    PATTERNS,
    logical_size,
    nonzero,
    packed_buffers,
    pattern_groups,
    stored_in,
)
from assay.ops.modules import checked_module, tensors_in

__all__ = ["COLUMNS", "PATTERNS", "Holdings", "weigh"]

COLUMNS = (
    "params", "stored", "trainable", "param_bytes", "buffer_bytes", "mask_bytes",
    "read", "zeros", "prunable", "prunable_zeros",
    *(f"{what}_{n}_{m}" for n, m in PATTERNS for what in ("groups", "conforming")),
)  # fmt: skip


@dataclass(frozen=True)
class Holdings:
    """names, kinds: of the modules that hold anything. counts int64 [modules, COLUMNS].
    bytes_by_dtype: of parameters and buffers. disk_bytes: of its saved state_dict, or None where
    there are no values to save."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    bytes_by_dtype: dict[str, int]
    disk_bytes: int | None


def weigh(what: str, model: Any, name: str = "model") -> Holdings:
    """Read a module; nothing of it changes. `what` asks, for errors."""
    model = checked_module(what, model, name)
    import torch

    try:
        state = model.state_dict(keep_vars=True)
        disk_bytes = _disk_bytes(model)
    except Exception as error:
        raise InputError(
            f"{what}: {name} cannot be saved, {type(model).__name__}.state_dict() or torch.save of "
            f"it failed: {type(error).__name__}: {error}"
        ) from error
    scale = _Scale()
    masks: set[int] = set()
    modules = dict(model.named_modules(remove_duplicate=False))
    with torch.no_grad():
        for path, module in model.named_modules():
            row = scale.row(path, type(module).__name__)
            for own, parameter in module.named_parameters(recurse=False):
                mask = _mask_of(module, own)
                scale.parameter(row, parameter, mask, _pruned_along(modules, path, own, parameter))
                if mask is not None:
                    masks.add(id(mask))
            means = packed_buffers(module)
            for own, buffer in module.named_buffers(recurse=False):
                held = scale.bytes_of(buffer)
                row["param_bytes" if own in means else "buffer_bytes"] += held
                row["mask_bytes"] += held if id(buffer) in masks else 0
                if own in means and held:
                    row["params"] += means[own]
                    row["stored"] += buffer.numel()
        for path, own, value in _unregistered(model, state):
            scale.packed(scale.rows[path], own, value)
    rows = {path: row for path, row in scale.rows.items() if any(row.values())}
    counts = [[row[column] for column in COLUMNS] for row in rows.values()]
    return Holdings(
        tuple(rows),
        tuple(scale.kinds[path] for path in rows),
        np.array(counts, np.int64).reshape(-1, len(COLUMNS)),
        dict(sorted(scale.by_dtype.items())),
        disk_bytes,
    )


class _Scale:
    """The rows so far, and what has been put into one."""

    def __init__(self) -> None:
        self.rows: dict[str, Counter[str]] = {}
        self.kinds: dict[str, str] = {}
        self.by_dtype: Counter[str] = Counter()
        self._storages: dict[int, Any] = {}  # kept alive: they are known by their address
        self._tensors: set[Any] = set()
        self._room: dict[int, int] = {}  # of a storage: elements that no view has taken

    def row(self, path: str, kind: str) -> Counter[str]:
        self.kinds[path] = kind
        return self.rows.setdefault(path, Counter())

    def bytes_of(self, tensor: Any) -> int:
        """Bytes of the storages under it that were not met before."""
        total = 0
        for leaf in stored_in(tensor):
            storage = leaf.untyped_storage()
            if storage._cdata not in self._storages:
                self._storages[storage._cdata] = storage
                total += storage.nbytes()
                self.by_dtype[str(leaf.dtype).removeprefix("torch.")] += storage.nbytes()
        return total

    def parameter(self, row: Counter[str], parameter: Any, mask: Any, axis: int | None) -> None:
        parts = [*stored_in(parameter)]
        row["param_bytes"] += self.bytes_of(parameter)
        first = parts[0]
        place = first.untyped_storage()._cdata
        view = (place, first.storage_offset(), first.shape, first.stride())
        if view in self._tensors:
            return
        self._tensors.add(view)
        logical = logical_size(parameter)
        if logical == first.numel():  # views that overlap hold no more than there is
            room = self._room.get(place, first.untyped_storage().nbytes() // first.element_size())
            logical = min(logical, room)
            self._room[place] = room - logical
        row["params"] += logical
        row["stored"] += sum(part.numel() for part in parts) if len(parts) > 1 else logical
        row["trainable"] += logical if parameter.requires_grad else 0
        self._zeros(row, parameter, mask, axis, logical)

    def packed(self, row: Counter[str], own: str, value: Any) -> None:
        """What stands in the state_dict only: weights of quantised layers, and their scales."""
        for tensor in tensors_in(value):
            if not tensor.ndim:  # the scale of a layer's outputs, a number
                continue
            row["param_bytes"] += (held := self.bytes_of(tensor))
            # a table of numbers beside it, by another name, is of its scales
            means = tensor is not value or tensor.is_quantized or own in ("weight", "bias")
            if held and means:
                row["params"] += tensor.numel()
                row["stored"] += tensor.numel()
                self._zeros(row, tensor, None, 1 if tensor.ndim > 1 else None, tensor.numel())

    def _zeros(
        self, row: Counter[str], weight: Any, mask: Any, axis: int | None, size: int
    ) -> None:
        there = nonzero(weight, mask)
        if there is None:
            return
        zeros = there.numel() - int(there.count_nonzero())
        row["read"] += size
        row["zeros"] += min(zeros, size)
        if axis is not None:
            row["prunable"] += size
            row["prunable_zeros"] += min(zeros, size)
            for (n, m), (groups, conforming) in zip(
                PATTERNS, pattern_groups(there, axis), strict=True
            ):
                row[f"groups_{n}_{m}"] += groups
                row[f"conforming_{n}_{m}"] += conforming


# -- what is what ----------------------------------------------------------------------------------


def _mask_of(module: Any, own: str) -> Any:
    """The mask that pruning put beside a parameter of a module, or None."""
    from torch.nn.utils.parametrize import ParametrizationList

    if own.endswith("_orig"):
        return getattr(module, own.removesuffix("orig") + "mask", None)
    if isinstance(module, ParametrizationList) and own == "original":
        return next((one.mask for one in module if hasattr(one, "mask")), None)
    return None


def _pruned_along(modules: Mapping[str, Any], path: str, own: str, parameter: Any) -> int | None:
    """The axis of a weight that its inputs lie along; None of what is not pruned: biases,
    embeddings, norms."""
    import torch
    from torch import nn

    path, _, parametrized = f".{path}".partition(".parametrizations.")
    path, own = path.removeprefix("."), (parametrized or own).removesuffix("_orig")
    shape = getattr(getattr(parameter, "quant_state", None), "shape", parameter.shape)
    module = modules[path]
    norms = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
    left_out = isinstance(module, (nn.Embedding, nn.EmbeddingBag, *norms))
    if left_out or len(shape) < 2 or not (own.startswith("weight") or own.endswith("weight")):
        return None
    # the second is that of transformers, in GPT-2: a linear layer with its weight turned
    turned = (
        isinstance(module, torch.nn.modules.conv._ConvTransposeNd)
        or type(module).__name__ == "Conv1D"
    )
    return 0 if turned else 1


def _unregistered(model: Any, state: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(path of the module, own name, value) of what is saved and is no parameter or buffer."""
    paths = {id(module): path for path, module in model.named_modules()}
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    known = parameters | {name for name, _ in model.named_buffers(remove_duplicate=False)}
    modules = dict(model.named_modules(remove_duplicate=False))
    for name, value in state.items():
        path = name.rpartition(".")[0]
        while path not in modules:
            path = path.rpartition(".")[0]
        # what is saved under the name of a parameter describes it: its scales, met already
        of_parameter = any(name.startswith(f"{one}.") for one in parameters)
        shared = paths[id(modules[path])] != path
        if name not in known and not of_parameter and not shared:
            yield _public(path), name.rpartition(".")[2], value


def _public(path: str) -> str:
    """The layer that keeps it: what it keeps it in is private."""
    parts = path.split(".")
    private = next((i for i, part in enumerate(parts) if part.startswith("_")), len(parts))
    return ".".join(parts[:private])


def _disk_bytes(model: Any) -> int | None:
    import torch

    if any(leaf.is_meta for tensor in model.parameters() for leaf in stored_in(tensor)):
        return None
    sink = _Sink()
    torch.save(model.state_dict(), sink)  # type: ignore[arg-type, unused-ignore]
    return sink.size


class _Sink:
    """A file that keeps nothing but its size."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: Any) -> int:
        self.size += (written := memoryview(data).nbytes)
        return written

    def flush(self) -> None:
        pass
