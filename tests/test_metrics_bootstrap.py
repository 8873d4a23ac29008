"""Replicates and bags of shards add up: to the bytes and the intervals of the whole corpus."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.core.state import State
from assay.metrics.bootstrap import BAGS, Bags, fill_bags, poisson_bootstrap
from assay.metrics.intervals import interval
from intervals_kit import RATES, corpus, values


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
