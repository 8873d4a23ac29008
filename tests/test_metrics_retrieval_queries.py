"""Rankings query by query: their values, their order, and queries of which one side has nothing."""

import math
from itertools import pairwise

import numpy as np
import pytest

from assay.core.errors import InputError
from assay.metrics.rank_conventions import CONVENTIONS
from assay.metrics.retrieval import RankCounts, count_rankings, recall_at_k
from rankings_kit import JUDGED, RUN, columns


def test_values_of_single_queries() -> None:
    state = count_rankings(RUN, JUDGED, k=(1, 2))
    assert state.per_item("query").tolist() == ["q1", "q2"]
    assert state.per_item("relevant").tolist() == [2, 1]
    assert state.per_item("depth").tolist() == [3, 2]
    assert state.per_item("average_precision").tolist() == state.per_item("map").tolist()
    table = state.item_columns()
    assert list(table)[:6] == ["id", "query", "depth", "relevant", "rank", "recall@1"]
    assert {"average_precision", "average_precision@2", "reciprocal_rank@1", "bpref"} <= set(table)
    for name, column in table.items():
        assert column.tolist() == state.per_item(name).tolist()
        assert len(column) == 2
    for name in ("map", "ndcg@2", "recall@1", "mrr@1", "bpref", "r_precision", "hit@2"):
        assert state[name] == math.fsum(state.per_item(name)) / 2
    shuffled = count_rankings(dict(reversed(RUN.items())), JUDGED, k=(1, 2))
    for name, column in shuffled.item_columns().items():
        assert column.tolist() == table[name].tolist()
    with pytest.raises(InputError, match=r"^per_item: no column 'recall@7'; there are \['id', "):
        state.per_item("recall@7")


def test_means_do_not_depend_on_order() -> None:
    rng = np.random.default_rng(5)
    above = rng.integers(0, 10**6, 5000)

    def states(cuts):
        for a, b in pairwise([0, *sorted(cuts), 5000]):
            none = np.zeros(b - a, int)
            bounds = np.arange(b - a + 1)
            counts = (none, None, above[a:b], none, none, 10**6)
            yield RankCounts.from_pairs(np.arange(a, b), bounds, *counts)

    (whole,) = states([])
    parts = list(states(rng.integers(1, 5000, 40)))
    rng.shuffle(parts)
    assert sum(parts).to_bytes() == whole.to_bytes()
    assert [s.value for s in sum(parts).scores()] == [s.value for s in whole.scores()]


# -- what is empty ---------------------------------------------------------------------------------


def test_queries_without_relevant_items() -> None:
    run = {"p": ["a", "b"], "q": ["a", "b"]}
    judged = {"p": {"b": 1}, "q": {"a": 0}}

    def count(empty: str | None, **options) -> RankCounts:
        return count_rankings(run, judged, empty=empty, **options)

    skip, zero, nan = count("skip"), count("zero"), count("nan")
    assert (skip["map"], zero["map"]) == (0.5, 0.25)
    assert math.isnan(nan["map"])
    assert skip.per_item("query").tolist() == ["p"]
    assert zero.per_item("average_precision").tolist() == [0.5, 0.0]
    assert np.isnan(nan.per_item("ndcg@5")).tolist() == [False, True]
    for state in (skip, zero, nan):
        assert state["queries_without_relevant"] == 1
    assert [s["queries"] for s in (skip, zero, nan)] == [1, 2, 2]
    assert (skip["mean_rank"], zero["mean_rank"]) == (2, 2)
    assert math.isnan(nan["mean_rank"])
    with pytest.raises(
        InputError, match=r"^query 'q' has no relevant item \(1 of 2 have none\); drop those "
    ):
        count("error")
    for convention, rules in CONVENTIONS.items():
        expected = 0.5 if rules.empty == "skip" else 0.25
        assert count(None, convention=convention)["map"] == expected


def test_queries_on_one_side_only() -> None:
    run = {"p": ["a"], "other": ["a"]}
    judged = {"p": ["a"], "missing": ["a"], "gone": ["b"]}
    part = count_rankings(run, judged)
    assert part["map"] == 1.0
    assert (part["unranked_queries"], part["unjudged_queries"], part["queries"]) == (2, 1, 1)
    whole = count_rankings(run, judged, complete=True)
    assert whole["map"] == whole["ndcg"] == whole["recall@1"] == 1 / 3
    assert (whole["unranked_queries"], whole["unjudged_queries"], whole["queries"]) == (0, 1, 3)
    assert whole.per_item("depth").tolist() == [0, 0, 1]
    tables = count_rankings(columns(run), columns(judged), complete=True)
    assert tables.to_bytes() == whole.to_bytes()
    assert count_rankings(columns(run), columns(judged)).to_bytes() == part.to_bytes()


def test_no_queries() -> None:
    for state in (
        count_rankings({}, {}),
        count_rankings([], []),
        count_rankings({"p": ["a"]}, {"q": ["a"]}),
        RankCounts.zero(),
        RankCounts.from_pairs([], [0], [], None, [], [], [], 5),
    ):
        assert math.isnan(state["map"])
        assert math.isnan(state["mean_rank"])
        assert math.isnan(state["median_rank"])
        assert state["queries"] == 0
        assert state.per_item("rank").tolist() == []
    assert count_rankings({"q": {}}, {"q": ["a"]})["map"] == 0.0
    assert math.isnan(recall_at_k([], [], 1))
