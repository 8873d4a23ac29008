"""Intervals and comparisons against scipy, against counting again, and worked by hand."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.core.errors import InputError
from assay.core.resampling import Items, RankedItems, ratio
from assay.core.score import Score
from assay.core.state import State
from assay.metrics.bootstrap import BAGS, Bags, fill_bags, poisson_bootstrap
from assay.metrics.compare import COMPARISONS, FEW, compare, holm
from assay.metrics.edit_counts import EMPTY
from assay.metrics.intervals import interval, intervals
from assay.metrics.item_values import ItemValues
from assay.metrics.significance import (
    EXACT_BELOW,
    holm_adjusted,
    mcnemar,
    nadeau_bengio,
    normal,
    wilson,
)
from assay.ops import resample
from strategies import judged_rankings, text_pairs

RATES = ("wer", "mer", "wil", "wip", "sentence_error_rate", "mean_wer")


def corpus(n, rate, seed=0, words=12):
    rng = np.random.default_rng(seed)
    refs = [[f"w{k}" for k in rng.integers(0, 30, rng.integers(1, words))] for _ in range(n)]
    other = np.random.default_rng(seed + 1000)
    hyps = [[w if other.random() > rate else "x" for w in ref] for ref in refs]
    return refs, hyps


def values(own, ids=None):
    return ItemValues.from_items(np.arange(len(own)) if ids is None else ids, {"v": own})


@dataclasses.dataclass(frozen=True, eq=False)
class Told(State):
    """A state of nothing but what it tells of its items; `v` is a ratio, or an area."""

    items = None

    @classmethod
    def of(cls, items, value=0.0):
        state = cls()
        object.__setattr__(state, "items", items)
        object.__setattr__(state, "_given", value)
        return state

    def resampling(self, name):
        return self.items

    def value_of(self, name, totals):
        return ratio(totals[:, 0], totals[:, 1])

    def total_scores(self):
        if isinstance(self.items, RankedItems):
            value, n = self._given, len(self.items.score)
        else:
            counts = 1 if self.items.counts is None else self.items.counts[:, None]
            sums = (self.items.columns * counts).sum(axis=0)
            value, n = ratio(sums[:1], sums[1:])[0], int(sums[1])
        return [Score("v", float(value), "fraction", "higher", n, {}, "v")]


def areas(positive, score, ids=None):
    area = assay.metrics.intervals.delong.auc_variance(positive, score).value
    ids = np.arange(len(score)) if ids is None else ids
    return Told.of(RankedItems(np.asarray(positive, bool), np.asarray(score), ids), area)


# -- intervals -------------------------------------------------------------------------------------


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


@given(text_pairs(max_pairs=8), st.sampled_from(["jiwer", "nan", "inf", "skip"]))
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
        assert whole == pytest.approx(expected, nan_ok=True, abs=0.003)
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


@pytest.mark.parametrize("n", [0, 1])
def test_of_one_item_nothing_can_be_said(n):
    state = values(np.full(n, 0.5))
    assert math.isnan(interval(state, "v").low)
    assert math.isnan(interval(state, "v").high)
    one_cluster = interval(values(np.arange(4.0)), "v", cluster=["a"] * 4)
    assert math.isnan(one_cluster.low)
    found = compare(state, state, "v")
    assert math.isnan(found.p_value)
    assert compare(values([0.5]), values([0.7]), "v", method="permutation").p_value == 1.0


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


def test_a_bootstrap_of_few_items_has_no_p():
    rng = np.random.default_rng(0)
    for n in (2, 9, 10):
        a, b = values(np.zeros(n)), values(1 + rng.random(n))
        found = compare(a, b, "v")
        assert (found.low > 0, math.isnan(found.p_value)) == (True, n < FEW)
        assert compare(a, a, "v").p_value == 1.0
    groups = compare(values(np.zeros(40)), values(rng.random(40)), "v", cluster=np.arange(40) % 9)
    assert math.isnan(groups.p_value)


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


# -- states that add -------------------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_sums_of_shards_are_those_of_the_whole(n, cut, clustered):
    refs, hyps = ([" ".join(words) for words in side] for side in corpus(n, 0.3))
    order = np.random.default_rng(cut).permutation(n)
    speakers = np.array([f"s{i % 5}" for i in range(n)], object)

    def drawn(chosen):
        state = assay.count_words(
            [refs[i] for i in chosen], [hyps[i] for i in chosen], items=True, ids=np.array(chosen)
        )
        by_id = np.sort(np.array(chosen, int))
        cluster = speakers[by_id].tolist() if clustered else None
        return poisson_bootstrap(state, RATES, resamples=20, cluster=cluster)

    whole = drawn(range(n))
    for parts in ([order[:cut], order[cut:]], [order[cut:], order[:cut]]):
        merged = sum(drawn(part) for part in parts)
        assert merged.to_bytes() == whole.to_bytes()
        assert State.from_bytes(merged.to_bytes()).to_bytes() == whole.to_bytes()
        for name in RATES:
            assert repr(interval(merged, name)) == repr(interval(whole, name))
            assert merged[name] == pytest.approx(
                assay.count_words(refs, hyps, items=True)[name], nan_ok=True, abs=1e-9
            )


@pytest.mark.parametrize("n", [100, BAGS, 3 * BAGS + 5])
def test_bags_of_shards_are_those_of_the_whole(n):
    own = np.random.default_rng(0).random(n)
    whole = fill_bags(values(own), ["v"])
    cuts = [0, n // 3, n // 2, n]
    parts = [fill_bags(values(own[a:b]), ["v"]).shifted(a) for a, b in itertools.pairwise(cuts)]
    placed = [fill_bags(values(own[a:b]), ["v"], first=a) for a, b in itertools.pairwise(cuts)]
    for some in (parts, placed, parts[::-1]):
        assert sum(some).to_bytes() == whole.to_bytes()
    found = interval(State.from_bytes(sum(parts).to_bytes()), "v")
    assert found == interval(whole, "v")
    assert (found.n, found.method) == (n, "bootstrap")
    direct = interval(values(own), "v")
    assert found.value == pytest.approx(direct.value)
    if n <= BAGS:
        assert (found.low, found.high) == (direct.low, direct.high)
    width = direct.high - direct.low
    assert abs(found.high - direct.high) + abs(found.low - direct.low) < 0.2 * width


def test_states_of_other_definitions_do_not_add():
    one = values([0.5, 0.25])
    with pytest.raises(ValueError, match="PoissonBootstrap: seed differs"):
        poisson_bootstrap(one, ["v"], seed=1) + poisson_bootstrap(one, ["v"])
    with pytest.raises(ValueError, match="Bags: metrics differs"):
        fill_bags(one, ["v"]) + fill_bags(assay.count_words([["a"]], [["a"]], items=True), ["wer"])
    assert sum([Bags.zero(), fill_bags(one, ["v"]), Bags.zero()])["v"] == 0.375


# -- comparisons -----------------------------------------------------------------------------------


def pair_of(n=300, rates=(0.2, 0.25), seed=0):
    refs, first = corpus(n, rates[0], seed)
    rng = np.random.default_rng(seed + 7)
    second = [[w if rng.random() > rates[1] - rates[0] else "y" for w in hyp] for hyp in first]
    return [assay.count_words(refs, hyps, items=True) for hyps in (first, second)]


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


def test_a_permutation_by_hand():
    # Three items differ by 1, -1, -1: |sum| over the eight swaps is 1, 1, 1, 3, 3, 1, 1, 1.
    a, b = values([0.0, 1.0, 1.0]), values([1.0, 0.0, 0.0])
    found = compare(a, b, "v", method="permutation", resamples=4000)
    assert found.p_value == 1.0
    c = values([3.0, 3.0, 4.0])  # differ by 3, 2, 3: as large as 8 in two of eight
    found = compare(a, c, "v", method="permutation", resamples=4000)
    assert found.p_value == pytest.approx(0.25, abs=0.03)


def test_swapped_clusters():
    a, b = values(np.zeros(40)), values(np.ones(40))
    one = compare(a, b, "v", method="permutation")
    four = compare(a, b, "v", method="permutation", cluster=np.arange(40) // 10, resamples=4000)
    assert one.p_value == 1 / 1001
    assert four.p_value == pytest.approx(2 / 16, abs=0.03)  # all four, or none
    assert four.clusters == 4


@pytest.mark.parametrize("method", ["bootstrap", "permutation", "delong", "mcnemar"])
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


def test_rankings():
    runs = [{f"q{k}": [*"abc"] for k in range(9)}, {f"q{k}": [*"bca"] for k in range(9)}]
    a, b = (assay.count_rankings(run, {f"q{k}": ["b"] for k in range(9)}) for run in runs)
    found = compare(a, b, "mrr", method="permutation")
    assert (found.value_a, found.value_b, found.delta) == (0.5, 1.0, 0.5)
    assert found.p_value == pytest.approx(2 / 2**9, abs=0.01)
    assert compare(a, b, "mean_rank").better == "lower"
    assert interval(a, "recall@1", method="wilson").high == pytest.approx(wilson(0, 9)[1])


# -- what is refused -------------------------------------------------------------------------------


def refusals():
    a, _ = pair_of(5)
    plain = assay.count_words(["a"], ["a"])
    v = values([0.5, 0.6])
    chars = assay.count_chars(["ab"], ["ab"], items=True)
    other = assay.count_words([[*"abcdefghijklm"]] * 5, [["a"]] * 5, items=True)
    lower = assay.count_words(["A"], ["a"], items=True, normalise="basic")
    bags = fill_bags(v, ["v"])
    ranked = areas([0, 1], [0.1, 0.2])
    wide = [Told.of(Items(np.ones((2, c), np.int64), np.arange(2))) for c in (2, 3)]
    return [
        (lambda: interval(plain, "wer"), "rows were not kept; count with items=True"),
        (lambda: interval(a, "hits"), "no interval of 'hits': of these there is one: wer, mer"),
        (lambda: interval(chars, "wer"), "no interval of 'wer': of these there is one: cer"),
        (lambda: interval(v, "w"), "no interval of 'w'"),
        (lambda: interval(bags, "w"), "no interval of 'w': these are of ['v']"),
        (lambda: interval(3, "wer"), "int does not tell of its items"),
        (lambda: interval(v, "v", level=95), "level must be between 0 and 1, got 95; 0.95 is"),
        (lambda: interval(v, "v", method="t"), "method must be one of bootstrap, wilson, "
         "delong, got 't'"),
        (lambda: interval(v, "v", method="wilson"), "wilson: v is not a share of items"),
        (lambda: interval(v, "v", method="delong"), "delong: v is no area under one ROC curve"),
        (lambda: interval(v, "v", cluster=["a"]), "'cluster' must have 2 values, got 1"),
        (lambda: interval(poisson_bootstrap(v, ["v"]), "v", cluster=[1, 1]), "cluster needs single "
         "items; this state has sums of them only"),
        (lambda: interval(v, "v", method="wilson", cluster=[1, 2]), "wilson: items count one by"),
        (lambda: compare(a, v, "wer"), "must be states of one kind, got EditCounts and ItemValues"),
        (lambda: compare(a, chars, "wer"), "wer is not of one definition: a has wer|unit:word"),
        (lambda: compare(lower, assay.count_words(["A"], ["a"], items=True), "wer"),
         "wer is not of one definition"),
        (lambda: compare(a, other, "wer"), "are not the same in a and b: item 0 has"),
        (lambda: compare(bags, bags, "v"), "the items of v have no ids to match them by"),
        (lambda: compare(ranked, ranked, "v", method="permutation"), "no common scale to swap"),
        (lambda: compare(ranked, ranked, "v", method="delong", cluster=[0, 1]), "one by one"),
        (lambda: compare(v, v, "v", method="mcnemar", cluster=[0, 1]), "mcnemar: items count one"),
        (lambda: compare(*wide, "v", method="permutation"), "a and b have 2 and 3 columns"),
        (lambda: poisson_bootstrap(v, []), "metrics must name a score at least, got none"),
        (lambda: poisson_bootstrap(bags, ["v"]), "items have no ids to weight them by"),
        (lambda: fill_bags(ranked, ["v"]), "v: its items have no columns that could be added up"),
        (lambda: ItemValues.from_items([1, 1], {"v": [1, 2]}), "ids must differ"),
        (lambda: ItemValues.from_items([1, 2], {"v": [1]}), "v must have 2 values, got shape (1,)"),
        (lambda: v.per_item("w"), "no column 'w'; there are ['id', 'v']"),
        (lambda: assay.EditCounts.from_items("word", [1], {}), "no column 'word_hits'"),
        (lambda: wilson(3, 2), "successes must be in 0..n, got 3 of n=2"),
        (lambda: nadeau_bengio([1], [1], train=1, test=1), "must be k >= 2 folds, got 1 and 1"),
        (lambda: nadeau_bengio([1, 2], [1, 2], train=0, test=1), "nadeau_bengio: train must be a "
         "whole number of at least 1, got 0"),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(32))
def test_what_is_refused(number):
    call, message = refusals()[number]
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)


def test_every_refusal_is_tested():
    assert len(refusals()) == 32
    assert set(COMPARISONS) == {"bootstrap", "permutation", "mcnemar", "delong"}
    assert {"jiwer", "nan", "inf", "skip"} < set(EMPTY)


# -- without resampling ----------------------------------------------------------------------------


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.5, 0.999))
def test_wilson_is_scipys(successes, more, level):
    n = successes + more
    if not n:
        assert np.isnan(wilson(0, 0, level)).all()
        return
    expected = scipy.stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    assert list(wilson(successes, n, level)) == pytest.approx(list(expected), abs=1e-12)


@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_is_scipys(b, c):
    if b + c == 0:
        expected = 1.0
    elif b + c < EXACT_BELOW:
        expected = scipy.stats.binomtest(b, b + c).pvalue
    else:
        expected = scipy.stats.chi2.sf(max(0, abs(b - c) - 1) ** 2 / (b + c), 1)
    assert mcnemar(b, c) == mcnemar(c, b) == pytest.approx(expected)


def test_nadeau_bengio_by_hand():
    # differences 0.1, 0.1, -0.1: mean 1/30, S² = 0.04/3, variance (1/3 + 1/2) S² = 1/90
    found = nadeau_bengio([0.8, 0.7, 0.9], [0.9, 0.8, 0.8], train=200, test=100)
    t = (1 / 30) / math.sqrt(1 / 90)
    assert found.statistic == pytest.approx(t)
    assert found.p_value == pytest.approx(2 * scipy.stats.t.sf(t, 2))
    half = scipy.stats.t.ppf(0.975, 2) * math.sqrt(1 / 90)
    assert [found.low, found.high] == pytest.approx([1 / 30 - half, 1 / 30 + half])
    plain = scipy.stats.ttest_rel([0.9, 0.8, 0.8], [0.8, 0.7, 0.9]).pvalue
    assert found.p_value > plain
    assert nadeau_bengio([0.1, 0.2], [0.1, 0.2], train=1, test=1).p_value == 1.0
    assert nadeau_bengio([0, 0], [1, 1], train=1, test=1).p_value == 0.0


def test_holm_by_hand():
    assert holm_adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_adjusted([]) == []
    adjusted = holm_adjusted([0.5, math.nan, 0.9])
    assert adjusted[0] == 1.0
    assert math.isnan(adjusted[1])
    a, b = pair_of(20)
    both = holm(compare(a, b, metric) for metric in ("wer", "sentence_error_rate"))
    assert [one.p_adjusted for one in both] == holm_adjusted([one.p_value for one in both])


def test_normal_estimates():
    assert normal(1.96, 1.0)[2] == pytest.approx(0.05, abs=1e-4)
    assert normal(0.0, 0.0) == (0.0, 0.0, 1.0)
    assert normal(0.2, 0.0) == (0.2, 0.2, 0.0)
    assert all(map(math.isnan, normal(math.nan, 1.0)))


# -- how results look ------------------------------------------------------------------------------


def test_results_show_themselves():
    a, b = pair_of(20)
    for found in (interval(a, "wer"), compare(a, b, "wer")):
        table = found.to_pandas()
        assert len(table) == 1
        assert table["metric"].tolist() == ["wer"]
        assert "<th>low</th>" in found._repr_html_()
        assert found.as_dict()["seed"] == 0
