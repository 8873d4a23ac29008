"""What a module holds: parameters, bytes, zeros, held against counts by hand and real files."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from assay.core.errors import InputError
from assay.ops.footprint import COLUMNS, Holdings, weigh
from models import GPT, NeedsValues, ViT, int8


def held(model: nn.Module) -> dict[str, int]:
    return dict(zip(COLUMNS, weigh("footprint", model).counts.sum(axis=0).tolist(), strict=True))


def rows(found: Holdings) -> dict[str, dict[str, int]]:
    return {
        name: dict(zip(COLUMNS, row, strict=True))
        for name, row in zip(found.names, found.counts.tolist(), strict=True)
    }


def pair() -> nn.Module:
    return nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 512))


PARAMS = 2 * 512 * 256 + 256 + 512


# -- parameters and bytes --------------------------------------------------------------------------


def test_a_plain_model() -> None:
    model = pair()
    found = weigh("footprint", model)
    assert (found.names, found.kinds) == (("0", "2"), ("Linear", "Linear"))
    assert rows(found)["0"]["params"] == 512 * 256 + 256
    total = held(model)
    assert total["params"] == total["stored"] == total["trainable"] == PARAMS
    assert (total["param_bytes"], total["buffer_bytes"]) == (4 * PARAMS, 0)
    assert found.bytes_by_dtype == {"float32": 4 * PARAMS}


def test_types_frozen_parts_and_buffers() -> None:
    model = nn.Sequential(nn.Linear(4, 4).half(), nn.BatchNorm1d(4), nn.Linear(4, 2).double())
    model[0].requires_grad_(False)
    model.register_buffer("scratch", torch.zeros(5, dtype=torch.int8), persistent=False)
    total = held(model)
    assert (total["params"], total["trainable"]) == (20 + 8 + 10, 8 + 10)
    assert total["param_bytes"] == 2 * 20 + 4 * 8 + 8 * 10
    assert total["buffer_bytes"] == 2 * 4 * 4 + 8 + 5
    assert weigh("footprint", model).bytes_by_dtype == {
        "float16": 40, "float32": 32 + 32, "float64": 80, "int64": 8, "int8": 5,
    }  # fmt: skip


def test_tied_weights_count_once() -> None:
    model = GPT(1000, 64)
    alone = GPT(1000, 64)
    alone.head.weight = nn.Parameter(torch.zeros(1000, 64))
    assert held(alone)["params"] - held(model)["params"] == 64_000
    assert held(model)["params"] == sum(p.numel() for p in model.parameters())
    assert held(alone)["param_bytes"] - held(model)["param_bytes"] == 256_000
    assert "head" not in weigh("footprint", model).names


def test_views_hold_nothing_of_their_own() -> None:
    flat = torch.ones(100)
    model = nn.Module()
    model.whole = nn.Parameter(flat)
    model.first = nn.Parameter(flat[:50])
    model.turned = nn.Parameter(flat.view(10, 10).t())
    assert {k: held(model)[k] for k in ("params", "param_bytes")} == {
        "params": 100,
        "param_bytes": 400,
    }
    part = nn.Module()
    part.weight = nn.Parameter(flat[:10])  # keeps the whole storage alive
    assert {k: held(part)[k] for k in ("params", "param_bytes")} == {
        "params": 10,
        "param_bytes": 400,
    }


def test_a_module_in_two_places() -> None:
    layer = int8(nn.Sequential(nn.Linear(8, 8)), nn.Linear)[0]
    model = nn.Sequential(layer, layer)
    assert held(model)["params"] == 72
    assert weigh("footprint", model).names == ("0",)


# -- quantised weights -----------------------------------------------------------------------------


def test_dynamic_int8_has_its_parameters() -> None:
    model = int8(pair(), nn.Linear)
    assert not [*model.parameters()]
    total = held(model)
    assert (total["params"], total["stored"], total["trainable"]) == (PARAMS, PARAMS, 0)
    assert total["param_bytes"] == 2 * 512 * 256 + 4 * (256 + 512)
    found = weigh("footprint", model)
    assert found.names == ("0", "2")
    assert found.bytes_by_dtype == {"float32": 4 * 768, "qint8": 2 * 512 * 256}


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_dynamic_int8_recurrent_layers(kind: type[nn.RNNBase]) -> None:
    plain = nn.Sequential(kind(8, 16, num_layers=2, bidirectional=True))
    params = sum(p.numel() for p in plain.parameters())
    biases = sum(p.numel() for p in plain.parameters() if p.ndim == 1)
    total = held(int8(plain, kind))
    assert total["params"] == params
    assert total["param_bytes"] == params - biases + 4 * biases


@pytest.mark.parametrize(
    ("zero", "dtype", "size"), [(0, torch.qint8, 8 + 8), (0.0, torch.quint8, 4 + 4)]
)
def test_the_scales_of_channels_are_bytes_not_parameters(
    zero: float, dtype: Any, size: int
) -> None:
    scales, zeros = torch.full((3,), 0.1), torch.full((3,), zero)
    weight = torch.quantize_per_channel(torch.ones(3, 8), scales, zeros, axis=0, dtype=dtype)
    model = nn.Module()
    model.weight = nn.Parameter(weight, requires_grad=False)
    total = held(model)
    assert (total["params"], total["param_bytes"]) == (24, 24 + 3 * size)


class Scaled(torch.Tensor):
    """A weight in int8 with scales, wrapped as torchao's are."""

    @staticmethod
    def __new__(cls, data: torch.Tensor, scale: torch.Tensor) -> "Scaled":
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=scale.dtype)

    def __init__(self, data: torch.Tensor, scale: torch.Tensor):
        self.data_, self.scale = data, scale

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["data_", "scale"], None

    @staticmethod
    def __tensor_unflatten__(parts: Any, _context: Any, _size: Any, _stride: Any) -> "Scaled":
        return Scaled(parts["data_"], parts["scale"])

    def dequantize(self) -> torch.Tensor:
        return self.data_ * self.scale

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            return Scaled(args[0].data_, args[0].scale)
        raise NotImplementedError(func)


def test_a_wrapped_weight_is_what_it_means() -> None:
    model = nn.Linear(8, 4, bias=False)
    data = torch.ones(4, 8, dtype=torch.int8)
    data[:, ::2] = 0
    model.weight = nn.Parameter(Scaled(data, torch.ones(4, 1)), requires_grad=False)
    found = weigh("footprint", nn.Sequential(model))
    assert found.bytes_by_dtype == {"float32": 16, "int8": 32}
    assert rows(found)["0"] == {
        "params": 32, "stored": 36, "trainable": 0, "param_bytes": 48, "buffer_bytes": 0,
        "mask_bytes": 0, "read": 32, "zeros": 16, "prunable": 32, "prunable_zeros": 16,
        "groups_1_4": 8, "conforming_1_4": 0, "groups_2_4": 8, "conforming_2_4": 8,
        "groups_4_8": 4, "conforming_4_8": 4,
    }  # fmt: skip


class QuantState:
    """What bitsandbytes keeps beside a weight of 4 bits; its scales are quantised themselves."""

    def __init__(self, shape: torch.Size, depth: int = 1):
        self.shape, self.blocksize, self.quant_type = shape, 64, "nf4"
        self.absmax, self.code = torch.ones(shape.numel() // 64), torch.ones(16)
        self.state2 = QuantState(torch.Size([shape.numel() // 64]), 0) if depth else None


def four_bit(rows: int, columns: int) -> nn.Module:
    model = nn.Linear(columns, rows, bias=False)
    packed = torch.zeros(rows * columns // 2, 1, dtype=torch.uint8)
    model.weight = nn.Parameter(packed, requires_grad=False)
    model.weight.quant_state = QuantState(torch.Size([rows, columns]))
    model.register_state_dict_post_hook(  # as Linear4bit does
        lambda module, state, prefix, _: state.update(
            {
                f"{prefix}weight.absmax": module.weight.quant_state.absmax,
                f"{prefix}weight.quant_state.nf4": torch.zeros(80, dtype=torch.uint8),
            }
        )
    )
    return model


def test_two_weights_of_4_bits_in_a_byte_are_two() -> None:
    found = weigh("footprint", nn.Sequential(four_bit(128, 256)))
    row = rows(found)["0"]
    n, scales = 128 * 256, 128 * 256 // 64
    assert row["params"] == n
    assert row["stored"] == n // 2 + scales + 16 + scales // 64 + 16
    assert row["param_bytes"] == n // 2 + 4 * (scales + 16 + scales // 64 + 16)
    # nobody here can unpack them
    assert (row["read"], row["prunable"], row["groups_2_4"]) == (0, 0, 0)


def test_a_table_of_scales_that_is_saved_beside_a_weight() -> None:
    model = nn.Linear(8, 4)
    model.register_state_dict_post_hook(
        lambda _module, state, prefix, _: state.update({f"{prefix}SCB": torch.ones(4)})
    )
    total = held(nn.Sequential(model))
    assert (total["params"], total["param_bytes"]) == (36, 4 * 36 + 4 * 4)


def test_sparse_tensors() -> None:
    dense = torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0]])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CS. tensor support is in beta")
        parts = torch.tensor([0, 1, 2]), torch.tensor([0, 1]), torch.tensor([1.0, 2.0])
        rows = torch.sparse_csr_tensor(*parts, size=(2, 4), check_invariants=True)
        parts = torch.tensor([0, 1, 2, 2, 2]), *parts[1:]
        columns = torch.sparse_csc_tensor(*parts, size=(2, 4), check_invariants=True)
    sizes = {dense.to_sparse(): (2 + 2) * 8, rows: (3 + 2) * 8, columns: (5 + 2) * 8}
    for sparse, indices in sizes.items():
        model = nn.Module()
        model.weight = nn.Parameter(sparse, requires_grad=False)
        total = held(model)
        assert (total["params"], total["zeros"], total["param_bytes"]) == (8, 6, indices + 2 * 4)


# -- zeros -----------------------------------------------------------------------------------------


def test_masks_are_applied() -> None:
    model = pair()
    for layer in (model[0], model[2]):
        prune.l1_unstructured(layer, "weight", 0.5)
    assert sum(int((p == 0).sum()) for p in model.parameters()) == 0  # what is usually counted
    total = held(model)
    assert total["params"] == total["stored"] == PARAMS
    assert (total["prunable"], total["prunable_zeros"]) == (2 * 512 * 256, 512 * 256)
    assert total["mask_bytes"] == total["buffer_bytes"] == 4 * 2 * 512 * 256
    for layer in (model[0], model[2]):
        prune.remove(layer, "weight")
    total = held(model)
    assert (total["prunable_zeros"], total["mask_bytes"]) == (512 * 256, 0)


def test_masks_as_parametrizations() -> None:
    class Mask(nn.Module):
        def __init__(self, mask: torch.Tensor):
            super().__init__()
            self.register_buffer("mask", mask)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.mask * x

    layer = nn.Linear(4, 2, bias=False)
    nn.utils.parametrize.register_parametrization(
        layer, "weight", Mask(torch.tensor([[1.0, 0, 0, 1], [1, 1, 0, 0]]))
    )
    for model in (layer, nn.Sequential(layer)):
        total = held(model)
        assert (total["params"], total["zeros"], total["mask_bytes"]) == (8, 4, 32)
        assert (total["prunable"], total["groups_2_4"], total["conforming_2_4"]) == (8, 2, 2)


def test_what_is_prunable() -> None:
    model = nn.ModuleDict(
        {
            "linear": nn.Linear(4, 4),
            "conv": nn.Conv2d(4, 2, 3),
            "lstm": nn.LSTM(4, 4),
            "attention": nn.MultiheadAttention(4, 2),
            "embedding": nn.Embedding(9, 4),
            "norm": nn.LayerNorm((4, 4)),
        }
    )
    model.position = nn.Parameter(torch.zeros(3, 4))
    found = rows(weigh("footprint", model))
    assert {name: row["prunable"] for name, row in found.items()} == {
        "": 0, "linear": 16, "conv": 72, "lstm": 2 * 64, "attention": 48,
        "attention.out_proj": 16, "embedding": 0, "norm": 0,
    }  # fmt: skip
    assert found[""]["zeros"] == 12


def test_zeros_of_quantised_weights() -> None:
    plain = nn.Sequential(nn.Linear(8, 8, bias=False))
    with torch.no_grad():
        plain[0].weight[:, :6] = 0
        plain[0].weight[:, 6:] = 1
    total = held(int8(plain, nn.Linear))
    assert (total["prunable"], total["prunable_zeros"]) == (64, 48)


class Conv1D(nn.Module):
    """As transformers has it: a linear layer, its weight [inputs, outputs]."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 12))


def test_convolutions_are_grouped_along_their_inputs() -> None:
    turned = Conv1D()
    conv, transposed = nn.Conv2d(4, 3, 2, bias=False), nn.ConvTranspose2d(4, 3, 2, bias=False)
    with torch.no_grad():
        conv.weight[:, :2] = 0
        transposed.weight[2:] = turned.weight[2:] = 0
    for layer in (conv, transposed, turned):
        total = held(layer)
        assert (total["zeros"], total["groups_2_4"], total["conforming_2_4"]) == (24, 12, 12)


# -- on disk ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "tied", "int8", "pruned", "lstm", "bfloat16"])
def test_the_size_on_disk_is_that_of_a_real_file(kind: str, tmp_path: Path) -> None:
    pruned = nn.Linear(30, 20)
    prune.random_unstructured(pruned, "weight", 0.5)
    model = {
        "plain": pair(),
        "tied": GPT(),
        "int8": int8(pair(), nn.Linear),
        "pruned": pruned,
        "lstm": int8(nn.Sequential(nn.LSTM(8, 16)), nn.LSTM),
        "bfloat16": ViT().bfloat16(),
    }[kind]
    with (tmp_path / "model.pt").open("wb") as file:
        torch.save(model.state_dict(), file)
    size = (tmp_path / "model.pt").stat().st_size
    assert weigh("footprint", model).disk_bytes == size


def test_a_mask_doubles_the_file_and_int8_quarters_it() -> None:
    plain = weigh("footprint", pair()).disk_bytes
    pruned = pair()
    for layer in (pruned[0], pruned[2]):
        prune.l1_unstructured(layer, "weight", 0.5)
    assert plain
    assert 3.8 < plain / (weigh("footprint", int8(pair(), nn.Linear)).disk_bytes or 1) < 4
    assert 1.99 < (weigh("footprint", pruned).disk_bytes or 0) / plain < 2.01


# -- odd models ------------------------------------------------------------------------------------


def test_a_model_on_meta() -> None:
    with torch.device("meta"):
        model = nn.Linear(2**20, 2**20)
    found = weigh("footprint", model)
    total = held(model)
    assert (total["params"], total["param_bytes"]) == (2**40 + 2**20, 4 * (2**40 + 2**20))
    assert (total["read"], total["prunable"], found.disk_bytes) == (0, 0, None)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_a_scripted_model() -> None:
    plain = pair()
    assert held(torch.jit.script(plain)) == held(plain)


def test_an_empty_model() -> None:
    found = weigh("footprint", nn.Sequential())
    assert found.names == ()
    assert found.counts.shape == (0, len(COLUMNS))
    assert not any(held(nn.Sequential(nn.ReLU())).values())


def test_nothing_changes() -> None:
    model = NeedsValues(nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weigh("footprint", model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"footprint: model must be a torch.nn.Module, got int"):
        weigh("footprint", 3)
    with pytest.raises(InputError, match=r"2 lazy parameters .* first '0.weight'; run the model"):
        weigh("footprint", nn.Sequential(nn.LazyLinear(3)))

    class Broken(nn.Module):
        def state_dict(self, *_: Any, **__: Any) -> Any:
            raise KeyError("shard")

    with pytest.raises(InputError, match=r"Broken.state_dict\(\) .* failed: KeyError: 'shard'"):
        weigh("footprint", Broken())
