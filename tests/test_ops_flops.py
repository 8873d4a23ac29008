"""FLOPs by module and operator, held against hand formulas."""

import copy
import itertools
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from assay.ops._flop_formulas import formulas, kind_of
from flops_kit import by_module, count, total
from models import GPT, Attention, LoRA, NeedsValues, ViT, int8

# -- hand formulas ---------------------------------------------------------------------------------


@pytest.mark.parametrize("manual", [False, True], ids=["sdpa", "matmul"])
@pytest.mark.parametrize("real", [False, True], ids=["meta", "cpu"])
def test_a_vit_block(manual: bool, real: bool) -> None:
    model = ViT(64, 4, manual=manual)
    n, d = 196, 64
    patch, linear, attention = n * d * 3 * 16 * 16, n * 12 * d * d, 2 * n * n * d
    assert patch + linear + attention == 24_184_832  # MACs
    found = count(NeedsValues(model) if real else model, torch.zeros(1, 3, 224, 224), backward=True)
    assert found.device == ("cpu" if real else "meta")
    assert total(found, "forward") == 2 * (patch + linear + attention)
    # The picture needs no gradient, so the patches have that of their weight only. The fused
    # kernel computes the scores once more.
    again = n * n * d if real and not manual else 0
    assert total(found, "backward") == 2 * (patch + 2 * linear + 2 * attention + again)


def test_a_gpt_block() -> None:
    b, n, d, v = 3, 7, 32, 50
    linear, attention, head = b * n * 12 * d * d, 2 * b * n * n * d, b * n * d * v
    for model in (GPT(v, d), NeedsValues(GPT(v, d))):
        found = count(model, torch.zeros(b, n, dtype=torch.long))
        assert total(found) == 2 * (linear + attention + head)
    found = count(GPT(v, d), {"ids": torch.zeros(b, n, dtype=torch.long)}, backward=True)
    assert total(found, "backward") == 4 * (linear + attention + head)
    assert by_module(found)["block.attention.qkv"] == 2 * b * n * 3 * d * d


@pytest.mark.parametrize("real", [False, True], ids=["meta", "cpu"])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("both", [False, True], ids=["one-way", "both-ways"])
def test_recurrent_layers(kind: type[nn.RNNBase], both: bool, real: bool) -> None:
    b, n, i, h = 4, 5, 8, 16
    model = kind(i, h, num_layers=2, batch_first=True, bidirectional=both)
    gates, ways = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}[kind], 1 + both
    macs = sum(b * n * ways * gates * h * (width + h) for width in (i, h * ways))
    found = count(NeedsValues(model) if real else model, torch.zeros(b, n, i))
    assert total(found) == 2 * macs
    assert found.device == ("cpu" if real else "meta")


def test_the_backward_pass_of_an_lstm() -> None:
    b, n, i, h = 4, 5, 8, 16
    cell = b * n * 4 * h * (i + h)
    exact = 2 * cell - b * n * 4 * h * i - b * 4 * h * h  # none of x, nor of the first state
    model = nn.LSTM(i, h, batch_first=True)
    assert total(count(model, torch.zeros(b, n, i), backward=True), "backward") == 2 * exact
    fused = count(NeedsValues(model), torch.zeros(b, n, i), backward=True)
    assert total(fused, "backward") == 2 * 2 * cell


def test_a_projected_lstm() -> None:
    model = nn.LSTM(8, 16, proj_size=4)
    macs = 5 * 3 * (4 * 16 * (8 + 4) + 16 * 4)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="LSTM with projections is not supported")
        for one in (model, NeedsValues(model)):
            assert total(count(one, torch.zeros(5, 3, 8))) == 2 * macs


@pytest.mark.parametrize("batch_sizes", [(), (3, 2, 1)], ids=["padded", "packed"])
def test_a_recurrent_layer_of_cudnn(batch_sizes: tuple[int, ...]) -> None:
    model = nn.LSTM(8, 16, num_layers=2, bidirectional=True)
    x = torch.zeros(sum(batch_sizes), 8) if batch_sizes else torch.zeros(2, 3, 8)
    macs = 6 * 2 * 4 * 16 * (8 + 16 + 32 + 16)
    weights = [*model.parameters()]
    known = formulas()
    assert known[torch.ops.aten._cudnn_rnn](x, weights, 4, None, out_val=None) == 2 * macs
    assert known[torch.ops.aten._cudnn_rnn_backward](x, weights, 4, None, out_val=None) == 4 * macs


CONVOLUTIONS = {
    "plain": (nn.Conv2d(6, 8, 3), 8 * 6 * 9, 10 * 10),
    "strided": (nn.Conv2d(6, 8, 3, stride=2, padding=1), 8 * 6 * 9, 6 * 6),
    "dilated": (nn.Conv2d(6, 8, 3, dilation=2), 8 * 6 * 9, 8 * 8),
    "grouped": (nn.Conv2d(6, 8, 3, groups=2), 8 * 3 * 9, 10 * 10),
    "depthwise": (nn.Conv2d(6, 6, 3, groups=6), 6 * 9, 10 * 10),
    "transposed": (nn.ConvTranspose2d(6, 8, 3, stride=2), 8 * 6 * 9, 12 * 12),
    "transposed-grouped": (nn.ConvTranspose2d(6, 8, 3, groups=2), 4 * 6 * 9, 12 * 12),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("real", [False, True], ids=["meta", "cpu"])
def test_convolutions(name: str, real: bool) -> None:
    layer, weights, positions = CONVOLUTIONS[name]
    x = torch.zeros(5, 6, 12, 12, requires_grad=True)
    found = count(NeedsValues(layer) if real else layer, (x,), backward=True)
    assert total(found, "forward") == 2 * 5 * weights * positions
    assert total(found, "backward") == 2 * total(found, "forward")


def test_a_conv_net() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip
    macs = [2 * 32 * 32 * 8 * 27, 2 * 16 * 16 * 16 * 72, 2 * 160]
    found = count(model, torch.zeros(2, 3, 32, 32), backward=True)
    assert by_module(found) == dict(zip("049", (2 * n for n in macs), strict=True))
    assert total(found, "backward") == 2 * (2 * sum(macs) - macs[0])
    kinds = {kind for _, kind in found.uncounted}
    assert kinds == {"elementwise", "norm", "pooling", "reduction"}


def test_a_lora_layer() -> None:
    i, o, r, n = 32, 48, 4, 10
    model = nn.Sequential(nn.Linear(i, i), LoRA(nn.Linear(i, o), r))
    found = count(model, torch.zeros(n, i), backward=True)
    first, base, low = n * i * i, n * i * o, n * r * (i + o)
    assert total(found, "forward") == 2 * (first + base + low)
    # the frozen weight has no gradient of its own, and the input of the first layer neither
    assert total(found, "backward") == 2 * (first + base + 2 * low)


def test_grouped_queries() -> None:
    class Grouped(nn.Module):
        def forward(self, q: Any, k: Any, v: Any) -> Any:
            return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    q, kv = torch.zeros(2, 8, 5, 4), torch.zeros(2, 2, 7, 4)
    assert total(count(Grouped(), (q, kv, kv))) == 2 * (2 * 8 * 5 * 7 * (4 + 4))
    attention = formulas()[torch.ops.aten._scaled_dot_product_flash_attention_for_cpu]
    assert attention(q, kv, kv, out_val=None) == 2 * (2 * 8 * 5 * 7 * (4 + 4))


@given(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=2, max_size=5))
@settings(max_examples=25)
def test_any_perceptron(n: int, widths: list[int]) -> None:
    pairs = [*itertools.pairwise(widths)]
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in pairs))
    found = count(model, torch.zeros(n, widths[0]), backward=True)
    macs = [n * a * b for a, b in pairs]
    assert total(found, "forward") == 2 * sum(macs)
    assert total(found, "backward") == 2 * (2 * sum(macs) - macs[0])
    assert sum(by_module(found).values()) == total(found, "forward")


# -- operators that torch has no formula for -------------------------------------------------------


def test_int8_layers() -> None:
    model = int8(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), nn.Linear)
    found = count(model, torch.zeros(2, 5, 8))
    assert by_module(found) == {"0": 2 * 10 * 8 * 16, "2": 2 * 10 * 16 * 4}
    assert found.device == "cpu"
    assert "quantized::linear_dynamic" in found.reason


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_int8_recurrent_layers(kind: type[nn.RNNBase], gates: int) -> None:
    model = int8(nn.Sequential(kind(8, 16, num_layers=2, bidirectional=True)), kind)
    macs = 20 * 2 * gates * 16 * (8 + 16 + 32 + 16)
    assert total(count(model, torch.zeros(4, 5, 8))) == 2 * macs
    packed = nn.utils.rnn.pack_padded_sequence(torch.zeros(10, 3, 8), [10, 6, 4])
    assert total(count(model, (packed,))) == 2 * macs


def test_products_without_a_layer() -> None:
    class Products(nn.Module):
        def forward(self, a: Any, b: Any, i: Any, v: Any) -> Any:
            return (
                torch._int_mm(i, i.t()),
                a[0] @ v,
                torch.dot(v, v),
                torch.addmv(v[:3], a[0], v),
                torch.addbmm(a[0] @ b[0], a, b),
                torch.einsum("bij,bjk->bik", a, b),
            )

    a, b, v = torch.zeros(2, 3, 8), torch.zeros(2, 8, 3), torch.zeros(8)
    i = torch.zeros(32, 16, dtype=torch.int8)
    # the products in order: int8, vector, dot, addmv, the added one, addbmm, einsum
    macs = [32 * 32 * 16, 3 * 8, 8, 3 * 8, 3 * 8 * 3, 2 * 3 * 8 * 3, 2 * 3 * 8 * 3]
    found = count(Products(), (a, b, i, v))
    assert total(found) == 2 * sum(macs)
    assert {kind for _, kind in found.uncounted} <= {"elementwise"}


@pytest.mark.parametrize(
    ("a", "b", "macs"),
    [
        ((12, 8), (3, 8, 5), 12 * 8 * 5),  # rows in groups
        ((12, 8), (8, 5), 12 * 8 * 5),  # sums in groups
        ((3, 4, 8), (8, 5), 4 * 8 * 5),  # columns in groups
        ((3, 4, 8), (3, 8, 5), 3 * 4 * 8 * 5),
    ],
)
def test_grouped_products(a: tuple[int, ...], b: tuple[int, ...], macs: int) -> None:
    formula = formulas().get(torch.ops.aten._grouped_mm)
    if formula is None:
        pytest.skip("this torch has no grouped products")
    assert formula(torch.zeros(a), torch.zeros(b), out_val=None) == 2 * macs


@pytest.mark.parametrize("nested", [False, True], ids=["padded", "nested"])
def test_the_fused_encoder_layer(nested: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=nested).eval()
    lengths = (5, 3) if nested else (5, 5)
    ignored = torch.arange(5) >= torch.tensor(lengths)[:, None]

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Any) -> Any:
            if nested:
                return self.inner(x, src_key_padding_mask=ignored)
            return NeedsValues(self.inner)(x)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The PyTorch API of nested tensors")
        found = count(Masked(), torch.ones(2, 5, 8))
    assert found.device == "cpu"
    macs = sum(2 * (n * (4 * 64 + 2 * 128) + 2 * n * n * 8) for n in lengths)
    assert total(found) == 2 * macs
    if not nested:
        assert total(count(model, torch.ones(2, 5, 8))) == 2 * macs


def test_what_has_no_formula_is_listed() -> None:
    class Spectral(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.fft.rfft(x).abs().softmax(-1).view(-1)

    found = count(Spectral(), torch.zeros(4, 8))
    assert found.flops == {}
    assert found.uncounted == {
        ("aten._fft_r2c", "unknown"): 1,
        ("aten.abs", "elementwise"): 1,
        ("aten._softmax", "softmax"): 1,
    }


def test_a_formula_that_fails_leaves_the_pass_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> int:
        raise RuntimeError("of another shape")

    import assay.ops.flops as module

    monkeypatch.setattr(module, "formulas", lambda: {torch.ops.aten.mm: broken})
    found = count(nn.Linear(3, 4, bias=False), torch.zeros(2, 3))
    assert found.flops == {}
    assert found.uncounted == {("aten.mm", "unknown"): 1}


def test_kinds_of_operators() -> None:
    aten = torch.ops.aten
    kinds = {
        "copies": [
            aten.view,
            aten.t,
            aten.slice,
            aten.split,
            aten.transpose_,
            aten.clone,
            aten.cat,
        ],
        "elementwise": [
            aten.relu_,
            aten.mul,
            aten.rsub,
            aten.silu_backward,
            aten.native_dropout,
            aten.floor_divide,
            aten.__and__,
        ],
        "pooling": [aten.upsample_linear1d_backward, aten.grid_sampler_2d, aten.avg_pool2d],
        "reduction": [aten.mse_loss, aten.binary_cross_entropy_with_logits, aten.median],
        "unknown": [aten._cdist_forward, aten._trilinear, aten.linalg_inv_ex, aten._fft_c2c],
    }
    for kind, operators in kinds.items():
        assert {str(one): kind_of(one) for one in operators} == {str(o): kind for o in operators}


@pytest.mark.parametrize(
    "layer",
    [
        nn.ReLU6(), nn.Hardswish(), nn.Hardsigmoid(), nn.ELU(), nn.SELU(), nn.LeakyReLU(),
        nn.PReLU(), nn.RReLU(), nn.Mish(), nn.Softplus(), nn.Softshrink(), nn.LogSigmoid(),
        nn.GLU(), nn.GELU("tanh"), nn.Softmax(-1), nn.AlphaDropout(), nn.InstanceNorm1d(4),
        nn.GroupNorm(2, 4), nn.RMSNorm(8), nn.MaxPool1d(2), nn.AdaptiveAvgPool1d(3),
        nn.Upsample(scale_factor=2, mode="linear"), nn.ReflectionPad1d(1), nn.ReplicationPad1d(1),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_layers_without_products_are_not_suspected(layer: nn.Module) -> None:
    found = count(layer, torch.zeros(2, 4, 8, requires_grad=True), backward=True)
    assert {kind for _, kind in found.uncounted} <= {
        "elementwise", "norm", "softmax", "pooling", "reduction",
    }  # fmt: skip


# -- against others --------------------------------------------------------------------------------


def test_torch_agrees_where_its_kernels_are_plain() -> None:
    model, x = ViT(), torch.zeros(2, 3, 64, 64)
    with (
        nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model(x).sum().backward()
    assert total(count(model, x, backward=True)) == counter.get_total_flops()


def test_torch_misses_attention_on_a_cpu() -> None:
    model, x = Attention(8, 2), torch.zeros(2, 5, 8)
    with FlopCounterMode(display=False) as counter:
        model(x)
    assert total(count(model, x)) - counter.get_total_flops() == 2 * (2 * 2 * 5 * 5 * 8)


def test_where_thop_agrees_and_where_it_misses() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="distutils Version classes")
        thop = pytest.importorskip("thop")

    def macs(model: nn.Module, x: Any) -> int:
        return int(thop.profile(copy.deepcopy(model), inputs=(x,), verbose=False)[0])

    agreed = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.Flatten(), nn.Linear(8 * 36, 5))
    x = torch.zeros(2, 3, 8, 8)
    assert 2 * macs(agreed, x) == total(count(agreed, x))
    for manual in (False, True):  # it hooks modules, and a product of two tensors is in none
        model, x = Attention(8, 2, manual=manual), torch.zeros(2, 5, 8)
        assert total(count(model, x)) - 2 * macs(model, x) == 2 * (2 * 2 * 5 * 5 * 8)
