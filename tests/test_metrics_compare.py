"""Two systems over the same items: against counting again, scipy, and worked by hand."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats

import assay
from assay.core.errors import InputError
from assay.metrics.compare import COMPARISONS, FEW, compare, holm
from assay.metrics.intervals import interval
from assay.metrics.significance import holm_adjusted, mcnemar, wilson
from assay.ops import resample
from intervals_kit import areas, pair_of, values


def test_a_comparison_is_that_of_counting_again():
    a, b = pair_of(30, (0.2, 0.5))
    tables = [state.resampling("wer").columns for state in (a, b)]
    weights = resample.weights(30, 500).astype(int)
    rates = [(weights @ t)[:, 1:4].sum(axis=1) / (weights @ t)[:, :3].sum(axis=1) for t in tables]
    delta = rates[1] - rates[0]
    found = assay.compare(a, b, "wer", resamples=500)
    assert found.delta == b["wer"] - a["wer"]
    assert (found.value_a, found.value_b, found.better) == (a["wer"], b["wer"], "lower")
    assert [found.low, found.high] == pytest.approx(np.percentile(delta, [2.5, 97.5]), abs=1e-12)
    smaller = min((delta <= 0).sum(), (delta >= 0).sum())
    assert found.p_value == min(1, 2 * (1 + smaller) / 501)


def test_rows_drawn_by_number_stay_paired():
    rng = np.random.default_rng(0)
    own = (rng.random(20_000) < 0.5).astype(float)
    other = own.copy()
    other[:40] = 1 - other[:40]
    found = compare(values(own), values(other), "v")
    spread = np.std(other - own) / math.sqrt(20_000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.15)
    same = compare(values(own), values(own), "v")
    assert (same.delta, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_items_are_matched_by_id():
    a, b = values([0.1, 0.2, 0.3], [5, 6, 7]), values([0.3, 0.1, 0.2], [7, 5, 6])
    assert compare(a, b, "v").p_value == 1.0
    with pytest.raises(InputError) as caught:
        compare(a, values([0.1, 0.2, 0.3], [5, 6, 8]), "v")
    assert str(caught.value) == (
        "compare: 1 of 3 items are in a only, first id 7; both need the same items"
    )
    with pytest.raises(InputError, match="1 of 4 items are in b only, first id 9; both need"):
        compare(a, values([0.1, 0.2, 0.3, 0.4], [5, 6, 7, 9]), "v")


@pytest.mark.parametrize("method", COMPARISONS)
def test_p_values_of_no_difference_are_uniform(method):
    rng = np.random.default_rng(5)
    p_values = []
    for _ in range(300):
        if method == "delong":
            positive = np.arange(80) < 35
            base = rng.normal(size=80) + positive
            sides = [areas(positive, base + rng.normal(size=80)) for _ in range(2)]
        elif method == "mcnemar":
            sides = [values((rng.random(400) < 0.5).astype(float)) for _ in range(2)]
        else:
            sides = [values(rng.normal(size=60)) for _ in range(2)]
        p_values.append(compare(*sides, "v", method=method, resamples=400).p_value)
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.001
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.09


def test_a_bootstrap_of_few_items_has_no_p():
    rng = np.random.default_rng(0)
    for n in (2, 9, 10):
        a, b = values(np.zeros(n)), values(1 + rng.random(n))
        found = compare(a, b, "v")
        assert (found.low > 0, math.isnan(found.p_value)) == (True, n < FEW)
        assert compare(a, a, "v").p_value == 1.0
    groups = compare(values(np.zeros(40)), values(rng.random(40)), "v", cluster=np.arange(40) % 9)
    assert math.isnan(groups.p_value)


@pytest.mark.parametrize("n", [0, 1])
def test_items_that_cannot_vary_have_no_p(n):
    state = values(np.full(n, 0.5))
    assert math.isnan(compare(state, state, "v").p_value)


# -- permutation -----------------------------------------------------------------------------------


def test_a_permutation_agrees_with_scipy():
    a, b = pair_of(120, (0.2, 0.215))
    ta, tb = (state.resampling("wer").columns for state in (a, b))
    errors = [t[:, 1:4].sum(axis=1) for t in (ta, tb)]
    units = ta[:, :3].sum()
    expected = scipy.stats.permutation_test(
        errors, lambda x, y, axis: (y.sum(axis) - x.sum(axis)) / units,
        permutation_type="samples", vectorized=True, n_resamples=20_000,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    found = compare(a, b, "wer", method="permutation", resamples=20_000)
    assert found.delta == pytest.approx(float(expected.statistic))
    assert 0.01 < expected.pvalue < 0.9
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.1, abs=0.005)
    boot = compare(a, b, "wer", resamples=20_000)
    assert (found.low, found.high) == (boot.low, boot.high)


@pytest.mark.parametrize("n", [2, 5, 11])
def test_a_permutation_of_few_items_is_exact(n):
    a, b = np.random.default_rng(n).integers(0, 4, (2, n)) / 4
    found = compare(values(a), values(b), "v", method="permutation")
    expected = scipy.stats.permutation_test(
        (a, b), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=np.inf
    )
    assert found.p_value == pytest.approx(min(1.0, expected.pvalue))
    same = np.full(500, 0.5)  # items that do not differ cannot be swapped to any effect
    more = compare(values([*a, *same]), values([*b, *same]), "v", method="permutation")
    assert more.p_value == found.p_value


def test_a_permutation_by_hand():
    # Three items differ by 1, -1, -1: |sum| over the eight swaps is 1, 1, 1, 3, 3, 1, 1, 1.
    a, b = values([0.0, 1.0, 1.0]), values([1.0, 0.0, 0.0])
    found = compare(a, b, "v", method="permutation")
    assert found.p_value == 1.0
    c = values([3.0, 3.0, 4.0])  # differ by 3, 2, 3: as large as 8 in two of eight
    found = compare(a, c, "v", method="permutation")
    assert found.p_value == 0.25


def test_a_permutation_of_one_item_says_nothing():
    assert compare(values([0.5]), values([0.7]), "v", method="permutation").p_value == 1.0


def test_swapped_clusters():
    a, b = values(np.zeros(40)), values(np.ones(40))
    one = compare(a, b, "v", method="permutation")
    four = compare(a, b, "v", method="permutation", cluster=np.arange(40) // 10)
    assert one.p_value == 1 / 1001
    assert four.p_value == 2 / 16  # all four, or none
    assert four.clusters == 4


# -- other kinds of scores -------------------------------------------------------------------------


def test_an_area_against_another():
    rng = np.random.default_rng(0)
    positive = rng.random(500) < 0.4
    base = rng.normal(size=500) + positive
    a, b = areas(positive, base + rng.normal(size=500)), areas(positive, base)
    boot, exact = (compare(a, b, "v", method=m, resamples=3000) for m in ("bootstrap", "delong"))
    assert boot.delta == exact.delta
    width = exact.high - exact.low
    assert abs(boot.low - exact.low) + abs(boot.high - exact.high) < 0.1 * width
    assert exact.p_value < 0.01
    order = rng.permutation(500)
    turned = areas(positive[order], base[order], ids=order)
    assert dataclasses.replace(compare(a, turned, "v"), delta=0) == (
        dataclasses.replace(compare(a, b, "v"), delta=0)
    )
    clustered = compare(a, b, "v", cluster=np.arange(500) // 5)
    assert clustered.clusters == 100


def test_right_or_wrong_items():
    a = values([1.0] * 60 + [0.0] * 40)
    b = values([1.0] * 52 + [0.0] * 8 + [1.0] * 20 + [0.0] * 20)
    found = compare(a, b, "v", method="mcnemar")
    assert found.p_value == mcnemar(8, 20)
    with pytest.raises(InputError, match="mcnemar: v is not a share of items that are right"):
        compare(values([0.5, 1.0]), values([0.5, 1.0]), "v", method="mcnemar")
    words = assay.count_words(["a b", "c"], ["a x", "c"], items=True)
    assert compare(words, words, "sentence_error_rate", method="mcnemar").p_value == 1.0


def test_rankings():
    runs = [{f"q{k}": [*"abc"] for k in range(9)}, {f"q{k}": [*"bca"] for k in range(9)}]
    a, b = (assay.count_rankings(run, {f"q{k}": ["b"] for k in range(9)}) for run in runs)
    found = compare(a, b, "mrr", method="permutation")
    assert (found.value_a, found.value_b, found.delta) == (0.5, 1.0, 0.5)
    assert found.p_value == 2 / 2**9
    assert compare(a, b, "mean_rank").better == "lower"
    assert interval(a, "recall@1", method="wilson").high == pytest.approx(wilson(0, 9)[1])


# -- several comparisons, and how they look --------------------------------------------------------


def test_several_comparisons_are_adjusted_together():
    a, b = pair_of(20)
    both = holm(compare(a, b, metric) for metric in ("wer", "sentence_error_rate"))
    assert [one.p_adjusted for one in both] == holm_adjusted([one.p_value for one in both])


def test_results_show_themselves():
    a, b = pair_of(20)
    for found in (interval(a, "wer"), compare(a, b, "wer")):
        table = found.to_pandas()
        assert len(table) == 1
        assert table["metric"].tolist() == ["wer"]
        assert "<th>low</th>" in found._repr_html_()
        assert found.as_dict()["seed"] == 0
