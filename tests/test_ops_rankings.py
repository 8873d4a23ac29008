"""Where judged items stand in rankings: the compiled counts against plain NumPy."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.ops import _ranking_kernels as kernels
from assay.ops import rankings

NO_KEYS = np.zeros(0, np.int64)


def plain(scores, keys, marked, unwanted):
    """Rows above, equal before and after, and unwanted judged rows before, of each marked row."""
    order = np.lexsort((keys, -scores))
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    above = [int(np.sum(scores > scores[row])) for row in marked]
    equal = [int(np.sum(scores == scores[row])) for row in marked]
    bad = [
        sum(
            bool(flag) and rank[other] < rank[row]
            for other, flag in zip(marked, unwanted, strict=True)
        )
        for row in marked
    ]
    return [
        [a, rank[row] - a, e - 1 - (rank[row] - a), b]
        for row, a, e, b in zip(marked, above, equal, bad, strict=True)
    ]


@pytest.mark.parametrize("few", [0, 3, kernels.FEW_JUDGED])
@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("values", [1, 3, 10**6])
def test_both_ways_of_counting_equal_plain_numpy(few: int, keyed: bool, values: int) -> None:
    # Where judged items are few all are compared, else rows are looked up among them.
    rng = np.random.default_rng([few, keyed, values])
    starts, stops, bounds, scores, marks = [], [], [0], [], []
    for _ in range(120):
        n = int(rng.integers(0, 40))
        starts.append(len(scores))
        scores += (rng.integers(-values, values, n) / 2).tolist()
        stops.append(len(scores))
        few_or_many = rng.permutation(n)[: rng.integers(0, (n if few == 0 else few) + 1)]
        marks += (few_or_many + starts[-1]).tolist()
        bounds.append(len(marks))
    scores, marks, bounds = np.array(scores), np.array(marks, np.int64), np.array(bounds)
    keys = rng.permutation(len(scores)) - 50 if keyed else np.arange(len(scores))
    unwanted = rng.random(len(marks)) < 0.4
    absent = rng.random(len(marks)) < 0.2
    found, nan = rankings.place(
        scores, keys if keyed else NO_KEYS, np.array(starts), np.array(stops),
        np.where(absent, np.nan, scores[marks]), keys[marks], bounds, unwanted,
    )  # fmt: skip
    assert nan == -1
    table = np.stack(found, axis=1)
    assert (table[absent] == -1).all()
    for q, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        own = np.arange(bounds[q], bounds[q + 1])[~absent[bounds[q] : bounds[q + 1]]]
        expected = plain(scores[start:stop], keys[start:stop], marks[own] - start, unwanted[own])
        assert table[own].tolist() == expected


@pytest.mark.parametrize("judged", [kernels.FEW_JUDGED + 1, kernels.SMALL, kernels.SMALL + 1])
@pytest.mark.parametrize("spread", ["ulps", "tied", "huge"])
@pytest.mark.parametrize("others", [0, 200])
def test_scores_that_are_one_float32(judged: int, spread: str, others: int) -> None:
    rng = np.random.default_rng(judged)
    n = judged + others
    scores = {
        "ulps": 1 + rng.integers(0, 400, n) * 2.0**-52,
        "tied": rng.integers(0, 3, n).astype(float),
        "huge": rng.choice([1e300, 2e300, 3e300, -1e300, np.inf, -np.inf, 0.0], n),
    }[spread]
    marked = rng.permutation(n)[:judged]
    unwanted = rng.random(judged) < 0.5
    keys = rng.permutation(n)
    found, _ = rankings.place(
        scores, keys, np.array([0]), np.array([n]), scores[marked], keys[marked],
        np.array([0, judged]), unwanted,
    )  # fmt: skip
    assert np.stack(found, axis=1).tolist() == plain(scores, keys, marked, unwanted)


@pytest.mark.parametrize("keyed", [False, True])
def test_many_judged_items_of_a_long_ranking(keyed: bool) -> None:
    rng = np.random.default_rng(1)
    n = 5000
    scores = rng.integers(0, 900, n).astype(float)
    marked = rng.permutation(n)[:700]
    assert len(marked) > kernels.FEW_JUDGED
    unwanted = rng.random(700) < 0.5
    keys = rng.permutation(n) - 99 if keyed else np.arange(n)
    found, _ = rankings.place(
        scores, keys if keyed else NO_KEYS, np.array([0]), np.array([n]),
        scores[marked], keys[marked], np.array([0, 700]), unwanted,
    )  # fmt: skip
    expected = plain(scores, keys, marked, unwanted)
    assert np.stack(found, axis=1).tolist() == expected
    if keyed:
        found, _ = rankings.place(
            scores, keys, np.array([0]), np.array([n]), scores[marked], keys[marked],
            np.array([0, 700]), unwanted, descending=True,
        )  # fmt: skip
        assert np.stack(found, axis=1).tolist() == plain(scores, -keys, marked, unwanted)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    queries, depth = 64, 1000
    items = np.concatenate([rng.permutation(depth) for _ in range(queries)])
    scores = rng.integers(0, 50, queries * depth).astype(float)
    starts = np.arange(queries) * depth
    judged = np.concatenate([rng.permutation(2 * depth)[:20] for _ in range(queries)])
    bounds = np.arange(queries + 1) * 20
    found = []
    for threads in ("1", "2", "7"):
        monkeypatch.setenv("ASSAY_THREADS", threads)
        rows, twice = rankings.locate(items, starts, starts + depth, 2 * depth, judged, bounds)
        assert twice == -1
        own = np.where(rows >= 0, scores[rows], np.nan)
        placed, _ = rankings.place(
            scores, NO_KEYS, starts, starts + depth, own, rows, bounds, np.zeros(len(own), bool)
        )
        found.append([rows.tolist(), *(column.tolist() for column in placed)])
    assert found[0] == found[1] == found[2]
    for q in range(queries):
        for j in range(bounds[q], bounds[q + 1]):
            if judged[j] < depth:
                assert items[rows[j]] == judged[j]
                assert q * depth <= rows[j] < (q + 1) * depth
            else:
                assert rows[j] == -1


def test_what_stands_twice_or_is_no_number() -> None:
    items = np.array([1, 2, 3, 2, 1, 2, 2])
    starts, stops, none = np.array([0, 3, 3, 5]), np.array([3, 3, 5, 7]), NO_KEYS
    rows, twice = rankings.locate(items, starts, stops, 4, none, np.zeros(5, np.int64))
    assert (rows.tolist(), twice) == ([], 6)
    # Rankings that do not follow each other.
    order = [2, 0, 1]
    judged = np.array([1, 3, 2])
    rows, twice = rankings.locate(
        items, starts[order], stops[order], 4, judged, np.array([0, 1, 3, 3])
    )
    assert (rows.tolist(), twice) == ([4, 2, 1], -1)
    scores = np.array([1, np.inf, np.nan, -np.inf, 0, 0, np.nan])
    for judged_rows in ([], [0] * 200):
        p = len(judged_rows)
        _, nan = rankings.place(
            scores, none, np.array([0, 3]), np.array([3, 7]), scores[judged_rows],
            np.array(judged_rows, np.int64), np.array([0, p, p]), np.zeros(p, bool),
        )  # fmt: skip
        assert nan == 2


@settings(max_examples=100)
@given(st.lists(st.integers(-3, 3), max_size=12))
def test_rows_by_query(queries: list[int]) -> None:
    column = np.array(queries, np.int64) * 2**40
    order, distinct, bounds = rankings.by_query(column)
    assert (order is None) == (queries == sorted(queries))
    ordered = column if order is None else column[order]
    assert distinct.tolist() == sorted({q * 2**40 for q in queries})
    assert ordered.tolist() == sorted(column.tolist())
    for q, a, b in zip(distinct, bounds[:-1], bounds[1:], strict=True):
        assert set(ordered[a:b]) == {q}
        if order is not None:
            assert order[a:b].tolist() == sorted(order[a:b])
    assert bounds[-1] == len(queries)


def test_many_queries_at_once() -> None:
    column = np.repeat(np.arange(5000), 3)
    order, distinct, bounds = rankings.by_query(column)
    assert order is None
    assert distinct.tolist() == list(range(5000))
    assert np.array_equal(bounds, np.arange(5001) * 3)
    order, again, same = rankings.by_query(column[::-1].copy())
    assert np.array_equal(again, distinct)
    assert np.array_equal(same, bounds)
    assert column[::-1][order].tolist() == column.tolist()


def test_equal_rows_keep_their_order() -> None:
    for n in (5, kernels.SMALL):  # a sort that counts would put equals in one place
        order = rankings.order_within(np.array([0, n]), np.zeros(n), np.zeros(n, np.int64))
        assert order.tolist() == [*range(n)]


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(-2, 2), max_size=6), max_size=4))
def test_repeats_and_order_within_slices(slices: list[list[int]]) -> None:
    values = np.array([v for own in slices for v in own], np.int64)
    bounds = np.cumsum([0, *map(len, slices)])
    expected, at = -1, 0
    for own in slices:
        for i, v in enumerate(own):
            if expected < 0 and v in own[:i]:
                expected = at + i
        at += len(own)
    assert rankings.first_repeat(values * 2**33, bounds) == expected
    keys = np.arange(len(values))[::-1].copy()
    order = rankings.order_within(bounds, values.astype(float), keys)
    sorted_rows = [
        sorted(range(a, b), key=lambda i: (-values[i], keys[i])) for a, b in pairwise(bounds)
    ]
    assert order.tolist() == [i for own in sorted_rows for i in own]


def test_codes() -> None:
    names, (a, b) = rankings.codes((["b", "é", "a"], pa.array(["Z", "b"])), "x")
    assert names.to_pylist() == ["Z", "a", "b", "é"]
    assert (a.tolist(), b.tolist()) == ([2, 3, 1], [0, 2])
    names, (a, b) = rankings.codes((np.array([7, -1], np.int8), [2**40]), "x")
    assert names is None
    assert (a.tolist(), b.tolist(), a.dtype) == ([7, -1], [2**40], np.int64)
    names, (a, b) = rankings.codes((["x"], []), "x")
    assert (names.to_pylist(), a.tolist(), b.tolist()) == (["x"], [0], [])
    with pytest.raises(InputError, match=r"^x must fit in int64, got 18446744073709551615$"):
        rankings.codes((np.array([2**64 - 1], np.uint64), [1]), "x")
    size, (a, b) = rankings.dense(np.array([5, 7]), np.array([6]))
    assert (size, a.tolist(), b.tolist()) == (3, [0, 2], [1])
    size, (a, b) = rankings.dense(np.array([-(2**60), 2**60]), np.array([0, 2**60]))
    assert (size, a.tolist(), b.tolist()) == (3, [0, 2], [1, 2])
    assert rankings.dense(NO_KEYS, NO_KEYS)[0] == 0


def test_ids_of_names_stay_what_they_are() -> None:
    # A change makes states written before and after it disagree about who is who.
    assert rankings.stable_id("q7") == 8455530765207122801
    assert rankings.stable_id(-3) == rankings.stable_id(np.int32(-3)) == -3
    assert rankings.stable_id("-3") != -3
    assert len({rankings.stable_id(f"doc{i}") for i in range(50_000)}) == 50_000
    assert all(0 <= rankings.stable_id(f"{i}") < 2**63 for i in range(100))


def test_sums_over_ties() -> None:
    a, b, c = rankings.tied_sums(np.array([0, 4, 9]), np.array([3, 0, 2]))
    assert a.tolist() == pytest.approx([1 + 1 / 2 + 1 / 3, 0, 1 / 10 + 1 / 11])
    assert b.tolist() == pytest.approx([1 / 2 + 2 / 3, 0, 1 / 11])
    assert c.tolist() == pytest.approx([sum(1 / np.log2(i + 1) for i in (1, 2, 3)), 0,
                                        1 / np.log2(11) + 1 / np.log2(12)])  # fmt: skip
    # Two marked of three at 1, 2, 3: first at 1 in two of three orders, else at 2.
    first = rankings.tied_first(*(np.array([v, v]) for v in (0, 3, 2)), np.array([3, 1]))
    assert first.tolist() == pytest.approx([2 / 3 + 1 / 3 / 2, 2 / 3])
