"""FLOPs and footprints as states and scores; two models side by side."""

import math
import warnings
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import assay
from assay import FlopCounts, Footprint, FootprintComparison, State
from assay.core.errors import InputError, MergeError
from models import GPT, LoRA, NeedsValues, ViT, int8


def again(state: State) -> State:
    return State.from_bytes(state.to_bytes())


def values(state: State) -> list[tuple[str, str]]:
    return [(score.key(), repr(score.value)) for score in state.scores()]


# -- FLOPs -----------------------------------------------------------------------------------------


def test_flops_as_typed() -> None:
    f = assay.flops(ViT(), torch.zeros(1, 3, 224, 224))
    assert f["macs"] == 24_184_832
    assert f["flops"] == 2 * f["macs"] == f.flops
    assert f.uncounted["aten.native_layer_norm"] == 2
    assert f.unknown == {}
    assert sum(f.operators.values()) == f.flops
    assert [*f.operators.values()] == sorted(f.operators.values(), reverse=True)
    assert (f.passes, f.ran) == (1, {("meta", ""): 1})
    (score, _) = f.scores()
    assert (score.name, score.unit, score.better, score.n) == ("flops", "FLOP", "lower", 1)
    assert score.signature == "flops|mac:2|of:products|pass:forward|on:meta"


def test_both_phases() -> None:
    f = assay.flops(nn.Linear(3, 5), torch.zeros(2, 3), backward=True)
    assert f.as_dict() == {"flops": 120, "macs": 60, "forward_flops": 60, "backward_flops": 60}
    assert f.signature == "mac:2|of:products|pass:forward+backward|on:meta"


def test_layers_hold_what_is_inside_them() -> None:
    f = assay.flops(GPT(), {"ids": torch.zeros(2, 7, dtype=torch.long)})
    layers = {layer.module: layer for layer in f.layers}
    assert f.layers[0] == ("", f.flops, f.macs, 1.0)
    inside = [layers[f"block.{name}"].flops for name in ("attention", "mlp")]
    assert layers["block"].flops == sum(inside)
    assert layers["block"].flops + layers["head"].flops == f.flops
    assert layers["block.attention"].flops > layers["block.attention.qkv"].flops
    assert [score.tags["layer"] for score in f.layer_scores()] == [*layers][1:]
    assert pd.DataFrame(f.layers)["flops"].max() == f.flops


def test_layers_stand_in_their_order() -> None:
    f = assay.flops(nn.Sequential(*(nn.Linear(2, 2) for _ in range(12))), torch.zeros(1, 2))
    assert [layer.module for layer in f.layers] == ["", *map(str, range(12))]


def test_passes_add() -> None:
    encoder = assay.flops(ViT(), torch.zeros(1, 3, 64, 64))
    decoder = assay.flops(NeedsValues(nn.LSTM(8, 16)), torch.zeros(5, 2, 8))
    both = encoder + decoder
    assert both.flops == encoder.flops + decoder.flops
    assert both.passes == 2
    assert both.signature.endswith("on:cpu+meta")
    assert both.to_bytes() == (decoder + encoder).to_bytes()
    assert values(again(both)) == values(both)
    assert again(both).layers == both.layers
    assert (FlopCounts.zero() + both).to_bytes() == both.to_bytes()
    assert sum([both, both]).flops == 2 * both.flops
    assert FlopCounts.zero().as_dict() == {"flops": 0, "macs": 0}
    assert FlopCounts.zero().layers == []
    with pytest.raises(MergeError, match=r"FlopCounts: with_backward differs: False and True"):
        encoder + assay.flops(nn.Linear(2, 2), torch.zeros(1, 2), backward=True)


def test_what_may_be_heavy_is_said_aloud() -> None:
    class Spectral(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.fft.rfft(torch.fft.rfft(x).abs())

    with pytest.warns(UserWarning, match=r"not counted .*: aten._fft_r2c \(2 calls\)$") as caught:
        f = assay.flops(Spectral(), torch.zeros(4, 8))
    assert caught[0].filename == __file__
    assert f.unknown == {"aten._fft_r2c": 2}
    assert f.uncounted == {"aten._fft_r2c": 2, "aten.abs": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert assay.flops(nn.Softmax(-1), torch.zeros(4, 8)).uncounted == {"aten._softmax": 1}


def test_flops_shown() -> None:
    f = assay.flops(NeedsValues(nn.Sequential(nn.Linear(3, 5), nn.ReLU())), torch.ones(2, 3))
    frame = f.to_pandas()
    assert dict(zip(frame["name"], frame["value"], strict=True)) == {"flops": 60, "macs": 30}
    html = f._repr_html_()
    for part in ("<td>inner.0</td><td>60</td><td>30</td><td>100.0%</td>", "aten.relu (1)",
                 "ran on: cpu RuntimeError: Tensor.item() cannot be called"):  # fmt: skip
        assert part in html
    assert "none" in FlopCounts.zero()._repr_html_()


def test_bad_input_of_flops() -> None:
    with pytest.raises(InputError, match="flops: backward must be True or False, got 'yes'"):
        assay.flops(nn.Linear(2, 2), torch.zeros(1, 2), backward="yes")
    with pytest.raises(InputError, match=r"flops: model must be a torch.nn.Module"):
        assay.flops(None, torch.zeros(1, 2))


# -- footprints ------------------------------------------------------------------------------------


def test_a_footprint_as_typed() -> None:
    model = nn.Sequential(nn.Linear(100, 50), nn.BatchNorm1d(50))
    m = assay.footprint(model)
    params, buffers = 100 * 50 + 50 + 100, 4 * 100 + 8
    assert m["params"] == m["stored_params"] == m["trainable_params"] == params
    assert (m["param_bytes"], m["buffer_bytes"], m.model_bytes) == (
        4 * params, buffers, 4 * params + buffers,
    )  # fmt: skip
    assert m["model_size_mb"] == (4 * params + buffers) / 2**20
    assert m["size_on_disk_bytes"] > m.model_bytes
    assert m["sparsity"] == 50 / params  # the shift of a norm begins at 0
    assert (m["sparsity_prunable"], m["trainable_share"]) == (0.0, 1.0)
    assert m.bytes_by_dtype == {"float32": 4 * params + 4 * 100, "int64": 8}
    assert m.as_dict("x_")["x_dtype_int64/model_bytes"] == 8
    shares = {s.name: s.n for s in m.scores() if s.unit == "fraction"}
    assert shares == {
        "trainable_share": 1, "sparsity": params, "sparsity_prunable": 5000, "conforming_1_4": 1250,
        "conforming_2_4": 1250, "conforming_4_8": 0,
    }  # fmt: skip


def test_layers_of_a_footprint_add_up() -> None:
    m = assay.footprint(GPT())
    assert sum(layer.params for layer in m.layers) == m["params"]
    assert sum(layer.bytes for layer in m.layers) == m.model_bytes
    assert sum(layer.trainable for layer in m.layers) == m["trainable_params"]
    assert m.layers[0] == ("tokens", "Embedding", 1600, 1600, 6400, 0.0, "")
    assert {score.tags["layer"] for score in m.layer_scores()} == {row.layer for row in m.layers}
    assert len(pd.DataFrame(m.layers)) == len(m.layers)
    assert "<td>tokens</td><td>Embedding</td><td>1,600</td>" in m._repr_html_()


def test_patterns_of_layers() -> None:
    dense, half, ones, fours, eights, odd = (nn.Linear(8, 8, bias=False) for _ in range(6))
    prune.random_unstructured(half, "weight", 0.3)
    with torch.no_grad():
        ones.weight[:, [0, 1, 2, 5, 6, 7]] = 0
        fours.weight[:, ::2] = 0
        eights.weight[:, :4] = 0
        odd.weight = nn.Parameter(torch.zeros(8, 6))
    m = assay.footprint(nn.Sequential(dense, half, ones, fours, eights, odd, nn.LayerNorm(8)))
    assert [layer.pattern for layer in m.layers] == [
        "dense", "unstructured", "1:4", "2:4", "4:8", "unstructured", "",
    ]  # fmt: skip
    assert m["conforming_1_4"] < m["conforming_2_4"]


def test_footprints_are_equal_or_not_of_one_model() -> None:
    torch.manual_seed(0)
    m = assay.footprint(GPT())
    assert values(m + again(m)) == values(m)
    assert (m + Footprint.zero()).to_bytes() == m.to_bytes() == again(m).to_bytes()
    assert again(m).layers == m.layers
    assert Footprint.zero().scores() == []
    with pytest.raises(MergeError, match="Footprint: layer_names differs: "):
        m + assay.footprint(nn.Linear(2, 2))


def test_shares_of_nothing() -> None:
    m = assay.footprint(nn.Sequential())
    assert (m["params"], m["param_bytes"]) == (0, 0)
    assert all(math.isnan(m[name]) for name in ("sparsity", "sparsity_prunable", "trainable_share"))
    bare = assay.footprint(nn.Linear(2, 2).to("meta"))
    assert (bare["params"], bare["param_bytes"]) == (6, 24)
    assert math.isnan(bare["size_on_disk_bytes"])
    assert math.isnan(bare["sparsity"])


def test_the_share_of_adapters() -> None:
    model = LoRA(nn.Linear(64, 64), 2)
    m = assay.footprint(model)
    adapters, total = 2 * 64 * 2, 64 * 64 + 64 + 2 * 64 * 2
    assert (m["trainable_params"], m["params"]) == (adapters, total)
    assert m["trainable_share"] == adapters / total


# -- two models ------------------------------------------------------------------------------------


def pair(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(256, width), nn.ReLU(), nn.Linear(width, 256))


def test_a_student() -> None:
    teacher, student = pair(400), pair(100)
    c = assay.compare_footprint(teacher, student)
    t, s = (sum(p.numel() for p in model.parameters()) for model in (teacher, student))
    assert (c["teacher_params"], c["student_params"]) == (t, s)
    assert c["compression_ratio"] == c["compression_ratio_bytes"] == t / s
    assert c["size_reduction_pct"] == pytest.approx(100 * (t - s) / t, rel=1e-15)
    assert c["original_size_mb"] == 4 * t / 2**20
    signatures = {score.name: score.signature for score in c.scores() if not score.tags}
    assert signatures["compression_ratio"] == "compression_ratio|basis:params"
    assert signatures["size_reduction_pct"] == "size_reduction_pct|basis:bytes"
    assert signatures["compression_ratio_disk"] == "compression_ratio_disk|basis:disk"
    assert c.as_dict()["teacher/params"] == t
    assert (
        c.as_dict()["student/size_on_disk_bytes"] == assay.footprint(student)["size_on_disk_bytes"]
    )


def test_a_quantised_model() -> None:
    original = pair(400)
    c = assay.compare_footprint(original, int8(original, nn.Linear))
    assert c["compression_ratio"] == 1
    assert 3.9 < c["compression_ratio_bytes"] < 4
    assert 74 < c["size_reduction_pct"] < 75
    assert c["quantized_size_mb"] < c["original_size_mb"] / 3.9
    assert 73 < c["disk_reduction_pct"] < 75


def test_a_pruned_model_is_not_smaller() -> None:
    original, pruned = pair(100), pair(100)
    for layer in (pruned[0], pruned[2]):
        prune.l1_unstructured(layer, "weight", 0.5)
    c = assay.compare_footprint(original, pruned)
    assert c["compression_ratio"] == 1
    assert c["size_reduction_pct"] < -95  # the masks
    assert c.as_dict()["student/sparsity_prunable"] == 0.5


def test_of_an_empty_student_and_of_what_is_gone() -> None:
    taken = assay.footprint(pair(100))
    c = assay.compare_footprint(taken, nn.Sequential())
    assert c["compression_ratio"] == math.inf
    assert c["size_reduction_pct"] == 100
    assert math.isnan(
        assay.compare_footprint(nn.Sequential(), nn.Sequential())["compression_ratio"]
    )
    bare = assay.compare_footprint(taken, pair(50).to("meta"))
    assert math.isnan(bare["compression_ratio_disk"])
    assert bare["compression_ratio"] > 1


def test_comparisons_travel() -> None:
    c = assay.compare_footprint(pair(100), pair(50))
    assert values(again(c)) == values(c)
    assert (c + again(c)).to_bytes() == c.to_bytes()
    assert FootprintComparison.zero().scores() == []
    assert set(c.to_pandas()["model"].dropna()) == {"teacher", "student"}
    with pytest.raises(MergeError, match="FootprintComparison: "):
        c + assay.compare_footprint(pair(100), pair(25))


def test_bad_input_names_the_side() -> None:
    with pytest.raises(InputError, match=r"compare_footprint: teacher must be a torch.nn.Module"):
        assay.compare_footprint("bert", pair(1))
    with pytest.raises(InputError, match="compare_footprint: student is the class Linear"):
        assay.compare_footprint(pair(1), nn.Linear)
