"""What is asked of any torch module before it is counted: is it one, and has it shapes."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.errors import InputError
from assay.core.optional import require

__all__ = ["checked_module", "described", "moved", "tensors_in"]


def checked_module(what: str, model: Any, name: str = "model") -> Any:
    """The module itself, of a compiled one the original; `what` asks, for the error."""
    torch = require("torch")
    if isinstance(model, type) and issubclass(model, torch.nn.Module):
        raise InputError(f"{what}: {name} is the class {model.__name__}; make one of it first")
    if not isinstance(model, torch.nn.Module):
        hint = "; load it into its module first" if isinstance(model, Mapping) else ""
        raise InputError(
            f"{what}: {name} must be a torch.nn.Module, got {type(model).__name__}{hint}"
        )
    model = getattr(model, "_orig_mod", model)
    tensors = [*model.named_parameters(), *model.named_buffers()]
    lazy = [own for own, tensor in tensors if torch.nn.parameter.is_lazy(tensor)]
    if lazy:
        raise InputError(
            f"{what}: {name} has {len(lazy)} lazy parameters or buffers without a shape yet, first "
            f"{lazy[0]!r}; run the model once before"
        )
    return model


def described(inputs: Any) -> str:
    """Types and shapes: "float32[2, 3], mask=bool[2] on cuda:0"."""
    import torch

    if isinstance(inputs, torch.Tensor):
        place = "" if inputs.device.type == "cpu" else f" on {inputs.device}"
        return f"{str(inputs.dtype).removeprefix('torch.')}{list(inputs.shape)}{place}"
    if isinstance(inputs, Mapping):
        return ", ".join(f"{name}={described(value)}" for name, value in inputs.items())
    if isinstance(inputs, list | tuple):
        return ", ".join(map(described, inputs))
    return type(inputs).__name__


def tensors_in(value: Any) -> Iterator[Any]:
    """The tensors in tuples, lists, mappings, dataclasses and packed weights, in order."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
        return
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    elif isinstance(value, torch.ScriptObject):
        parts = (value.__getstate__(),)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name) for field in dataclasses.fields(value)]
    for part in parts:
        yield from tensors_in(part)


def moved(value: Any, device: str) -> Any:
    """The same with its tensors on a device, those in tuples, lists and mappings too."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: moved(part, device) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [moved(part, device) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
