"""One weight: the tensors it is stored in, how many numbers it means, which of them are zero."""

import math
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["PATTERNS", "logical_size", "nonzero", "packed_buffers", "pattern_groups", "stored_in"]

PACKED_BITS = (2, 3, 4, 8)  # of a number of GPTQ or AWQ
PACKED_BESIDE = ("qzeros", "scaled_zeros", "zeros", "scales", "g_idx")  # what it is scaled by

PATTERNS = ((1, 4), (2, 4), (4, 8))  # N of M not zero; what is of one is of those after it


def stored_in(weight: Any) -> Iterator[Any]:
    """The plain tensors that hold it: itself, or the parts of a quantised or sparse one."""
    import torch

    if hasattr(weight, "__tensor_flatten__"):
        for name in weight.__tensor_flatten__()[0]:
            yield from stored_in(getattr(weight, name))
    elif weight.layout is torch.sparse_coo:
        yield from (weight._indices(), weight._values())
    elif weight.layout in (torch.sparse_csr, torch.sparse_bsr):
        yield from (weight.crow_indices(), weight.col_indices(), weight.values())
    elif weight.layout in (torch.sparse_csc, torch.sparse_bsc):
        yield from (weight.ccol_indices(), weight.row_indices(), weight.values())
    else:
        yield weight.detach()
        of_channels = (torch.per_channel_affine, torch.per_channel_affine_float_qparams)
        if weight.is_quantized and weight.qscheme() in of_channels:
            yield from (weight.q_per_channel_scales(), weight.q_per_channel_zero_points())
    yield from _quantisation_tensors(getattr(weight, "quant_state", None))


def _quantisation_tensors(state: Any) -> Iterator[Any]:
    """Scales and code books that a packed weight carries, those of its scales too."""
    import torch

    for value in vars(state).values() if hasattr(state, "__dict__") else ():
        if isinstance(value, torch.Tensor):
            yield value
        else:
            yield from _quantisation_tensors(value)


def logical_size(weight: Any) -> int:
    """How many numbers it means: two 4-bit ones packed in a byte are two."""
    shape = getattr(getattr(weight, "quant_state", None), "shape", None)
    return math.prod(weight.shape if shape is None else shape)


def packed_buffers(module: Any) -> dict[str, int]:
    """Buffers that hold the weight of a layer of GPTQ or AWQ, in any of their layouts: how many
    numbers of the model each means. Of other modules none."""
    buffers = dict(module.named_buffers(recurse=False))
    weight = buffers.get("qweight")
    bits = getattr(module, "bits", getattr(module, "w_bit", None))
    if weight is None or weight.is_floating_point():
        return {}
    if not isinstance(bits, int) or bits not in PACKED_BITS:
        return {}
    whole = {"qweight": weight.element_size() * 8 * weight.numel() // bits}
    if "bias" in buffers:
        whole["bias"] = buffers["bias"].numel()
    return {name: whole.get(name, 0) for name in buffers if name in (*PACKED_BESIDE, *whole)}


def nonzero(weight: Any, mask: Any = None) -> Any:
    """Which of its numbers are not zero, a tensor of booleans; None where they cannot be read."""
    if any(leaf.is_meta for leaf in stored_in(weight)):
        return None
    values = _values(weight)
    if values is None:
        return None
    return (values if mask is None else values * mask) != 0


def _values(weight: Any) -> Any:
    import torch

    state = getattr(weight, "quant_state", None)
    if state is not None:
        library = sys.modules.get("bitsandbytes")  # whoever has such a weight has imported it
        return library and library.functional.dequantize_4bit(weight.data, state)
    if weight.is_quantized or hasattr(weight, "__tensor_flatten__"):
        return weight.dequantize() if hasattr(weight, "dequantize") else None
    return weight if weight.layout is torch.strided else weight.to_dense()


def pattern_groups(there: Any, axis: int) -> Iterator[tuple[int, int]]:
    """(groups, conforming) of each of PATTERNS: M in a row along the inputs, `axis`, of which at
    most N are not zero. A width that M does not divide has no groups."""
    import torch

    there = there.movedim(axis, -1).contiguous()
    for most, of in PATTERNS:
        if there.shape[-1] % of or not there.numel():
            yield 0, 0
            continue
        words = there.view({4: torch.int32, 8: torch.int64}[of])  # a byte each, 0 or 1
        counts = (words * int.from_bytes(b"\1" * of, "big")).bitwise_right_shift_(8 * (of - 1))
        yield words.numel(), int(torch.count_nonzero(counts <= most))
