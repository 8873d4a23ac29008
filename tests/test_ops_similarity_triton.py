"""Kernels and launchers of rank counting and top-K for tensors.

Without a GPU the kernels run in Triton's interpreter, in a process of its own, and are compiled
ahead of time for every target. The interpreter's product of bfloat16 is wrong (it takes the bits
as integers), so kernels upcast there: rounding inside tensor cores is tested on a GPU alone.
"""

# ruff: noqa: E402 -- bench/ is a folder of scripts, found once it is on the path

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

import compile_report

import similarity_worker as worker
from assay.core.errors import AssayError, InputError
from assay.ops import _similarity_torch as ops
from assay.ops import _similarity_torch_count as counting

ROOT = Path(__file__).parents[1]


def run_worker(backend: str, **variables: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "similarity_worker.py"), backend],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    assert found.keys() == {*worker.INPUTS, *worker.EXTRA}
    return found


@pytest.mark.slow
def test_kernels_in_the_interpreter_equal_the_definition() -> None:
    wrong = {
        case: what for case, what in run_worker("triton", TRITON_INTERPRET="1").items() if what
    }
    assert not wrong


def test_plain_torch_equals_the_definition() -> None:
    wrong = {case: what for case, what in run_worker("torch").items() if what}
    assert not wrong


def compiled(wanted: list[compile_report.Job]) -> list[compile_report.Row]:
    rows = compile_report.report(wanted)
    for row in rows:
        name = " ".join(str(row[column]) for column in compile_report.COLUMNS[:4])
        assert row["spills"] == 0, f"{name} spills {row['spills']}"
        assert row["blocks"] >= 1, f"{name} does not fit on a multiprocessor"
        if row["kernel"].startswith("canonical"):
            assert row["fused"] == 0, f"{name} contracts products and sums"
            assert row["blocks"] >= 8, name
        else:
            assert row["tensor_count"] > 0, f"{name} has no tensor-core instruction"
    return rows


def test_kernels_compile_without_spilling() -> None:
    rows = compiled(list(compile_report.jobs(["sm_90", "gfx942"], quick=True)))
    by_name = {(r["kernel"], r["layout"], r["dtype"], r["target"]): r for r in rows}
    wide = by_name["count reverse=False", "wide", "bfloat16", "sm_90"]
    assert wide["tensor"] == "wgmma.mma_async"
    assert by_name["bucket bucket=32", "wide", "int8", "gfx942"]["tensor"] == "v_mfma"


@pytest.mark.slow
def test_every_launch_compiles_without_spilling() -> None:
    rows = compiled(list(compile_report.jobs()))
    instructions = {row["target"]: set() for row in rows}
    for row in rows:
        instructions[row["target"]].add(row["tensor"])
    assert "mma.sync" in instructions["sm_80"]
    assert "wgmma.mma_async" in instructions["sm_90"]
    assert "tcgen05.mma" in instructions["sm_100"]
    assert "v_mfma" in instructions["gfx942"]


def test_report_in_git_is_of_these_launches() -> None:
    with compile_report.RESULTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(r["kernel"], r["layout"], r["dtype"], r["target"]) for r in rows} == {
        (job.name, *job[1:4]) for job in compile_report.jobs()
    }
    assert {row["spills"] for row in rows} == {"0"}


def test_a_broken_bound_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    q, g = torch.ones(1, 64), torch.ones(200, 64)
    g += torch.arange(200)[:, None] * 1e-3
    relevant = (torch.tensor([0, 1]), torch.tensor([100]))
    ops.topk_device(q, g, 3, verify=1)
    counting.count_device(q, g, *relevant, verify=1)

    def broken(query, gallery, *arguments):
        return -product(query, gallery, *arguments)

    product = ops.product
    monkeypatch.setattr(ops, "product", broken)
    monkeypatch.setattr(counting, "product", broken)
    with pytest.raises(AssayError, match=r"topk: row 0 differs .* on cpu .*float32"):
        ops.topk_device(q, g, 3, verify=1)
    with pytest.raises(AssayError, match=r"count_ranks: row 0 differs .* on cpu"):
        counting.count_device(q, g, *relevant, verify=1)


def test_errors_name_the_argument_and_the_fix() -> None:
    q, g = torch.ones(2, 4), torch.ones(3, 4)
    relevant = (torch.tensor([0, 1, 2]), torch.tensor([0, 3]))
    for k in (0, 4):
        with pytest.raises(InputError, match=rf"topk: k must be in 1..g, got k={k} with g=3"):
            ops.topk_device(q, g, k)
    with pytest.raises(InputError, match="metric must be one of dot, cosine, l2, got 'dots'"):
        ops.topk_device(q, g, 1, "dots")
    with pytest.raises(InputError, match="query and gallery must have one width, got 4 and 5"):
        ops.topk_device(q, torch.ones(3, 5), 1)
    with pytest.raises(InputError, match=r"one dtype and device, got torch\.float32 on cpu"):
        ops.topk_device(q, g.half(), 1)
    with pytest.raises(InputError, match=r"query must be one of float32, .* got torch.int64"):
        ops.topk_device(q.long(), g.long(), 1)
    with pytest.raises(InputError, match=r"gallery must be \[rows, width >= 1\], got shape \[4\]"):
        ops.topk_device(q, g[0], 1)
    with pytest.raises(InputError, match="backend='triton': Triton needs a GPU tensor"):
        ops.topk_device(q, g, 1, backend="triton")
    with pytest.raises(InputError, match="backend must be triton or torch for tensors, got 'cpu'"):
        ops.topk_device(q, g, 1, backend="cpu")
    with pytest.raises(InputError, match=r"relevant index must be in 0..2, got 3 at position 1"):
        counting.count_device(q, g, *relevant)
    g[1, 2] = torch.nan
    with pytest.raises(InputError, match="rows of gallery must be finite, row 1 breaks this"):
        ops.topk_device(q, g, 1)
    g[1] = 0
    with pytest.raises(InputError, match="rows of gallery must not be zero under cosine, row 1"):
        ops.topk_device(q, g, 1, "cosine")


def test_nothing_to_count() -> None:
    q, g = torch.ones(2, 4), torch.ones(3, 4)
    none = torch.zeros(0, dtype=torch.int64)
    empty = counting.count_device(q, g, torch.zeros(3, dtype=torch.int64), none, reverse=True)
    assert [len(part) for part in (empty.targets, *empty.forward, *empty.backward)] == [0] * 7
    scores, index = ops.topk_device(q[:0], g, 2)
    assert scores.shape == index.shape == (0, 2)
    counts = counting.count_device(
        q, g[:0], torch.tensor([0, 1, 2]), torch.tensor([5, 6]), torch.zeros(2).double()
    )
    assert counts.forward.above.tolist() == [0, 0]


@pytest.mark.usefixtures("needs_cuda")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int8"])
@pytest.mark.parametrize("metric", ["dot", "cosine", "l2"])
@pytest.mark.parametrize("shape", [(700, 3000, 384), (300, 2100, 100), (5, 5000, 64)])
def test_a_gpu_gives_the_same_bits(dtype: str, metric: str, shape: tuple[int, int, int]) -> None:
    n_q, n_g, d = shape
    torch.manual_seed(0)
    q, g = (torch.randn(n, d) * 20 for n in (n_q, n_g))
    g[1000:1100] = g[:100]
    q, g = (x.clamp(-127, 127).round().to(torch.int8) if dtype == "int8" else
            x.to(getattr(torch, dtype)) for x in (q, g))  # fmt: skip
    relevant = (torch.arange(n_q + 1) * 3, torch.randint(n_g, (3 * n_q,)))
    for backend in ("triton", "torch"):
        for k in (1, 10, 500):
            here = ops.topk_device(q, g, k, metric)
            there = ops.topk_device(q.cuda(), g.cuda(), k, metric, backend=backend, verify=3)
            for a, b in zip(here, there, strict=True):
                assert torch.equal(a, b.cpu())
        for reverse in (False, True):
            ours = counting.count_device(q, g, *relevant, None, metric, reverse=reverse)
            theirs = counting.count_device(
                q.cuda(), g.cuda(), *(x.cuda() for x in relevant), None, metric,
                reverse=reverse, backend=backend, verify=3,
            )  # fmt: skip
            assert torch.equal(ours.targets, theirs.targets.cpu())
            sides = [(ours.forward, theirs.forward)]
            sides += [(ours.backward, theirs.backward)] if reverse else []
            for side in sides:
                for a, b in zip(*side, strict=True):
                    assert torch.equal(a, b.cpu())
