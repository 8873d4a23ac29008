"""Equal scores in a ranking: every policy, against all orders, in closed form and by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rank_oracle
from assay.metrics.rank_conventions import CONVENTIONS, TIES
from assay.metrics.retrieval import RankCounts, count_rankings
from rankings_kit import KS, columns
from strategies import judgements, scored


@pytest.mark.parametrize("convention", ["trec", "cross-modal", "torchmetrics", "dcase"])
@settings(max_examples=40)
@given(st.data())
def test_random_ties_equal_the_mean_over_all_orders(convention: str, data) -> None:
    ranked = data.draw(scored(5))
    judged = data.draw(judgements(0))
    rules = CONVENTIONS[convention]
    if not rank_oracle.relevant(judged, rules.level):
        return
    every = [
        rank_oracle.values(order, judged, KS, convention) for order in rank_oracle.orders(ranked)
    ]
    names = [name for name in every[0] if name != "bpref"]

    def found(ties: str) -> dict[str, float]:
        state = count_rankings({"q": ranked}, {"q": judged}, k=KS, convention=convention, ties=ties)
        return {name: state.per_item(name).item() for name in names}

    mean = {n: sum(one[n] for one in every) / len(every) for n in names}
    assert found("expected") == pytest.approx(mean, rel=1e-12, abs=1e-12)
    if rules.denominator == "found":  # an early relevant item can lower a mean over hits
        names = [name for name in names if not name.startswith("map@")]
    best = {n: max(one[n] for one in every) for n in names}
    worst = {n: min(one[n] for one in every) for n in names}
    best["rank"], worst["rank"] = worst["rank"], best["rank"]
    for ties, extreme in (("optimistic", best), ("pessimistic", worst)):
        values = found(ties)
        assert {n: values[n] for n in names} == pytest.approx(extreme, rel=1e-12, abs=1e-12)


def test_all_tied_in_a_large_gallery() -> None:
    # 3 of 1,000 relevant, one score: the expectations in closed form.
    r = RankCounts.from_pairs(
        [0], [0, 3], [5, 6, 7], None, [0] * 3, [5, 6, 7], [994, 993, 992], 1000, ties="expected"
    )
    assert r["precision@10"] == pytest.approx(3 / 1000)
    assert r["hit@10"] == pytest.approx(1 - math.comb(997, 10) / math.comb(1000, 10))
    assert r["mean_rank"] == pytest.approx(1001 / 4)
    first = [math.comb(1000 - i, 2) / math.comb(1000, 3) for i in range(1, 999)]
    assert r["mrr"] == pytest.approx(math.fsum(p / i for i, p in enumerate(first, 1)))
    assert r["ndcg@10"] == pytest.approx(
        3 / 1000 * sum(1 / math.log2(i + 1) for i in range(1, 11)) / (1 + 1 / math.log2(3) + 0.5)
    )


# -- by hand ---------------------------------------------------------------------------------------

TIED = {"b": 1.0, "c": 1.0, "a": 1.0, "d": 0.5}
RANK_OF_C = {
    "index": 2,
    "item-descending": 1,
    "item-ascending": 3,
    "optimistic": 1,
    "pessimistic": 3,
    "expected": 2,
    "grouped": 2,
}


@pytest.mark.parametrize("ties", TIES)
def test_policies_of_ties(ties: str) -> None:
    rank = RANK_OF_C[ties]
    state = count_rankings({"q": TIED}, {"q": "c"}, ties=ties)
    assert state.per_item("rank").tolist() == [rank]
    table = (np.array([4] * 4), np.array([1, 2, 0, 3]), np.array([1.0, 1, 1, 0.5]))
    state = count_rankings(table, (np.array([4]), np.array([2])), ties=ties)
    assert state.per_item("rank").tolist() == [rank]
    assert f"|ties:{ties}|" in state.signature


def test_gallery_indices_as_items() -> None:
    def rank(ties: str) -> float:
        return RankCounts.from_pairs([0], [0, 1], [3], None, [2], [1], [4], 9, ties=ties)[
            "mean_rank"
        ]

    assert rank("index") == rank("item-ascending") == 4
    assert rank("item-descending") == 7  # of equal scores the higher index first
    assert (rank("optimistic"), rank("pessimistic"), rank("expected")) == (3, 8, 5.5)


def test_several_relevant_items_in_one_tie() -> None:
    def ranks(ties: str) -> list[float]:
        state = count_rankings({"q": TIED}, {"q": ["a", "b"]}, ties=ties, k=(1, 2, 3))
        return [state[f"precision@{k}"] * k for k in (1, 2, 3)]

    assert ranks("optimistic") == pytest.approx([1, 2, 2])
    assert ranks("pessimistic") == pytest.approx([0, 1, 2])
    assert ranks("expected") == pytest.approx([2 / 3, 4 / 3, 2])


# -- what is equal, and in which order -------------------------------------------------------------


def test_scores_are_compared_as_doubles() -> None:
    near = {"a": 1.0, "b": 1.0 + 1e-10}
    assert count_rankings({"q": near}, {"q": "a"}, convention="trec")["mrr"] == 0.5
    single = {item: np.float32(score) for item, score in near.items()}
    assert count_rankings({"q": single}, {"q": "b"}, convention="trec")["mrr"] == 1.0
    assert count_rankings({"q": single}, {"q": "a"}, convention="trec")["mrr"] == 0.5
    ends = {"a": math.inf, "b": 1e300, "c": 0.0, "d": -0.0, "e": -math.inf}
    order = [count_rankings({"q": ends}, {"q": item})["mean_rank"] for item in ends]
    assert order == [1, 2, 3, 4, 5]


def test_strings_are_ordered_by_their_bytes() -> None:
    tied = dict.fromkeys(["a", "Z", "é", "z", "日", "😀", "a10", "a9", "\uffff"], 0.0)
    order = sorted(tied, key=str.encode, reverse=True)
    for place, item in enumerate(order, 1):
        for run in ({"q": tied}, columns({"q": tied})):
            state = count_rankings(run, ({"q": [item]}), convention="trec")
            assert state["mean_rank"] == place
