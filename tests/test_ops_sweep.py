"""Sweeps over thresholds: sorted classes, runs, weights, labels as numbers."""

import tracemalloc
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.ops import labels, sweep


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n", [0, 1, 2, 511, 512, 513, 5000])
def test_sorting_is_that_of_numpy(kind: Any, n: int) -> None:
    rng = np.random.default_rng(n)
    tiny = np.finfo(kind).smallest_subnormal
    for values in (
        rng.standard_normal(n),
        rng.integers(-2, 3, n) * 0.5,
        rng.standard_normal(n) * 10.0 ** rng.integers(-30, 30, n),
        rng.choice([0.0, -0.0, tiny, -tiny, np.finfo(kind).max, np.finfo(kind).min], n),
        np.full(n, -1.5),
    ):
        scores = values.astype(kind)
        before = scores.copy()
        found = sweep.sort_scores(scores)
        assert found.dtype == kind
        assert np.array_equal(found, np.sort(scores))
        assert not np.signbit(found[found == 0]).any()
        assert np.array_equal(scores, before)


@given(seed=st.integers(0, 2**32), cuts=st.sampled_from([1, 2, 3, 7, 1 << 16]))
@settings(deadline=None, max_examples=60)
def test_runs_are_counts_at_every_score(seed: int, cuts: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 80))
    score = np.round(rng.random(n), int(rng.integers(0, 3))).astype(rng.choice(["f4", "f8"]))
    target = rng.integers(0, 2, n)
    negatives, positives, bad = sweep.cut(target, score)
    assert bad == -1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "SLICE", cuts)
        parts = [*sweep.over_runs(negatives, positives, lambda runs: runs)]
    found = [
        (float(s), int(f), int(t)) for p in parts for s, f, t in zip(p[0], p[1], p[2], strict=True)
    ]
    truth = [
        (float(s), int(((score >= s) & (target == 0)).sum()), int(((score >= s) & target).sum()))
        for s in np.unique(score)[::-1]
    ]
    assert found == truth
    before = [(0, 0), *((int(p.fp[-1]), int(p.tp[-1])) for p in parts[:-1])]
    assert [p.before for p in parts] == before[: len(parts)]


def test_slices_do_not_hang_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    score = rng.random(300_000).astype(np.float32)
    target = rng.integers(0, 2, len(score))
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("ASSAY_THREADS", threads)
        negatives, positives, _ = sweep.cut(target, score)
        found.append([*sweep.over_runs(negatives, positives, sweep.areas)])
    assert found[0] == found[1]
    assert len(found[0]) > 3


@given(st.lists(st.integers(0, 4), max_size=30), st.lists(st.integers(0, 4), max_size=30))
def test_areas_are_those_of_all_pairs(negatives: list[int], positives: list[int]) -> None:
    sides = [np.sort(np.array(side, np.float64)) for side in (negatives, positives)]
    found = sum(above for above, _ in sweep.over_runs(*sides, sweep.areas))
    assert found == sum(2 * (p > n) + (p == n) for p in positives for n in negatives)


def test_areas_of_counts_beyond_32_bits() -> None:
    """2^31 and more items of one score, as a histogram has them."""
    counts = np.zeros((2, 1 << 16), np.int64)
    bits = np.array([0.25, 0.5, 0.75], np.float16).view(np.uint16)
    counts[0, bits], counts[1, bits] = [2**37, 2**37, 1], [5, 2**38, 2**36]
    runs = sweep.histogram_runs(counts, "float16")
    above, _ = sweep.areas(runs)
    n, p = counts[0, bits].tolist(), counts[1, bits].tolist()
    assert above == sum(p[i] * n[j] * (2 if i > j else 1) for i in range(3) for j in range(i + 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_bad_row_is_named(bad: float) -> None:
    score = np.array([0.1, 0.2, bad, bad])
    assert sweep.cut(np.array([0, 1, 0, 1]), score)[2] == 2
    assert sweep.cut(np.array([0, 7, 0, 1]), score)[2] == 1
    assert sweep.cut(np.array([-1, 1, 0, 1]), np.zeros(4))[2] == 0


@pytest.mark.parametrize(
    "labels_", [[2, 4], [4, 2, 6, 8], [-2, 0], [3, 5, 7], [-1, -3], [2**40, 1]]
)
def test_labels_of_any_value_stay_within_the_buffers(labels_: list[int]) -> None:
    target = np.array(labels_ * 500)
    negatives, positives, bad = sweep.cut(target, np.zeros(len(target), np.float32))
    assert bad >= 0
    assert len(negatives) + len(positives) == len(target)


@given(st.floats(-2, 2), st.sampled_from([np.float16, np.float32, np.float64]))
def test_least_at(threshold: float, kind: Any) -> None:
    found = sweep.least_at(threshold, kind)
    assert float(found) >= threshold
    assert float(np.nextafter(found, kind(-np.inf))) < threshold


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_a_histogram_has_every_finite_value_in_order(kind: str) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    if kind == "float16":
        values = bits.view(np.float16).astype(np.float32)
    else:
        values = (bits.astype(np.uint32) << 16).view(np.float32)
    finite_bits = bits[np.isfinite(values)]
    given_scores = values[np.isfinite(values)]
    again = sweep.bits_of(given_scores.astype(np.float16) if kind == "float16" else given_scores)
    assert np.array_equal(again, finite_bits)
    counts = np.zeros((2, 1 << 16), np.int64)
    counts[1, finite_bits] = 1
    runs = sweep.histogram_runs(counts, kind)
    assert np.array_equal(runs.score, np.unique(given_scores)[::-1])
    assert runs.tp[-1] == len(finite_bits)


def test_weighted_runs_do_not_hang_on_order() -> None:
    rng = np.random.default_rng(2)
    rows = np.stack([rng.integers(0, 4, 50) / 4, rng.random(50)], axis=1)
    first = sweep.weighted_side(rows)
    second = sweep.weighted_side(rng.permutation(rows))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("levels", [1, 2, 8, 9, 2000, 2**40])  # runs of equal scores, short to long
@pytest.mark.parametrize("weights", [1, 3, 2**40])
@pytest.mark.parametrize("n", [0, 1, 2, 256, 257, 2100])
def test_weights_add_in_order_of_score_then_weight(n: int, levels: int, weights: int) -> None:
    rng = np.random.default_rng(n + levels)
    score = (rng.integers(0, levels, n) - levels // 2) / 7
    score[score == 0] = rng.choice([0.0, -0.0], np.count_nonzero(score == 0))
    weight = rng.integers(1, weights + 1, n) / 3
    rows = np.stack([score, weight], axis=1)
    before = rows.copy()
    found, sums = sweep.weighted_side(rows)
    best_first = sorted(zip(score.tolist(), weight.tolist(), strict=True), key=_score_then_weight)
    assert found[::-1].tolist() == [s for s, _ in best_first]
    assert sums.tolist() == [*accumulate((w for _, w in best_first), initial=0.0)]
    assert not np.signbit(found[found == 0]).any()
    assert np.array_equal(rows, before)


def _score_then_weight(row: tuple[float, float]) -> tuple[float, float]:
    return -row[0], row[1]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_weighted_rows_of_many_are_sorted_once(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    target, score = rng.integers(0, 2, 3000), rng.integers(-40, 40, 3000).astype(kind)
    weight = rng.integers(0, 9, 3000) / 7
    as_given = sweep.cut_weighted(target, score, weight)
    monkeypatch.setattr(sweep, "SLICE", 64)
    for label, (rows, own) in enumerate(
        zip(sweep.cut_weighted(target, score, weight), as_given, strict=True)
    ):
        there = (target == label) & (weight > 0)
        assert np.array_equal(own, np.stack([score[there], weight[there]], axis=1))
        found, sums = sweep.weighted_side(rows)
        assert np.shares_memory(found, rows)
        truth = sweep.weighted_side(own)
        assert np.array_equal(found, truth[0])
        assert np.array_equal(sums, truth[1])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_in_order_of_score_alone_are_sorted_by_weight(kind: Any) -> None:
    rows = np.array([[0.25, 0.5, 0.5], [1.0, 0.1, 0.7]], kind).T  # of equal ones the lightest first
    heaviest, lightest, light = rows[:, 1].astype(np.float64).tolist()
    score, sums = sweep.weighted_side(rows)
    assert sums.tolist() == [0.0, lightest, lightest + light, lightest + light + heaviest]
    assert (score.dtype, score.tolist()) == (np.float64, [0.25, 0.5, 0.5])
    for order in ("C", "F"):  # in order, and yet not as kernels take them
        score, _ = sweep.weighted_side(np.array(rows[:2], order=order))
        assert score.dtype == np.float64
        assert score.flags.c_contiguous


def test_weighted_areas_take_no_more_than_the_runs() -> None:
    """A slice is in the hands of each thread: its weights take the place of its counts."""
    n = 100_000
    rng = np.random.default_rng(5)
    rows = (np.stack([rng.random(n), rng.random(n)], axis=1) for _ in range(2))
    (negatives, fp), (positives, tp) = map(sweep.weighted_side, rows)
    whole = [((0, 0), (n, n))]

    def areas() -> list[Any]:
        return [*sweep.over_runs(negatives, positives, sweep.areas, whole, (fp, tp), -16)]

    first = areas()
    tracemalloc.start()
    assert areas() == first
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 1.05 * (3 * 8 * 2 * n)  # score, fp and tp of each


# -- labels ----------------------------------------------------------------------------------------


def test_binary_cells_of_large_columns() -> None:
    rng = np.random.default_rng(3)
    target, guess = rng.integers(0, 2, (2, labels.BLOCK * 2 + 5))
    truth = np.bincount(target * 2 + guess).tolist()
    assert [*labels.binary_cells(target, guess)] == truth  # type: ignore[misc]
    assert [*labels.binary_cells(target > 0, guess > 0)] == truth  # type: ignore[misc]
    assert [*labels.binary_cells(target[::2], guess[::2])] == (  # type: ignore[misc]
        np.bincount(target[::2] * 2 + guess[::2]).tolist()
    )
    target[-1] = 2
    assert labels.binary_cells(target, guess) is None
    target[-1] = -1
    assert labels.binary_cells(target, guess) is None


@pytest.mark.parametrize(
    ("column", "truth"),
    [
        ([3, 1, 3], [1, 3]),
        ([2**62, -(2**62)], [-(2**62), 2**62]),
        ([True, False], [0, 1]),
        (["b", "a", "b"], ["a", "b"]),
        (["\ud800", "a"], ["a", "\ud800"]),
        (np.array(["b", "a"], object), ["a", "b"]),
        (np.array([2, 1], object), [1, 2]),
    ],
)
def test_distinct_labels(column: Any, truth: list[Any]) -> None:
    array = np.asarray(column)
    assert labels.distinct(array) == truth
    assert [truth[c] for c in labels.codes_of(array, truth, "x")] == list(column)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: labels.distinct(np.array([1]), np.array(["a"])),
            "all integers or all strings",
        ),
        (lambda: labels.distinct(np.array([1.5])), "integers or strings, got float64"),
        (lambda: labels.distinct(np.array([1, "a"], object)), "got mixed values"),
        (
            lambda: labels.codes_of(np.array([0, 5]), [0, 1], "target"),
            r"target\[1\] is 5, which is not among the labels \(0, 1\)",
        ),
        (
            lambda: labels.codes_of(np.array(["a", "z"]), ["a", "b"], "target"),
            r"target\[1\] is 'z', which is not among the labels \('a', 'b'\)",
        ),
        (
            lambda: labels.codes_of(np.array(["a", "\udc00"]), ["a", "b"], "target"),
            r"target\[1\] is '\\udc00', which is not among",
        ),
        (
            lambda: labels.codes_of(np.array([7, 9]), [9, 8], "target"),
            r"target\[0\] is 7, which is not among the labels \(9, 8\)",
        ),
    ],
)
def test_labels_that_are_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
