"""count_ranks in parts: batches of queries, shards of a gallery and slices of pairs add up."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import InputError, MergeError
from assay.core.state import State
from assay.metrics.ranks import PartialRanks, count_ranks, same_label, target_scores
from rankings_kit import embeddings

# -- batches of queries ----------------------------------------------------------------------------


def test_batches_of_queries_add_and_keep_their_ids() -> None:
    rng = np.random.default_rng(5)
    x, y = embeddings(rng, 30, 50)
    relevant = rng.integers(0, 50, 30)
    ids = rng.permutation(1000)[:30]
    whole = count_ranks(x, y, relevant, query_ids=ids)
    parts = [
        count_ranks(x[part], y, relevant[part], query_ids=ids[part])
        for part in (slice(0, 1), slice(1, 17), slice(17, 30))
    ]
    assert (parts[2] + parts[0] + parts[1]).to_bytes() == whole.to_bytes()
    with pytest.raises(MergeError, match="ids in common"):
        whole + parts[0]
    two_way = [
        count_ranks(x[p], y, relevant[p], query_ids=ids[p], both_directions=True)
        for p in ([0], [1])
    ]
    with pytest.raises(MergeError, match="both rank the queries of gallery row 0"):
        two_way[0] + two_way[1]
    folds = [
        count_ranks(x[:4], y, [0, 1, 2, 3], query_ids=range(a, a + 4), both_directions=True,
                    gallery_ids=np.arange(a, a + 50))
        for a in (0, 100)
    ]  # fmt: skip
    assert (folds[0] + folds[1]).reverse["map"] == pytest.approx(folds[0].reverse["map"])
    assert (folds[0] + folds[1]).reverse["queries_without_relevant"] == 92


# -- shards of a gallery ---------------------------------------------------------------------------


@pytest.mark.parametrize("exclude", ["nothing", "lists", "groups"])
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 39), max_size=3))
@settings(deadline=None, max_examples=30)
def test_shards_of_a_gallery_add_up(exclude: str, seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    x, y = embeddings(rng, 6, 40)
    rows = [rng.choice(40, 3, replace=False).tolist() for _ in range(6)]
    relevant: Any = [dict(zip(r, (1, 0, 2), strict=True)) for r in rows] if seed % 2 else rows
    ids = rng.permutation(99)[:6]
    voices, takes = rng.integers(0, 3, 6), rng.integers(0, 3, 40)
    lists = [[*rng.choice(40, 4).tolist(), rows[i][0]] for i in range(6)]
    metric = ("dot", "cosine", "l2")[seed % 3]
    asked = {
        "metric": metric, "query_ids": ids, "both_directions": bool(seed % 5), "k": (2, 3),
        "convention": "trec", "directions": ("a", "b"),
    }  # fmt: skip
    hidden = {"nothing": None, "lists": lists, "groups": (voices, takes)}

    def of_shard(a: int, b: int) -> Any:
        return (voices, takes[a:b]) if exclude == "groups" else hidden[exclude]

    shards = list(itertools.pairwise(sorted({0, *cuts, 40})))
    scores = np.fmax.reduce(
        [target_scores(x, y[a:b], relevant, metric=metric, gallery_offset=a, query_ids=ids)
         for a, b in shards]
    )  # fmt: skip
    parts = [
        count_ranks(x, y[a:b], relevant, target_scores=scores, gallery_offset=a,
                    exclude=of_shard(a, b), **asked)
        for a, b in shards
    ]  # fmt: skip
    rng.shuffle(parts)
    total = sum(State.from_bytes(part.to_bytes()) for part in parts)
    assert isinstance(total, PartialRanks)
    voice = {"voice": voices}
    whole = count_ranks(x, y, relevant, exclude=hidden[exclude], by=voice, **asked)
    assert total.finish(by=voice).to_bytes() == whole.to_bytes()


def test_shards_of_other_pairs_do_not_add() -> None:
    x, y = embeddings(np.random.default_rng(6), 2, 4)
    scores = target_scores(x, y, [0, 3])
    one = count_ranks(x, y[:2], [0, 3], target_scores=scores)
    other = target_scores(x, y, [0, 2])
    for rest, k in (([0, 2], (1, 5, 10)), ([0, 3], 2)):
        known = other if rest == [0, 2] else scores
        two = count_ranks(x, y[2:], rest, target_scores=known, gallery_offset=2, k=k)
        with pytest.raises(MergeError, match="differs"):
            one + two


def test_target_scores_are_those_of_the_vectors() -> None:
    x, y = embeddings(np.random.default_rng(6), 2, 4)
    scores = target_scores(x, y, [0, 3])
    with pytest.raises(InputError, match=r"that of pair 0 is .*, but dot gives .*; take target_sc"):
        count_ranks(x, y, [0, 3], target_scores=scores, metric="dot")
    with pytest.raises(InputError, match="that of pair 1 is inf, but cosine gives"):
        count_ranks(x, y, [0, 3], target_scores=[scores[0], np.inf])


def test_an_empty_shard_changes_nothing() -> None:
    x, y = embeddings(np.random.default_rng(7), 3, 5)
    none = y[:0]
    assert np.isnan(target_scores(x, none, [0, 3, 4], gallery_offset=5)).all()
    scores = target_scores(x, y, [0, 3, 4])
    asked = {"target_scores": scores, "both_directions": True}
    parts = [count_ranks(x, y, [0, 3, 4], **asked),
             count_ranks(x, none, [0, 3, 4], gallery_offset=5, **asked)]  # fmt: skip
    whole = count_ranks(x, y, [0, 3, 4], both_directions=True)
    assert sum(parts).finish().to_bytes() == whole.to_bytes()


def test_a_shard_is_added_once() -> None:
    x, y = embeddings(np.random.default_rng(6), 2, 6)
    scores = target_scores(x, y, [0, 3])

    def shard(a: int, b: int, both: bool) -> PartialRanks:
        return count_ranks(
            x, y[a:b], [0, 3], target_scores=scores, gallery_offset=a, both_directions=both
        )

    one, two, three = (shard(a, a + 2, False) for a in (0, 2, 4))
    assert (one + two + three).finish(rows=6)["queries"] == 2
    for wrong, message in (
        (one + three, "a shard begins with row 4 where 2 is next; add each shard"),
        (two + three, "a shard begins with row 2 where 0 is next"),
        (one + two + shard(3, 6, False), "a shard begins with row 3 where 4 is next"),
        (one, "row 3, relevant to query 1, is in no shard that was added; they have 2 rows"),
    ):
        with pytest.raises(InputError, match=message):
            wrong.finish()
    with pytest.raises(InputError, match="the shards added have 4 rows of 6"):
        (one + two).finish(rows=6)
    for both in (True, False):
        with pytest.raises(MergeError, match="the shard that begins with row 4 was added already"):
            shard(4, 6, both) + shard(4, 6, both)
    with pytest.raises(InputError, match="no shard of the gallery was added"):
        PartialRanks.zero().finish()
    with pytest.raises(InputError, match="k: 7 is more than the 6 rows of the gallery"):
        count_ranks(x, y, [0, 3], k=7)


# -- slices of many pairs --------------------------------------------------------------------------


def test_many_pairs_are_ranked_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    x, y = embeddings(rng, 30, 40)
    own, labels, voice = rng.integers(0, 3, 30), rng.integers(0, 3, 40), rng.choice(["a", "b"], 30)
    asked = {"query_ids": rng.permutation(99)[:30], "by": {"voice": voice}, "verify": 3}
    gains = [{int(j): 1.5 for j in np.flatnonzero(labels == c)} for c in own]
    takes = (rng.integers(0, 9, 30), rng.integers(0, 9, 40))
    lists = [rng.choice(40, 2).tolist() for _ in range(30)]
    both = {"both_directions": True, "directions": ("to", "fro"), "gallery_ids": np.arange(40) * 3}
    for relevant in (same_label(own, labels), gains):
        for exclude in (None, takes, lists):
            for options in (asked, {**asked, **both}):
                monkeypatch.undo()
                whole = count_ranks(x, y, relevant, exclude=exclude, **options)
                monkeypatch.setattr("assay.metrics.ranks.PAIRS", 50)
                sliced = count_ranks(x, y, relevant, exclude=exclude, **options)
                assert sliced.to_bytes() == whole.to_bytes()


def test_bad_rows_of_many_pairs_keep_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.metrics.ranks.PAIRS", 4)
    x, y = embeddings(np.random.default_rng(9), 8, 6)
    relevant = [[0, 1]] * 6 + [[0, 9]] + [[0, 1]]
    with pytest.raises(InputError, match=r"relevant\[6\]: gallery rows must be in 0..5, got 9"):
        count_ranks(x, y, relevant)
    x[7, 0] = np.nan
    with pytest.raises(InputError, match=r"query\[7\] holds NaN"):
        count_ranks(x, y, [[0, 1]] * 8)
    bare = [[0, 1]] * 6 + [[], [0]]
    with pytest.raises(InputError, match=r"query 6 has no relevant item \(1 of 8"):
        count_ranks(np.nan_to_num(x), y, bare, empty="error")
