"""States of scores: how they add, and what 16 bits, bins, slices and threads leave as it is."""

import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from assay import State, count_scores, count_scores_binned
from assay.core.errors import InputError, MergeError
from assay.metrics import _sweep_items
from assay.ops import sweep as ops
from scores_kit import KINDS, drawn


def test_groups_and_items_add() -> None:
    rng = np.random.default_rng(4)
    target, score = rng.integers(0, 2, 90), rng.random(90).astype(np.float32)
    site, ids = rng.choice(["a", "b"], 90), rng.permutation(1000)[:90]
    whole = count_scores(target, score, by={"site": site}, items=True, ids=ids)
    parts = [count_scores(target[p], score[p], by={"site": site[p]}, items=True, ids=ids[p])
             for p in np.array_split(rng.permutation(90), 5)]  # fmt: skip
    assert sum(parts).to_bytes() == whole.to_bytes()
    own = count_scores(target[site == "a"], score[site == "a"])
    assert whole.groups["a",].roc_auc == own.roc_auc
    order = np.argsort(ids)
    assert whole.per_item("score").tolist() == score[order].astype(float).tolist()
    assert whole.per_item("positive").tolist() == target[order].tolist()
    with pytest.raises(InputError, match="count with items=True"):
        own.per_item("id")


def test_batches_of_float32_and_float64_add() -> None:
    target = np.array([0, 1, 0, 1])
    score = np.array([0.25, 0.5, 0.3, 0.1], np.float32)
    mixed = count_scores(target[:2], score[:2]) + count_scores(target[2:], score[2:].astype(float))
    assert mixed.roc_auc == count_scores(target, score).roc_auc


def test_adding_batches_copies_no_score() -> None:
    batch = count_scores(np.arange(1000) % 2, np.linspace(0, 1, 1000))
    total = sum([batch] * 50)
    assert len(total.pools[1]) == 50
    assert all(part is batch.pools[1] for part in total.pools[1])
    assert (total.n, total.roc_auc) == (50_000, batch.roc_auc)


# -- histograms ------------------------------------------------------------------------------------


def test_16_bits_are_an_exact_histogram() -> None:
    rng = np.random.default_rng(1)
    target, score = rng.integers(0, 2, 500), rng.random(500)
    for half in (torch.from_numpy(score).bfloat16(), torch.from_numpy(score).half()):
        s = count_scores(target, half)
        assert s.mode == str(half.dtype).removeprefix("torch.")
        assert s.histogram.nbytes == 1 << 20
        wide = half.double().numpy()
        plain = count_scores(target, wide)
        assert s.roc_auc == plain.roc_auc
        assert s.average_precision == pytest.approx(plain.average_precision, abs=1e-14)
        assert s.best_threshold("f1").threshold == plain.best_threshold("f1").threshold
        assert s.at(0.5).matrix.tolist() == plain.at(0.5).matrix.tolist()
        assert s.ece == pytest.approx(plain.ece)
        halves = count_scores(target[:100], half[:100]) + count_scores(target[100:], half[100:])
        assert halves.to_bytes() == s.to_bytes()
    with pytest.raises(MergeError, match="mode differs"):
        s + plain


def test_groups_of_half_precision_keep_the_histogram() -> None:
    half = torch.tensor([0.1, 0.7, 0.3]).bfloat16()
    s = count_scores([0, 1, 1], half, by={"g": [*"aab"]})
    assert s.mode == s.groups["a",].mode == "bfloat16"
    assert (s + s).n == 6


@pytest.mark.parametrize("bins", [1, 7, 10, 1000])
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_bins_are_exact_at_their_edges(bins: int, seed: int) -> None:
    target, score = drawn(seed, KINDS[1 + seed % 2])
    exact, s = count_scores(target, score), count_scores_binned(target, score, bins=bins)
    for t in np.arange(bins) / bins if bins < 1000 else np.arange(0, 1000, 97) / 1000:
        assert s.at(t).matrix.tolist() == exact.at(t).matrix.tolist()
    assert abs(s.roc_auc - exact.roc_auc) <= s.roc_auc_error + 1e-12
    assert s.n == len(target)
    cut = len(target) // 2
    halves = [count_scores_binned(target[p], score[p], bins=bins)
              for p in (slice(0, cut), slice(cut, None))]  # fmt: skip
    assert State.from_bytes(sum(halves).to_bytes()).to_bytes() == s.to_bytes()
    assert "brier" not in {score.name for score in s.scores()}


# -- large columns ---------------------------------------------------------------------------------


def test_weights_of_many_slices_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    target, score = rng.integers(0, 2, 900), rng.integers(0, 200, 900) / 200
    weights = rng.random(900)
    whole = count_scores(target, score, weights=weights)
    told = [whole.roc_auc, whole.average_precision, whole.ks, whole.brier, whole.ece]
    best = whole.best_threshold("f1")
    curve = whole.curve()
    monkeypatch.setattr(ops, "SLICE", 37)
    cut = count_scores(target, score, weights=weights)
    assert len(ops.slices_of(*cut._sides)) > 5
    assert [cut.roc_auc, cut.average_precision, cut.ks, cut.brier, cut.ece] == pytest.approx(told)
    assert cut.best_threshold("f1").threshold == best.threshold
    assert all(np.array_equal(a, b) for a, b in zip(cut.curve()[:3], curve[:3], strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_areas_of_weights_that_vanish_beside_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target, score = rng.integers(0, 2, 40), rng.integers(0, 30, 40) / 30
    target[:2] = 0, 1
    weights = 10.0 ** rng.integers(-320, 300, 40)
    s = count_scores(target, score, weights=weights)
    rows = [(Fraction(w), bool(t), v) for w, t, v in zip(weights, target, score, strict=True)]
    n, p = (sum(w for w, t, _ in rows if t == side) for side in (False, True))
    pairs = sum(a * b * (2 * (v > u) + (v == u))
                for a, t, v in rows if t for b, other, u in rows if not other)  # fmt: skip
    steps = Fraction()
    for at in np.unique(score):
        new = sum(w for w, t, v in rows if t and v == at)
        above = [sum(w for w, t, v in rows if v >= at and t == side) for side in (False, True)]
        steps += new * above[1] / sum(above)
    assert s.roc_auc == pytest.approx(float(pairs / (2 * n * p)), rel=1e-12)
    assert s.average_precision == pytest.approx(float(steps / p), rel=1e-12)


def test_weights_at_a_threshold_add_over_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    target, score = rng.integers(0, 2, 500), rng.random(500)
    weights = rng.random(500) * 10.0 ** rng.integers(-200, 200, 500)
    s = count_scores(target, score, weights=weights)
    whole = s.at(0.3)
    for label, above in ((0, 0), (0, 1), (1, 0), (1, 1)):
        own = weights[(target == label) & ((score >= 0.3) == above)]
        assert whole.matrix[label, above] == math.fsum(own)
    monkeypatch.setattr(_sweep_items, "BLOCK", 7)
    assert s.at(0.3).to_bytes() == whole.to_bytes()
    none = s.at(2.0)
    assert {cell[1] for cell in none.cells} == {cell[1] for cell in none.weights} == {0}


@pytest.mark.parametrize("decimals", [16, 2])  # that many scores are equal
def test_weights_cost_little_memory(monkeypatch: pytest.MonkeyPatch, decimals: int) -> None:
    n = 400_000
    for module, name in ((ops, "SLICE"), (_sweep_items, "BLOCK")):
        monkeypatch.setattr(module, name, 1 << 12)  # what one costs does not grow with the input
    rng = np.random.default_rng(0)
    target, score, weights = rng.integers(0, 2, n), rng.random(n).round(decimals), rng.random(n)

    def report(rows: slice) -> None:
        s = count_scores(target[rows], score[rows], weights=weights[rows])
        s.at(0.5)
        s.total_scores()

    report(slice(9))
    tracemalloc.start()
    report(slice(n))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 1.25 * (target.nbytes + score.nbytes + weights.nbytes)


@pytest.mark.parametrize("weighted", [False, True])
def test_large_columns_do_not_hang_on_threads(
    monkeypatch: pytest.MonkeyPatch, weighted: bool
) -> None:
    rng = np.random.default_rng(6)
    target = rng.integers(0, 2, 400_000)
    score = (rng.standard_normal(400_000) + target).astype(np.float32)
    weights = rng.random(400_000) if weighted else None
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("ASSAY_THREADS", threads)
        s = count_scores(target, score, weights=weights)
        found.append((s.to_bytes(), s.roc_auc, s.average_precision, s.best_threshold().value))
    assert found[0] == found[1] == found[2]
    truth = sk.roc_auc_score(target, score, sample_weight=weights)
    assert found[0][1] == pytest.approx(truth, abs=1e-12)
