"""Outputs of models as named arrays: nested containers taken apart, tensors brought to NumPy."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.ops.conditions import torch_loaded

__all__ = ["Leaf", "leaves"]

Leaf = tuple[str, npt.NDArray[Any] | None, Any]


def leaves(value: Any, path: str = "output") -> Iterator[Leaf]:
    """(path, array, value) of every leaf, in order; None for an array where a leaf is none.

    Mappings, tuples, lists and dataclasses are containers, but lists of numbers and equal lists of
    such lists are arrays. Tensors of any device, layout and
    packing (quantised ones are unpacked) become arrays, half precision float32; None leaves are
    left out.
    """
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(part, f"{path}[{key!r}]")
    elif isinstance(value, tuple | list) and not _is_table(value):
        for i, part in enumerate(value):
            yield from leaves(part, f"{path}[{i}]")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name), f"{path}.{field.name}")
    elif value is not None:
        yield path, _array(value), value


def _array(value: Any) -> npt.NDArray[Any] | None:
    torch = torch_loaded()
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach()
        if value.is_quantized:
            value = value.dequantize()
        value = value.to_dense() if value.layout != torch.strided else value
        if value.dtype.is_floating_point and value.dtype != torch.float64:
            value = value.to(torch.float32)
        return np.asarray(value.resolve_conj().resolve_neg().cpu().numpy())
    if not (isinstance(value, bool | int | float | complex | list) or hasattr(value, "__array__")):
        return None
    array = np.asarray(value)
    return array if array.dtype.kind in "biufc" else None


def _is_table(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    if isinstance(value[0], list):
        return all(_is_table(row) and len(row) == len(value[0]) for row in value)
    return all(isinstance(x, int | float) for x in value)
