"""Layers as GPTQ and AWQ keep them: the weight in buffers, several numbers in an integer."""

import math

import pytest
import torch
from torch import nn

from assay.metrics.footprint import compare_footprint, footprint
from assay.ops._footprint_values import packed_buffers
from assay.ops.footprint import COLUMNS, weigh

INS, OUTS, GROUP = 64, 96, 32


class Gptq(nn.Module):
    """As auto-gptq and GPTQModel have it: packed along the inputs."""

    def __init__(self, bits: int = 4, bias: bool = True) -> None:
        super().__init__()
        self.bits, groups = bits, INS // GROUP
        packed = torch.zeros(INS // 32 * bits, OUTS, dtype=torch.int32)
        self.register_buffer("qweight", packed)
        zeros = torch.zeros(groups, OUTS // 32 * bits, dtype=torch.int32)
        self.register_buffer("qzeros", zeros)
        self.register_buffer("scales", torch.zeros(groups, OUTS, dtype=torch.float16))
        self.register_buffer("g_idx", torch.arange(INS, dtype=torch.int32) // GROUP)
        if bias:
            self.register_buffer("bias", torch.zeros(OUTS, dtype=torch.float16))


class Awq(nn.Module):
    """As AutoAWQ has it: packed along the outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.w_bit, groups = 4, INS // GROUP
        self.register_buffer("qweight", torch.zeros(INS, OUTS // 8, dtype=torch.int32))
        self.register_buffer("qzeros", torch.zeros(groups, OUTS // 8, dtype=torch.int32))
        self.register_buffer("scales", torch.zeros(groups, OUTS, dtype=torch.float16))
        self.register_buffer("bias", torch.zeros(OUTS, dtype=torch.float16))


class Gemv(nn.Module):
    """As AutoAWQ has it for single rows: four numbers in 16 bits, rows four by four."""

    def __init__(self) -> None:
        super().__init__()
        self.w_bit = 4
        self.register_buffer("qweight", torch.zeros(OUTS // 4, INS // 4 * 4, dtype=torch.int16))
        self.register_buffer("scales", torch.zeros(8, OUTS, dtype=torch.float16))
        self.register_buffer("scaled_zeros", torch.zeros(8, OUTS, dtype=torch.float16))


def held(model: nn.Module) -> dict[str, int]:
    return dict(zip(COLUMNS, weigh("footprint", model).counts.sum(axis=0).tolist(), strict=True))


def numbers(*tensors: torch.Tensor) -> int:
    return sum(tensor.numel() for tensor in tensors)


@pytest.mark.parametrize(
    ("layer", "bias"),
    [*((Gptq(bits), OUTS) for bits in (2, 3, 4, 8)), (Gptq(bias=False), 0), (Awq(), OUTS),
     (Gemv(), 0)],
)  # fmt: skip
def test_a_packed_weight_is_what_it_means(layer: nn.Module, bias: int) -> None:
    total = held(nn.Sequential(layer, nn.Linear(OUTS, 2)))
    buffers = [*layer.buffers()]
    assert total["params"] == INS * OUTS + bias + 2 * OUTS + 2
    assert total["stored"] == numbers(*buffers) + 2 * OUTS + 2
    assert total["param_bytes"] == sum(b.nbytes for b in buffers) + 4 * (2 * OUTS + 2)
    assert (total["buffer_bytes"], total["trainable"]) == (0, 2 * OUTS + 2)
    assert total["read"] == 2 * OUTS + 2  # its zeros are not known


def test_it_is_smaller_and_has_as_many_parameters() -> None:
    plain = nn.Linear(INS, OUTS)
    found = compare_footprint(plain, Gptq())
    assert found["compression_ratio"] == 1
    assert found["compression_ratio_bytes"] > 5
    assert math.isnan(footprint(Gptq())["sparsity"])
    (row,) = footprint(Gptq()).layers
    assert (row.params, row.kind, row.pattern) == (INS * OUTS + OUTS, "Gptq", "")


def test_one_that_stands_twice_counts_once() -> None:
    layer, tied = Awq(), Awq()
    tied.qweight = layer.qweight
    once, both = held(layer), held(nn.Sequential(layer, tied))
    assert both["params"] == once["params"] + OUTS
    assert held(nn.Sequential(layer, layer)) == once
    with torch.device("meta"):
        assert held(Gptq())["params"] == INS * OUTS + OUTS


@pytest.mark.parametrize("change", ["bits", "float", "name"])
def test_what_only_looks_like_it_is_a_buffer(change: str) -> None:
    layer = Gptq()
    if change == "bits":
        layer.bits = 5
    elif change == "float":
        layer.qweight = torch.zeros(3, 4)
    else:
        del layer.qweight
    assert packed_buffers(layer) == {}
    total = held(layer)
    assert (total["params"], total["buffer_bytes"]) == (0, sum(b.nbytes for b in layer.buffers()))
