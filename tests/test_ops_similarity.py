"""Exact ranking: against plain float64 NumPy, on input made to break bounds and ties."""

import os
import platform
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.ops import _similarity_scan as scan
from assay.ops._similarity_simd import INT8
from assay.ops.similarity import METRICS, VerifyError, rank_pairs, topk

WAYS = ["exact", "float32", *(["int8"] if INT8 else []), None]


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads and blocks, however small the work."""
    monkeypatch.setattr(scan, "SMALL_WORK", 0)
    monkeypatch.setenv("ASSAY_THREADS", "3")


def canonical(x: Any, y: Any, metric: str) -> Any:
    """[q, g] as defined: eight interleaved sums, then a tree. Higher is better."""

    def summed(terms: Any) -> Any:
        short = -terms.shape[-1] % 8
        terms = np.concatenate([terms, np.zeros((*terms.shape[:-1], short))], axis=-1)
        terms = terms.reshape(*terms.shape[:-1], -1, 8)
        s = np.moveaxis(np.add.accumulate(terms, axis=-2)[..., -1, :], -1, 0)
        return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))

    x, y = np.asarray(x, float)[:, None], np.asarray(y, float)[None]
    if metric == "l2":
        return -summed((x - y) ** 2)
    found = summed(x * y)
    return (
        found / (np.sqrt(summed(x * x)) * np.sqrt(summed(y * y))) if metric == "cosine" else found
    )


def gaussian(rng: Any, shape: Any) -> Any:
    return rng.standard_normal(shape)


def ternary(rng: Any, shape: Any) -> Any:
    """Few values: most scores are tied."""
    rows = rng.integers(-1, 2, shape).astype(float)
    rows[:, 0] += 3
    return rows


def constant(rng: Any, shape: Any) -> Any:
    return np.ones(shape)


def of_all_sizes(rng: Any, shape: Any) -> Any:
    """Norms from 1e-30 to 1e30: products that float32 cannot hold."""
    return rng.standard_normal(shape) * 10.0 ** rng.integers(-30, 31, (shape[0], 1))


def an_ulp_apart(rng: Any, shape: Any) -> Any:
    base = np.random.default_rng(7).standard_normal(shape[1]).astype(np.float32)
    rows = np.repeat(base[None], shape[0], axis=0)
    places = rng.integers(0, shape[1], shape[0])
    rows[np.arange(shape[0]), places] = np.nextafter(base[places], np.float32(9))
    return rows


def outliers(rng: Any, shape: Any) -> Any:
    """One large number a row: integers of eight bits see nothing else."""
    rows = rng.standard_normal(shape)
    rows[:, rng.integers(0, shape[1])] *= 1e4
    return rows


MAKERS = [gaussian, ternary, constant, of_all_sizes, an_ulp_apart, outliers]
SHAPES = [(1, 1, 1), (5, 40, 3), (30, 300, 17), (13, 500, 64)]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("metric", METRICS)
def test_the_k_best(make: Any, metric: str) -> None:
    for (q, g, d), kind in product(SHAPES, (np.float32, np.float64)):
        rng = np.random.default_rng(q)
        x, y = make(rng, (q, d)).astype(kind), make(rng, (g, d)).astype(kind)
        keys = canonical(x, y, metric)
        order = np.argsort(-keys, axis=1, kind="stable")
        for k, way in product({1, min(g, 7), g}, WAYS):
            found = topk(x, y, k, metric=metric, precision=way)
            assert found.index.tolist() == order[:, :k].tolist(), (k, way, kind)
            scores = np.take_along_axis(keys, order[:, :k], 1)
            assert found.scores.tobytes() == (0 - scores if metric == "l2" else scores).tobytes()


@pytest.mark.parametrize("way", WAYS)
def test_sums_that_float32_orders_otherwise(way: str | None) -> None:
    rng = np.random.default_rng(11)
    x = np.repeat(rng.random((1, 8192), np.float32), 5, axis=0)
    y = rng.random((300, 8192), np.float32)
    y[:, -1] += (y[0] @ x[0] - y.astype(float) @ x[0]) / x[0, -1]  # all as near as can be
    order = np.argsort(-canonical(x[:1], y, "dot")[0], kind="stable")
    assert (np.argsort(-(x[0] @ y.T), kind="stable") != order).any()
    for k in (5, 20, 100):
        found = topk(x, y, k, metric="dot", precision=way).index
        assert found.tolist() == [order[:k].tolist()] * 5


@pytest.mark.parametrize("way", WAYS)
def test_distances_from_nothing(way: str | None) -> None:
    """The product is 0 for all; what orders them is the norm, which float32 rounds."""
    rng = np.random.default_rng(12)
    y = an_ulp_apart(rng, (200, 9)) * 1000
    x = np.zeros((30, 9))
    order = np.argsort(-canonical(x, y, "l2"), axis=1, kind="stable")
    assert topk(x, y, 50, metric="l2", precision=way).index.tolist() == order[:, :50].tolist()


def pairs_of(rng: Any, q: int, g: int, most: int) -> Ragged:
    counts = rng.integers(0, min(g, most) + 1, q)
    rows = [rng.choice(g, count, replace=False) for count in counts]
    return Ragged.from_lengths(np.concatenate([*rows, np.zeros(0, int)]).astype(np.int64), counts)


def plain_counts(keys: Any, counted: Any, i: int, j: int) -> tuple[list[int], list[int]]:
    """Of pair (i, j): better, equal before, equal behind, of other rows and of other queries."""
    both = []
    for line, ok, own in ((keys[i], counted[i], j), (keys[:, j], counted[:, j], i)):
        place = np.arange(len(line))
        ok, same = ok & (place != own), line == keys[i, j]
        both.append(
            [
                int((ok & (line > keys[i, j])).sum()),
                int((ok & same & (place < own)).sum()),
                int((ok & same & (place > own)).sum()),
            ]
        )
    return both[0], both[1]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("most", [2, 14], ids=["few-relevant", "many-relevant"])
def test_ranks_of_pairs(make: Any, metric: str, most: int) -> None:
    for (q, g, d), kind in product(SHAPES, (np.float32, np.float64)):
        rng = np.random.default_rng(q + most)
        x, y = make(rng, (q, d)).astype(kind), make(rng, (g, d)).astype(kind)
        keys, relevant = canonical(x, y, metric), pairs_of(rng, q, g, most)
        rows = np.repeat(np.arange(q), relevant.lengths)
        groups = rng.integers(0, 9, q), rng.integers(0, 9, g)
        exclude = pairs_of(rng, q, g, 3)
        for limits, way in product(({}, {"groups": groups, "exclude": exclude}), WAYS):
            counted = np.ones((q, g), bool)
            if limits:
                counted = groups[0][:, None] != groups[1]
                for i in range(q):
                    counted[i, exclude[i]] = False
                # what is relevant is ranked among itself, wherever else it stands
                counted[rows, relevant.values] = True
            found = rank_pairs(x, y, relevant, metric=metric, precision=way, reverse=True, **limits)
            scores = keys[rows, relevant.values]
            assert found.scores.tobytes() == (0 - scores if metric == "l2" else scores).tobytes()
            assert found.reverse is not None
            for p, (i, j) in enumerate(zip(rows, relevant.values, strict=True)):
                for side, want in zip(
                    (found, found.reverse), plain_counts(keys, counted, i, j), strict=True
                ):
                    assert [int(side[c][p]) for c in range(3)] == want, (p, way, kind)


@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 60), max_size=4))
@settings(deadline=None, max_examples=60)
def test_a_gallery_in_parts_changes_nothing(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    q, g, d = int(rng.integers(1, 20)), 60, int(rng.integers(1, 20))
    make = MAKERS[seed % len(MAKERS)]
    x, y = make(rng, (q, d)).astype(np.float32), make(rng, (g, d)).astype(np.float32)
    relevant = pairs_of(rng, q, g, 5)
    metric = METRICS[seed % 3]
    whole = rank_pairs(x, y, relevant, metric=metric)
    ends = sorted({0, *cuts, g})
    total = np.zeros((3, len(relevant.values)), np.int64)
    for begin, end in pairwise(ends):
        part = rank_pairs(
            x, y[begin:end], relevant, metric=metric, first=begin, scores=whole.scores
        )
        total += np.stack(part[:3])
    assert total.tolist() == np.stack(whole[:3]).tolist()


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
    for a, b in zip(one, two, strict=True):
        assert repr(a) == repr(b)


def test_the_slow_twin_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    x, y = ternary(rng, (9, 5)), ternary(rng, (30, 5))
    relevant = pairs_of(rng, 9, 30, 4)
    groups = rng.integers(0, 3, 9), rng.integers(0, 3, 30)

    def everything() -> str:
        return repr(
            [
                (
                    topk(x, y, 7, metric=m),
                    rank_pairs(x, y, relevant, metric=m, groups=groups, reverse=True),
                )
                for m in METRICS
            ]
        )

    compiled = everything()
    monkeypatch.setenv("ASSAY_BACKEND", "reference")
    assert everything() == compiled


# -- kinds of input --------------------------------------------------------------------------------

ROWS = np.random.default_rng(5).standard_normal((40, 6)).astype(np.float16)
FOUND = topk(ROWS.astype(np.float32)[:9], ROWS.astype(np.float32), 5)


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: rows,
        lambda rows: rows.astype(np.float64),
        lambda rows: np.asfortranarray(rows.astype(np.float32)),
        lambda rows: rows.tolist(),
        lambda rows: pa.FixedSizeListArray.from_arrays(pa.array(rows.astype("f4").ravel()), 6),
        lambda rows: pa.chunked_array(
            [
                pa.FixedSizeListArray.from_arrays(pa.array(part.astype("f4").ravel()), 6)
                for part in (rows[:4], rows[4:5], rows[5:])
            ]
        ),
    ],
    ids=["float16", "float64", "fortran", "lists", "arrow", "arrow-chunks"],
)
def test_kinds_of_vectors(make: Any) -> None:
    found = topk(make(ROWS[:9]), make(ROWS), 5)
    assert found.index.tolist() == FOUND.index.tolist()
    assert found.scores.tobytes() == FOUND.scores.tobytes()
    relevant = Ragged.from_lengths(np.arange(9), np.ones(9, int))
    assert rank_pairs(make(ROWS[:9]), make(ROWS), relevant).above.tolist() == [0] * 9


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_in_tensors_out(kind: torch.dtype) -> None:
    rows = torch.from_numpy(ROWS).to(kind)
    rows.requires_grad_()
    found = topk(rows[:9], rows, 5)
    plain = topk(rows.detach().double().numpy()[:9], rows.detach().double().numpy(), 5)
    assert isinstance(found.index, torch.Tensor)
    assert found.index.tolist() == plain.index.tolist()
    assert found.scores.dtype == torch.float64
    assert found.scores.numpy().tobytes() == plain.scores.tobytes()


def test_integers_are_exact() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.integers(-128, 128, (9, 70), np.int8), rng.integers(-128, 128, (90, 70), np.int8)
    found = topk(x, y, 90, metric="dot")
    truth = np.sort(x.astype(int) @ y.T.astype(int), axis=1)[:, ::-1]
    assert found.scores.tolist() == truth.tolist()


def test_a_gallery_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "g.npy", ROWS.astype(np.float32))
    mapped = np.load(tmp_path / "g.npy", mmap_mode="r")
    assert topk(ROWS[:9], mapped, 5).index.tolist() == FOUND.index.tolist()


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
    assert torch.equal(results[0].index, results[1].index)
    assert torch.equal(results[0].scores, results[1].scores)


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


# -- other registers -------------------------------------------------------------------------------

OTHER = """
import sys
sys.path.insert(0, sys.argv[1])
from assay.ops import _similarity_simd as simd
import test_ops_similarity as tests
import numpy as np

assert (simd.LANES, simd.INT8) == (8, False)
ways = [way for way in tests.WAYS if way != "int8"]
assert ways == tests.WAYS
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


# -- an outside oracle -----------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["dot", "l2"])
@pytest.mark.parametrize("make", [gaussian, ternary])
def test_faiss_agrees_up_to_ties(make: Any, metric: str) -> None:
    """FAISS orders float32 scores, and equal ones anyhow: scores agree, and so do the rows of all
    that are clearly better than the last."""
    faiss = pytest.importorskip("faiss", reason="pip install 'assay[test]'")
    rng = np.random.default_rng(10)
    x, y = make(rng, (40, 24)).astype(np.float32), make(rng, (900, 24)).astype(np.float32)
    flat = (faiss.IndexFlatIP if metric == "dot" else faiss.IndexFlatL2)(24)
    flat.add(y)
    scores, rows = flat.search(x, 12)
    found = topk(x, y, 12, metric=metric)
    assert np.allclose(found.scores, scores, rtol=1e-5, atol=1e-4)
    sign = 1 if metric == "dot" else -1
    for ours, theirs, score in zip(found.index, rows, found.scores, strict=True):
        clear = sign * (score - score[-1]) > 1e-3
        assert set(ours[clear].tolist()) <= set(theirs.tolist())


# -- bad input -------------------------------------------------------------------------------------

GOOD = np.ones((3, 4), np.float32)
BROKEN = GOOD.copy()
BROKEN[1, 2] = np.nan
ONE = Ragged.from_lengths(np.zeros(3, np.int64), np.ones(3, np.int64))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: topk(BROKEN, GOOD, 1), r"query\[1\] holds NaN or infinity; drop it or mend it"),
        (lambda: topk(GOOD, BROKEN * np.inf, 1), r"gallery\[0\] holds NaN or infinity"),
        (
            lambda: topk(GOOD, GOOD * [[1], [0], [1]], 1),
            r"gallery\[1\] has norm 0, and no c",
        ),
        (
            lambda: topk(GOOD.astype(float) * 1e200, GOOD, 1, metric="dot"),
            r"query\[0\]: its norm is beyond float64",
        ),
        (
            lambda: topk(GOOD, GOOD[:, :3], 1),
            "query and gallery must have the same width, got 4 and 3",
        ),
        (lambda: topk(GOOD, GOOD, 4), r"topk: k must be in 1..g, got k=4 with g=3"),
        (lambda: topk(GOOD, GOOD, 0), r"topk: k must be in 1..g, got k=0 with g=3"),
        (lambda: topk(GOOD, GOOD, 1.5), "topk: k must be a whole number, got 1.5"),
        (
            lambda: topk(GOOD, np.ones((5000, 4)), 4097),
            r"k must be in 1..4,096, got k=4097 with g=5000",
        ),
        (lambda: topk(GOOD, GOOD[:0], 1), "gallery is empty; there is nothing to rank"),
        (lambda: topk(GOOD[0], GOOD, 1), r"query must have shape \[rows, width\], got \(4,\)"),
        (lambda: topk([[1.0], [1.0, 2.0]], GOOD, 1), r"query must have shape \[rows, width\]: "),
        (
            lambda: topk(GOOD.astype(complex), GOOD, 1),
            "query: vectors must be floats or integers of up to 32",
        ),
        (
            lambda: topk(GOOD, [["a"]], 1),
            "gallery: vectors must be floats or integers of up to 32 bits, got <U1",
        ),
        (
            lambda: topk(GOOD, GOOD, 1, metric="cos"),
            "metric must be one of dot, cosine, l2, got 'cos'",
        ),
        (
            lambda: topk(GOOD, GOOD, 1, precision="fp8"),
            "precision must be one of exact, float32, int8",
        ),
        (
            lambda: topk(pa.array([[1.0]]), GOOD, 1),
            "query must be a column of fixed-size lists, got list",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, ONE.rows(0, 2)),
            "relevant must have a row for each of 3 queries",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, Ragged(np.array([0, 3, 1]), ONE.offsets)),
            r"relevant\[1\]: gallery rows must be in 0..2, got 3",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, Ragged(np.array([1, 1, 1]), np.array([0, 0, 2, 3]))),
            r"relevant\[1\]: row 1 stands there twice",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, ONE, exclude=ONE.rows(0, 1)),
            "exclude must have a row for each of 3 queries, got 1",
        ),
        (
            lambda: rank_pairs(GOOD, GOOD, ONE, scores=np.zeros(2)),
            "scores must be one for each of 3 pairs, got 2",
        ),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_verify_ranks_some_queries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).standard_normal((20, 5))
    assert topk(x, x, 3, verify=5).index[:, 0].tolist() == list(range(20))
    monkeypatch.setattr("assay.ops.similarity.choose", lambda *_, **__: wrong)

    def wrong(*arguments: Any) -> Any:
        keys, index = scan.topk(*arguments)
        return keys, index[:, ::-1]

    with pytest.raises(
        Exception, match=r"topk: rows of query \d+ differ from the canonical ranking"
    ):
        topk(x, x, 3, verify=5)


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
    found = everything()
    assert repr(found[1:]) == repr(plain[1:])
    assert torch.equal(found[0].index, plain[0].index)
    assert torch.equal(found[0].scores, plain[0].scores)
    monkeypatch.setenv("ASSAY_BACKEND", "numba")
    with pytest.raises(
        InputError, match="ASSAY_BACKEND must be one of triton, torch on a GPU, got"
    ):
        topk(x, y, 9)


def test_verify_counts_some_queries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).standard_normal((20, 5))
    relevant = Ragged.from_lengths(np.arange(20), np.ones(20, int))
    groups = np.arange(20), np.arange(1, 21)
    assert rank_pairs(x, x, relevant, groups=groups, verify=5).above.tolist() == [0] * 20
    from assay.ops._similarity_ranks import ranks

    def wrong(*arguments: Any) -> Any:
        forth, back = ranks(*arguments)
        return forth + 1, back

    monkeypatch.setattr("assay.ops.similarity.choose", lambda op: wrong)
    with pytest.raises(VerifyError, match=r"count_ranks: ranks of query \d+ differ from the canon"):
        rank_pairs(x, x, relevant, verify=5)
