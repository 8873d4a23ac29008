"""Exact ranking: the k best, and ranks of pairs, against plain float64 NumPy and FAISS."""

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.ops.similarity import METRICS, rank_pairs, topk
from similarity_kit import (
    MAKERS,
    SHAPES,
    WAYS,
    an_ulp_apart,
    canonical,
    gaussian,
    pairs_of,
    ternary,
)

pytestmark = pytest.mark.usefixtures("several_blocks")


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


def test_integers_are_exact() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.integers(-128, 128, (9, 70), np.int8), rng.integers(-128, 128, (90, 70), np.int8)
    found = topk(x, y, 90, metric="dot")
    truth = np.sort(x.astype(int) @ y.T.astype(int), axis=1)[:, ::-1]
    assert found.scores.tolist() == truth.tolist()


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


# -- ranks of pairs --------------------------------------------------------------------------------


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
