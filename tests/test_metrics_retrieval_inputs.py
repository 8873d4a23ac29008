"""Runs and judgements in every shape give one state; groups of queries."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.ragged import Ragged
from assay.core.state import State
from assay.metrics.rank_conventions import CONVENTIONS
from assay.metrics.retrieval import count_rankings, mean_average_precision, recall_at_k
from rankings_kit import JUDGED, RUN, columns
from strategies import judged_rankings

ORDERED = [name for name, rules in CONVENTIONS.items() if rules.ties != "grouped"]


def shapes(mapping, names: tuple[str, ...]):
    table = dict(zip(names, columns(mapping), strict=True))
    yield mapping
    yield columns(mapping)
    yield pa.table(table)
    yield pa.table(table).cast(
        pa.schema([pa.field(n, pa.large_string()) for n in names[:2]] + [(names[2], pa.float32())])
    )
    yield pa.table({**table, names[0]: pa.array(table[names[0]]).dictionary_encode()})
    yield pa.concat_tables([pa.table(table).slice(0, 2), pa.table(table).slice(2)])
    yield pd.DataFrame(table)
    yield pd.DataFrame(table).sample(frac=1, random_state=3).astype({names[0]: "category"})
    yield pl.DataFrame(table)


def test_one_state_from_every_shape() -> None:
    options = {"convention": "trec", "k": (1, 2)}
    expected = count_rankings(RUN, JUDGED, **options)
    assert expected["map"] == pytest.approx((1 / 4 + 1 / 2) / 2)
    for run in shapes(RUN, ("query", "item", "score")):
        for judged in shapes(JUDGED, ("qid", "docno", "rel")):
            state = count_rankings(run, judged, **options)
            assert state.to_bytes() == expected.to_bytes()


def test_rows_without_names() -> None:
    lists = [["a", "b", "c"], ["c", "a"]]
    state = count_rankings(lists, [["c"], "a"])
    assert state.per_item("id").tolist() == [0, 1]
    assert state.per_item("reciprocal_rank").tolist() == [1 / 3, 1 / 2]
    numbers = np.array([[4, 2, 0], [0, 4, 1]])
    for rankings in (numbers, numbers.tolist(), Ragged(numbers.ravel(), np.array([0, 3, 6]))):
        for relevant in (np.array([0, 4]), [0, 4], [[0], {4}], [np.array([0]), np.array([4])]):
            state = count_rankings(rankings, relevant, ids=[8, 3])
            assert state.per_item("id").tolist() == [3, 8]
            assert state.per_item("rank").tolist() == [2, 3]
            assert state.pairs[:, -1].tolist() == [0, 4]
    assert recall_at_k(lists, [["c"], ["a"]], 2) == 0.5
    assert mean_average_precision(lists, [["c"], ["a"]]) == (1 / 3 + 1 / 2) / 2


def test_integers_far_apart() -> None:
    far = [3, -(2**62), 2**62, 7 * 10**9]
    run = (np.repeat([2**61, -5], 4), np.array(far + far[::-1]), np.tile([4.0, 3, 2, 1], 2))
    judged = (np.array([-5, 2**61]), np.array([2**62, 2**62]))
    state = count_rankings(run, judged)
    assert state.per_item("id").tolist() == [-5, 2**61]
    assert state.per_item("rank").tolist() == [2, 3]
    as_dicts = {2**61: dict(zip(far, [4, 3, 2, 1], strict=True)), -5: far[::-1]}
    assert count_rankings(as_dicts, {-5: [2**62], 2**61: 2**62}).to_bytes() == state.to_bytes()


@settings(max_examples=60)
@given(st.lists(judged_rankings(), min_size=1, max_size=5), st.sampled_from(ORDERED), st.data())
def test_tables_equal_dictionaries(items, convention: str, data) -> None:
    run = {f"q{i}": ranked for i, (ranked, _) in enumerate(items)}
    judged = {f"q{i}": own for i, (_, own) in enumerate(items) if own}
    scores = {
        q: r if isinstance(r, dict) else {d: -i for i, d in enumerate(r)} for q, r in run.items()
    }
    scores = {q: r for q, r in scores.items() if r}
    if not scores or not judged:
        return
    expected = count_rankings(scores, judged, convention=convention, complete=True)
    rows = data.draw(st.permutations(list(zip(*columns(scores), strict=True))))
    if CONVENTIONS[convention].ties == "index":  # the order of rows is the order of ties
        rows = list(zip(*columns(scores), strict=True))
    table = tuple(list(column) for column in zip(*rows, strict=True))
    found = count_rankings(table, columns(judged), convention=convention, complete=True)
    assert found.to_bytes() == expected.to_bytes()


def test_names_and_numbers_of_queries_are_told_apart() -> None:
    run = {1: ["a", "b"], "1": ["b", "a"], "q": ["a"]}
    state = count_rankings(run, dict.fromkeys(run, "a"))
    assert state.per_item("query").tolist() in ([1, "1", "q"], ["1", 1, "q"])
    assert dict(zip(state.per_item("query"), state.per_item("rank"), strict=True)) == {
        1: 1.0, "1": 2.0, "q": 1.0,
    }  # fmt: skip
    assert State.from_bytes(state.to_bytes()).to_bytes() == state.to_bytes()


def test_groups() -> None:
    run = {"p": ["a"], "q": ["b", "a"], "r": ["c"]}
    relevant = {"p": "a", "q": "a", "r": "a"}
    for by in ({"set": {"p": 1, "q": 2, "r": 1}}, {"set": [1, 2, 1]}):
        state = count_rankings(run, relevant, by=by)
        assert state.as_dict()["set_1/mrr"] == 0.5
        assert state.as_dict()["set_2/mrr"] == 0.5
        assert state["mrr"] == 0.5
        assert [g["queries"] for g in state.groups.values()] == [2, 1]
    part = count_rankings(run, {"q": "a"}, by={"set": ["x", "y", "z"]})
    assert list(part.groups) == [("y",)]
