"""The digits of a ranking whatever computes it: blocks, backends, processors; verify; memory."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.ops import _similarity_scan as scan
from assay.ops._similarity_ranks import ranks
from assay.ops.similarity import METRICS, VerifyError, rank_pairs, topk
from similarity_kit import an_ulp_apart, gaussian, pairs_of, ternary

pytestmark = pytest.mark.usefixtures("several_blocks")


def digits(found: Any) -> Any:
    """All there is in results, to the last bit."""
    if isinstance(found, tuple):
        return [digits(one) for one in found]
    return None if found is None else np.asarray(found).tobytes()


@pytest.mark.parametrize("rows", [32, 64, 4096])
def test_sizes_of_blocks_and_batches_change_nothing(rows: int, monkeypatch: Any) -> None:
    rng = np.random.default_rng(3)
    x, y = ternary(rng, (50, 9)), ternary(rng, (400, 9))
    relevant = pairs_of(rng, 50, 400, 9)
    one = topk(x, y, 9), rank_pairs(x, y, relevant, reverse=True)
    monkeypatch.setattr(scan, "MOST_ROWS", rows)
    monkeypatch.setattr(scan, "BATCH_BYTES", 1)
    monkeypatch.setattr("assay.ops._similarity_ranks.BATCH", 13)
    two = topk(x, y, 9), rank_pairs(x, y, relevant, reverse=True)
    assert digits(one) == digits(two)


def test_the_slow_twin_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    x, y = ternary(rng, (9, 5)), ternary(rng, (30, 5))
    relevant = pairs_of(rng, 9, 30, 4)
    groups = rng.integers(0, 3, 9), rng.integers(0, 3, 30)

    def everything() -> Any:
        return [
            digits(found)
            for m in METRICS
            for found in (
                topk(x, y, 7, metric=m),
                rank_pairs(x, y, relevant, metric=m, groups=groups, reverse=True),
            )
        ]

    compiled = everything()
    monkeypatch.setenv("ASSAY_BACKEND", "reference")
    assert everything() == compiled


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("make", [gaussian, ternary, an_ulp_apart])
def test_what_ranks_on_a_gpu_agrees(
    make: Any, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launchers for CUDA tensors, given CPU tensors: plain torch runs there."""
    rng = np.random.default_rng(9)
    x, y = (torch.from_numpy(make(rng, (n, 9)).astype(np.float32)) for n in (20, 70))
    relevant, exclude = pairs_of(rng, 20, 70, 6), pairs_of(rng, 20, 70, 2)
    groups = rng.integers(0, 5, 20), rng.integers(0, 9, 70)

    def everything() -> tuple[Any, Any, Any]:
        whole = rank_pairs(x, y, relevant, metric=metric, exclude=exclude, reverse=True)
        part = rank_pairs(
            x, y[30:], relevant, metric=metric, first=30, scores=whole.scores, verify=9,
            groups=(groups[0], groups[1][30:]), reverse=True,
        )  # fmt: skip
        return topk(x, y, 9, metric=metric, verify=3), whole, part

    plain = everything()
    monkeypatch.setattr("assay.ops.similarity._on_device", lambda *_: True)
    assert digits(everything()) == digits(plain)
    monkeypatch.setenv("ASSAY_BACKEND", "numba")
    with pytest.raises(
        InputError, match="ASSAY_BACKEND must be one of triton, torch on a GPU, got"
    ):
        topk(x, y, 9)


def test_matmul_precision_of_torch_changes_no_rank() -> None:
    rng = np.random.default_rng(8)
    x, y = (torch.from_numpy(rng.standard_normal((n, 64), dtype=np.float32)) for n in (40, 600))
    before = torch.get_float32_matmul_precision()
    results = []
    try:
        for precision in ("highest", "medium"):
            torch.set_float32_matmul_precision(precision)
            results.append(topk(x, y, 20))
    finally:
        torch.set_float32_matmul_precision(before)
    assert digits(results[0]) == digits(results[1])


# -- verify ----------------------------------------------------------------------------------------


def test_verify_ranks_some_queries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).standard_normal((20, 5))
    assert topk(x, x, 3, verify=5).index[:, 0].tolist() == list(range(20))
    monkeypatch.setattr("assay.ops.similarity.choose", lambda *_, **__: wrong)

    def wrong(*arguments: Any) -> Any:
        keys, index = scan.topk(*arguments)
        return keys, index[:, ::-1]

    with pytest.raises(VerifyError, match=r"topk: rows of query \d+ differ from the canonical"):
        topk(x, x, 3, verify=5)


def test_verify_counts_some_queries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).standard_normal((20, 5))
    relevant = Ragged.from_lengths(np.arange(20), np.ones(20, int))
    groups = np.arange(20), np.arange(1, 21)
    assert rank_pairs(x, x, relevant, groups=groups, verify=5).above.tolist() == [0] * 20

    def wrong(*arguments: Any) -> Any:
        forth, back = ranks(*arguments)
        return forth + 1, back

    monkeypatch.setattr("assay.ops.similarity.choose", lambda op: wrong)
    with pytest.raises(VerifyError, match=r"count_ranks: ranks of query \d+ differ from the canon"):
        rank_pairs(x, x, relevant, verify=5)


# -- memory and other registers --------------------------------------------------------------------

MEMORY = """
import resource
import numpy as np
from assay.core.ragged import Ragged
from assay.ops.similarity import rank_pairs, topk

rng = np.random.default_rng(0)
n = 200_000
x = rng.standard_normal((n, 64), dtype=np.float32)
y = x + rng.standard_normal((n, 64), dtype=np.float32) * np.float32(0.2)
one = Ragged.from_lengths(np.arange(n), np.ones(n, np.int64))
rank_pairs(x[:50], y[:500], one.rows(0, 50), reverse=True), topk(x[:50], y[:500], 10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
counts = rank_pairs(x, y, one, reverse=True)
found = topk(x[:20_000], y, 10)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
inside = (found.index == np.arange(20_000)[:, None]).any(axis=1)
assert (inside == (counts.above + counts.equal_before < 10)[:20_000]).all()
"""


@pytest.mark.slow
def test_memory_stays_small() -> None:
    """200,000 rows a side: their matrix would have 160 GB."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        check=True, capture_output=True, text=True, timeout=600,
        env={k: v for k, v in os.environ.items() if k != "ASSAY_THREADS"},
    )  # fmt: skip
    assert int(done.stdout) / 1024 < 300


OTHER = """
import sys
sys.path.insert(0, sys.argv[1])
from assay.ops import _similarity_simd as simd
import test_ops_similarity as tests

assert (simd.LANES, simd.INT8) == (8, False)
assert "int8" not in tests.WAYS
for make in tests.MAKERS:
    for metric in tests.METRICS:
        tests.test_the_k_best(make, metric)
        tests.test_ranks_of_pairs(make, metric, 14)
print("all the same")
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="names a processor of x86-64")
def test_a_processor_with_narrower_registers(tmp_path: Path) -> None:
    """Eight floats a register, no products of integers: the same digits."""
    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(Path(__file__).parent)],
        check=False, capture_output=True, text=True, timeout=600,
        env={
            **os.environ, "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma,+avx",
            "NUMBA_CACHE_DIR": str(tmp_path),
        },
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "all the same\n"), done.stderr
