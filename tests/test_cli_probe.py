"""`assay probe`: a user's own model is measured, and complaints help."""

import json
import sys

import pytest

from cli_kit import assay

MODELS = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))

class Pair(nn.Module):
    def forward(self, a, b):
        return a @ b

def pair():
    return Pair()

def example(n):
    return torch.ones(n, 8)

def two(n):
    return torch.ones(n, 4), torch.ones(4, 4)

def named(n):
    return {"a": torch.ones(n, 4), "b": torch.ones(4, 4)}

def step(model, x):
    assert model.training
    model(x).sum().backward()

def narrow(n):
    return torch.ones(n, 7)

def talking():
    print("loading weights")
    return build()

def failing(n):
    raise ValueError("no data")

constant = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="the models are torch's")
    (tmp_path / "probed.py").write_text(MODELS)
    (tmp_path / "broken.py").write_text("import nothing_there\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("probed", None)


QUICK = ("--max-time", "0.2", "--precision", "0.5")


def test_a_model_is_weighed_counted_and_timed(folder):
    args = ("--input", "probed:example", "--train-step", "probed:step", "--batch-sizes", "1,4")
    out = assay("probe", "probed:build", *args, *QUICK, "--json")
    assert out.code == 0, out.err
    found = json.loads(out.out)
    scores = {(s["name"], *sorted(s["tags"].items())): s["value"] for s in found["scores"]}
    assert scores["params",] == 8 * 16 + 16 + 16 * 2 + 2
    assert scores["flops",] == 2 * (8 * 16 + 16 * 2)
    for phase, memory in (("inference", "inference_vram_gb"), ("train", "peak_train_vram_gb")):
        tags = (("batch", "4"), ("device", "cpu"))
        assert scores["latency_ms/p50", *tags, ("phase", phase)] > 0
        assert scores[memory, *tags, ("memory", "rss"), ("phase", phase)] > 0.01
    assert any(note.startswith("FLOPs leave out elementwise") for note in found["notes"])
    table = assay("probe", "probed:build", *args, *QUICK)
    assert [line.split()[:3] for line in table.out.splitlines() if "p50" in line] == [
        ["batch", "p50", "ms"]
    ] * 2
    assert table.err == ""


def test_what_the_model_prints_is_not_in_the_result(folder):
    out = assay("probe", "probed:talking", "--input", "probed:example", *QUICK, "--json")
    assert json.loads(out.out)["scores"]
    assert out.err == "loading weights\n"


@pytest.mark.parametrize("example", ["two", "named"])
def test_an_input_may_be_several_arguments(folder, example):
    out = assay("probe", "probed:pair", "--input", f"probed:{example}", *QUICK, "--json")
    assert out.code == 0, out.err
    scores = {s["name"]: s["value"] for s in json.loads(out.out)["scores"] if not s["tags"]}
    assert scores["macs"] == 16


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("probed", "--input", "probed:example"), "MODULE:FACTORY must be module:name, as in"),
        (("nowhere:x", "--input", "probed:example"), "there is no module 'nowhere' in "),
        (("probed:absent", "--input", "probed:example"), "probed has no 'absent'"),
        (("broken:x", "--input", "probed:example"), "importing broken raised ModuleNotFoundError"),
        (("probed:build", "--input", "probed:constant"), "must be a function of the batch size"),
        (("probed:build", "--input", "probed:narrow"), "mat1 and mat2 shapes cannot be"),
        (("probed:build", "--input", "probed:failing"), "probed:failing(1) raised ValueError: no"),
        (("probed:build", "--input", "probed:example", "--batch-sizes", "1,1"), "each once"),
        (("probed:build", "--input", "probed:example", "--max-time", "0"), "max_time_s must be"),
        (("probed:build", "--input", "probed:example", "--batch-sizes", "1,01"), "--batch-sizes"),
        (("probed:build", "--input", "probed:build"), "takes 0 positional arguments but 1 was"),
        (("probed:build", "--input", "probed:example", "--device", "cudda"), "--device: 'cudda'"),
    ],
)
def test_what_is_wrong_is_named_on_one_line(folder, args, message):
    out = assay("probe", *QUICK, *args)
    assert out.code == 2
    assert message in out.err
    assert out.err.count("\n") == 1
    assert out.out == ""
