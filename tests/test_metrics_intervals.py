"""Intervals of scores: against counting again and scipy; how often they hold; what has none."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.core.resampling import Items
from assay.metrics.bootstrap import poisson_bootstrap
from assay.metrics.edit_counts import EMPTY
from assay.metrics.intervals import interval, intervals
from assay.metrics.significance import wilson
from assay.ops import resample
from intervals_kit import RATES, Told, areas, corpus, values
from strategies import judged_rankings, text_pairs


@pytest.mark.parametrize("metric", RATES)
def test_an_interval_is_that_of_counting_again(metric):
    refs, hyps = corpus(40, 0.3)
    state = assay.count_words(refs, hyps, items=True)
    again = []
    for weights in resample.weights(40, 200, 5).tolist():
        drawn = [i for i, times in enumerate(weights) for _ in range(times)]
        counted = assay.count_words([refs[i] for i in drawn], [hyps[i] for i in drawn], items=True)
        again.append(counted[metric])
    found = interval(state, metric, resamples=200, seed=5, level=0.9)
    assert found.value == state[metric]
    assert [found.low, found.high] == pytest.approx(np.percentile(again, [5, 95]), abs=1e-9)
    assert (found.n, found.resamples, found.seed, found.undefined) == (40, 200, 5, 0)
    assert intervals(state, RATES, resamples=200, seed=5, level=0.9)[metric] == found


@given(text_pairs(max_pairs=8), st.sampled_from([name for name in EMPTY if name != "error"]))
def test_sums_have_the_scores_of_the_state(pairs, empty):
    columns = [list(side) for side in zip(*pairs, strict=True)] or [[], []]
    for count, names in ((assay.count_words, RATES), (assay.count_chars, ("cer", "mean_cer"))):
        state = count(*columns, empty=empty, items=True)
        for name in names:
            items = state.resampling(name)
            assert (items.ids == state.per_item("id")).all()
            whole = state.value_of(name, items.columns.sum(axis=0, keepdims=True))[0]
            assert whole == pytest.approx(state[name], nan_ok=True, abs=1e-9)


@given(st.lists(judged_rankings(), max_size=8), st.sampled_from(["skip", "zero", "nan"]))
def test_sums_have_the_scores_of_rankings(items, empty):
    columns = [list(column) for column in zip(*items, strict=True)] or [[], []]
    named = [{f"q{k}": own for k, own in enumerate(column)} for column in columns]
    state = assay.count_rankings(*named, empty=empty, k=(1, 3))
    for name in (*state.means, "mean_rank"):
        rows = state.resampling(name)
        whole = state.value_of(name, rows.columns.sum(axis=0, keepdims=True))[0]
        expected = state[name]
        if name == "mean_rank" and empty == "nan" and not math.isfinite(expected):
            assert not math.isfinite(whole)  # nan and inf meet in one mean
            continue
        rounding = 2**-9 if name == "mean_rank" else 2**-32  # of columns in fixed point
        assert whole == pytest.approx(expected, nan_ok=True, rel=0, abs=rounding)
        assert (rows.ids == state.per_item("id")).all()


def test_an_interval_agrees_with_scipy():
    refs, hyps = corpus(300, 0.2)
    state = assay.count_words(refs, hyps, items=True)
    columns = state.resampling("wer").columns
    errors, units = columns[:, 1:4].sum(axis=1), columns[:, :3].sum(axis=1)
    expected = scipy.stats.bootstrap(
        (errors, units), lambda e, u, axis: e.sum(axis) / u.sum(axis), paired=True,
        vectorized=True, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    found = interval(state, "wer", resamples=20_000)
    width = expected.high - expected.low
    assert abs(found.low - expected.low) < 0.03 * width
    assert abs(found.high - expected.high) < 0.03 * width


def test_intervals_hold_what_they_say():
    rng = np.random.default_rng(0)
    held = {"bootstrap": 0, "clusters": 0, "poisson": 0, "wilson": 0, "delong": 0}
    for _ in range(400):
        own = rng.exponential(size=120)
        found = interval(values(own), "v", resamples=300)
        held["bootstrap"] += found.low <= 1 <= found.high
        shared = np.repeat(rng.exponential(size=60), 4) + rng.exponential(size=240)
        found = interval(values(shared), "v", cluster=np.arange(240) // 4, resamples=300)
        held["clusters"] += found.low <= 2 <= found.high
        found = interval(poisson_bootstrap(values(own), ["v"], resamples=300), "v")
        held["poisson"] += found.low <= 1 <= found.high
        share = (rng.random(40) < 0.1).astype(float)
        found = interval(values(share), "v", method="wilson")
        held["wilson"] += found.low <= 0.1 <= found.high
        positive = np.arange(100) < 40
        found = interval(areas(positive, rng.normal(size=100) + positive), "v", method="delong")
        held["delong"] += found.low <= scipy.stats.norm.cdf(1 / math.sqrt(2)) <= found.high
    assert all(0.9 <= count / 400 <= 0.985 for count in held.values()), held


def test_clusters_that_are_ignored_give_too_narrow_an_interval():
    shared = np.repeat(np.random.default_rng(0).normal(size=60), 5)
    one = interval(values(shared), "v")
    many = interval(values(shared), "v", cluster=[f"speaker {i // 5}" for i in range(300)])
    assert (one.clusters, many.clusters) == (None, 60)
    assert (many.high - many.low) / (one.high - one.low) == pytest.approx(math.sqrt(5), rel=0.15)


def test_order_of_items_changes_nothing():
    refs, hyps = corpus(50, 0.3)
    order = np.random.default_rng(0).permutation(50)
    there = assay.count_words(refs, hyps, items=True)
    back = assay.count_words([refs[i] for i in order], [hyps[i] for i in order], items=True,
                             ids=order)  # fmt: skip
    assert interval(there, "wer") == interval(back, "wer")


def test_a_table_of_cells():
    cells = Told.of(Items(np.array([[1, 1], [0, 1]]), counts=np.array([90_000, 10_000])))
    found = interval(cells, "v")
    assert (found.value, found.n) == (0.9, 100_000)
    half = 1.96 * math.sqrt(0.9 * 0.1 / 100_000)
    assert [found.low, found.high] == pytest.approx([0.9 - half, 0.9 + half], abs=0.1 * half)
    exact = interval(cells, "v", method="wilson")
    assert [exact.low, exact.high] == pytest.approx(list(wilson(90_000, 100_000)))
    assert (exact.resamples, exact.seed) == (0, None)


# -- what has no interval, or one without width ----------------------------------------------------


@pytest.mark.parametrize("n", [0, 1])
def test_items_that_cannot_vary_have_no_interval(n):
    found = interval(values(np.full(n, 0.5)), "v")
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_one_cluster_has_no_interval():
    found = interval(values(np.arange(4.0)), "v", cluster=["a"] * 4)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_items_of_one_value_have_no_width():
    found = interval(values(np.full(9, 0.25)), "v")
    assert (found.value, found.low, found.high) == (0.25, 0.25, 0.25)


def test_resamples_without_a_value_are_left_out_and_counted():
    state = assay.count_words(["a b", "", "", ""], ["a x", "", "", ""], items=True, empty="nan")
    weights = resample.weights(4, 1000)
    found = interval(state, "wer")
    assert found.undefined == int((weights[:, 0] == 0).sum())
    assert (found.low, found.high) == (0.5, 0.5)
    nothing = interval(assay.count_words(["", ""], ["", ""], items=True, empty="nan"), "wer")
    assert (nothing.undefined, math.isnan(nothing.low)) == (1000, True)


def test_infinities_are_values():
    found = interval(values([1.0, 2.0, math.inf] * 5), "v")
    assert found.high == math.inf
    found = interval(values([*range(200), math.inf]), "v")
    assert math.isfinite(found.low)
    assert found.high == math.inf


def test_one_class_of_an_area():
    found = interval(areas([1, 1, 1], [1.0, 2.0, 3.0]), "v")
    assert (found.undefined, math.isnan(found.low)) == (1000, True)
    assert math.isnan(interval(areas([1, 1, 1], [1.0, 2.0, 3.0]), "v", method="delong").low)


def test_all_ties_and_perfect_order_of_an_area():
    positive = np.arange(20) % 2
    for score, value in ((np.zeros(20), 0.5), (positive * 1.0, 1.0)):
        for method in ("delong", "bootstrap"):
            found = interval(areas(positive, score), "v", method=method)
            assert (found.value, found.low, found.high) == (value, value, value)
