"""A gallery and queries cut anywhere, counted in any order: the bytes of one count of the whole."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import count_ranks, topk
from assay.core.errors import DataError, InputError
from assay.core.ragged import Ragged
from assay.metrics.rank_counts import RankCounts
from assay.metrics.relevance import Relevance
from assay.run.ranking_shards import (
    Queries,
    ahead,
    best_of,
    count_part,
    rank,
    scores_of_relevant,
)
from assay.run.totals import LISTED, Total

Q, G, D = 7, 23, 3


class Cut:
    """A gallery in blocks that begin where it is told."""

    def __init__(self, vectors, cuts):
        self.vectors, self.cuts = vectors, [0, *sorted(set(cuts)), len(vectors)]

    def __len__(self):
        return len(self.vectors)

    def blocks(self):
        return ((a, self.vectors[a:b]) for a, b in pairwise(self.cuts) if b > a)

    def take(self, rows):
        for part in np.array_split(rows, 2):
            if len(part):
                yield part, self.vectors[part]


def example(seed, floats):
    """Few values, so that scores are equal often; floats, so that sums round."""
    rng = np.random.default_rng(seed)
    size = (Q + G, D)
    rows = rng.standard_normal(size) if floats else rng.integers(1, 3, size)
    rows = rows.astype(np.float32)
    judged = rng.random((Q, G)) < 0.2
    relevant = Ragged.from_lengths(np.nonzero(judged)[1], judged.sum(1))
    gains = rng.integers(0, 4, relevant.values.size).astype(float)
    return rows[:Q], rows[Q:], Relevance(relevant, gains)


def of_queries(query, own, start, stop, exclude=False):
    ids = np.arange(start, stop)
    part = own.of_queries(start, stop)
    return Queries(query[start:stop], ids, part.rows, part, ids if exclude else None)


cuts = st.lists(st.integers(1, G - 1), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 99),
    floats=st.booleans(),
    at=cuts,
    of=st.lists(st.integers(1, Q - 1), max_size=3),
    metric=st.sampled_from(["cosine", "dot", "l2"]),
    exclude=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_any_cut_of_both_sides_is_the_whole(seed, floats, at, of, metric, exclude, order):
    query, gallery, own = example(seed, floats)
    options = {"metric": metric, "k": (1, 3), "convention": "trec"}
    whole = count_ranks(query, gallery, own, exclude=np.arange(Q) if exclude else None, **options)
    parts = []
    for start, stop in pairwise([0, *sorted(set(of)), Q]):
        queries = of_queries(query, own, start, stop, exclude)
        cut = Cut(gallery, at)
        scores = scores_of_relevant(count_ranks, queries, cut, metric)
        blocks = [*cut.blocks()]
        order.shuffle(blocks)
        # every block as if on a machine of its own
        counted = [count_part(count_ranks, queries, [block], scores, **options) for block in blocks]
        parts.append(reduce(lambda a, b: a + b, counted).finish(rows=G))
        assert rank(count_ranks, queries, cut, **options).to_bytes() == parts[-1].to_bytes()
    order.shuffle(parts)
    assert sum(parts).to_bytes() == whole.to_bytes()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    floats=st.booleans(),
    at=cuts,
    k=st.integers(1, G),
    order=st.randoms(use_true_random=False),
)
def test_the_best_of_blocks_are_the_best_of_all(seed, floats, at, k, order):
    query, gallery, _ = example(seed, floats)
    blocks = [*Cut(gallery, at).blocks()]
    order.shuffle(blocks)
    scores, index = best_of(lambda rows, n: topk(query, rows, n, metric="dot"), blocks, k)
    whole = topk(query, gallery, k, metric="dot")
    assert index.tolist() == whole.index.tolist()
    assert scores.tolist() == whole.scores.tolist()


def test_a_missing_block_is_seen():
    query, gallery, own = example(1, True)
    queries, cut = of_queries(query, own, 0, Q), Cut(gallery, [5, 11])
    scores = scores_of_relevant(count_ranks, queries, cut, "dot")
    blocks = [*cut.blocks()]
    for lost in range(3):
        some = blocks[:lost] + blocks[lost + 1 :]
        with pytest.raises(InputError, match="finish: "):
            count_part(count_ranks, queries, some, scores, metric="dot").finish(rows=G)


def test_a_bad_row_has_its_number_in_the_whole():
    query, gallery, own = example(1, True)
    cut, queries = Cut(gallery, [5, 11]), of_queries(query, own, 2, Q)
    gallery[13, 1] = np.nan
    with pytest.raises(InputError, match=r"^gallery\[13\] holds NaN"):
        rank(count_ranks, queries, cut, metric="dot")
    gallery[13, 1] = 0
    query[4] = np.inf
    with pytest.raises(InputError, match=r"^query\[4\] holds NaN"):
        rank(count_ranks, of_queries(query, own, 2, Q), cut, metric="dot")
    beyond = Ragged.from_lengths(np.array([G]), np.array([1]))
    with pytest.raises(InputError, match=rf"must be in 0\.\.{G - 1}, got {G}"):
        scores_of_relevant(count_ranks, Queries(query[:1], [0], beyond, beyond), cut, "dot")


def test_an_error_of_a_block_is_raised_at_its_place():
    def blocks():
        yield 0
        yield 1
        raise DataError("gone")

    found = ahead(blocks())
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(DataError, match="gone"):
        next(found)
    with pytest.raises(InputError, match="the gallery is empty"):
        best_of(lambda rows, k: (rows, rows), [], 1)


def test_ranks_keep_their_rows_however_many_there_are():
    n = LISTED // 2 + 1

    def part(size):
        pairs = np.zeros(size, np.int64)
        ids, ends = np.arange(size), np.arange(size + 1)
        return Total(size, {"ranks": RankCounts.from_pairs(ids, ends, ids, None, *[pairs] * 3, 1)})

    added = part(n) + part(n)
    state = added.states["ranks"]
    assert len(state.queries) == len(state.pairs) == 2 * n
    assert sorted(state.queries[:, 0]) == [*range(2 * n)]
    assert state["recall@1"] == 1


def test_queries_with_names_are_not_numbered_on():
    numbers = {"a": 500, "b": 3, "c": 77}

    def part(name):
        state = RankCounts.from_pairs(
            [numbers[name]], [0, 1], [0], None, [0], [0], [0], 5, names=[name]
        )
        return Total(1, {"ranks": state})

    state = reduce(lambda a, b: a + b, map(part, "cab")).states["ranks"]
    assert state.per_item("query").tolist() == ["a", "b", "c"]
    assert sorted(state.pairs[:, 0]) == [3, 77, 500]
