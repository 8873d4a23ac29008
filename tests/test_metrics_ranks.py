"""count_ranks: against the same metrics of whole rankings, and in every form of relevance."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import InputError, MergeError
from assay.core.ragged import Ragged
from assay.core.state import State
from assay.metrics.ranks import (
    PartialRanks,
    count_ranks,
    same_label,
    target_scores,
)
from assay.metrics.retrieval import CONVENTIONS, count_rankings
from assay.ops.similarity import topk


def embeddings(rng: Any, q: int, g: int, d: int = 3) -> tuple[Any, Any]:
    """Small integers: many scores are tied."""
    x, y = rng.integers(-2, 3, (q, d)).astype(float), rng.integers(-2, 3, (g, d)).astype(float)
    x[:, 0], y[:, 0] = 3, 3
    return x, y


def ranking_of(x: Any, y: Any, metric: str, out: Any = None) -> dict[int, dict[int, float]]:
    """Every row with its score, in order of rows, as a given run."""
    found = topk(x, y, len(y), metric=metric)
    runs = {}
    for i, (rows, scores) in enumerate(zip(found.index, found.scores, strict=True)):
        pairs = sorted(
            zip(rows.tolist(), (-scores if metric == "l2" else scores).tolist(), strict=True)
        )
        runs[i] = {j: s for j, s in pairs if out is None or j not in out[i]}
    return runs


def same_scores(ours: Any, truth: Any) -> None:
    def plain(state: Any) -> dict[str, Any]:
        return {name: repr(value) for name, value in state.as_dict().items()}

    assert plain(ours) == plain(truth)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("metric", ["cosine", "l2"])
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=15)
def test_equals_the_metrics_of_the_whole_ranking(convention: str, metric: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q, g = int(rng.integers(1, 8)), int(rng.integers(1, 30))
    x, y = embeddings(rng, q, g)
    gains = [
        {int(j): float(rng.integers(0, 4)) for j in rng.choice(g, rng.integers(0, g + 1), False)}
        for _ in range(q)
    ]
    out = [set(rng.choice(g, rng.integers(0, 3)).tolist()) for _ in range(q)]
    k = [cut for cut in (1, 3, 10) if cut <= g]
    for excluded in (None, out):
        ours = count_ranks(
            x, y, gains, metric=metric, convention=convention, k=k,
            exclude=None if excluded is None else [sorted(row) for row in excluded],
        )  # fmt: skip
        left = [
            {j: v for j, v in row.items() if excluded is None or j not in excluded[i]}
            for i, row in enumerate(gains)
        ]
        truth = count_rankings(
            ranking_of(x, y, metric, excluded), dict(enumerate(left)),
            convention=convention, k=k,
        )  # fmt: skip
        same_scores(ours, truth)


def test_both_directions_are_two_counts() -> None:
    rng = np.random.default_rng(1)
    x, y = embeddings(rng, 12, 20)
    relevant = [[i, i + 1] for i in range(12)]
    both = count_ranks(
        x, y, relevant, both_directions=True, directions=("audio_to_text", "text_to_audio")
    )
    turned: list[list[int]] = [[] for _ in range(20)]
    for i, rows in enumerate(relevant):
        for j in rows:
            turned[j].append(i)
    same_scores(both.reverse, count_ranks(y, x, turned))
    assert both["map"] == count_ranks(x, y, relevant)["map"]
    names = both.as_dict()
    assert names["audio_to_text/map"] == both["map"]
    assert names["text_to_audio/recall_at_1"] == both.reverse["recall@1"]
    assert State.from_bytes(both.to_bytes()).to_bytes() == both.to_bytes()


def test_five_captions_a_clip_both_directions() -> None:
    """Worked by hand: clip 0 finds a caption of its own second, clip 1 first; four captions of
    each clip find it first."""
    clips = np.array([[1.0, 0.0], [0.0, 1.0]])
    captions = np.array([[0.6, 0.8], *[[0.9, 0.1]] * 4, [0.99, 0.01], *[[0.1, 0.9]] * 4])
    relevant = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    r = count_ranks(clips, captions, relevant, both_directions=True)
    assert r.per_item("rank").tolist() == [2.0, 1.0]
    assert (r["recall@1"], r["recall@5"]) == (0.5, 1.0)
    precision = [1 / 2, 2 / 3, 3 / 4, 4 / 5, 5 / 6], [1, 2 / 2, 3 / 3, 4 / 4, 5 / 10]
    first = sum(precision[0]) / 5
    own = r.per_item("average_precision")
    assert own[0] == pytest.approx(first, abs=1e-15)
    assert r.reverse["recall@1"] == 0.8
    assert r.reverse["recall@5"] == 1.0


FORMS = {
    "indices": [2, 0, 1],
    "array": np.array([2, 0, 1]),
    "table": np.array([[2], [0], [1]], np.int16),
    "tensor": torch.tensor([2, 0, 1]),
    "lists": [[2], [0], [1]],
    "sets": [{2}, {0}, {1}],
    "arrays": [np.array([2]), np.array([0]), np.array([1])],
    "gains": [{2: 1}, {0: 1}, {1: 1}],
    "ragged": Ragged.from_lengths(np.array([2, 0, 1]), np.ones(3, int)),
    "mapping": {0: 2, 1: [0], 2: {1: 1.0}},
    "pandas": pd.DataFrame({"query": [0, 1, 2], "item": [2, 0, 1]}),
    "arrow": pa.table({"query": [2, 1, 0], "item": [1, 0, 2], "gain": [1.0, 1.0, 1.0]}),
    "labels": same_label(["c", "a", "b"], ["a", "b", "c"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_relevance(form: str) -> None:
    x, y = embeddings(np.random.default_rng(2), 3, 3)
    found = count_ranks(x, y, FORMS[form])
    plain = count_ranks(x, y, [2, 0, 1])
    for name in ("map", "mrr", "recall@1", "mean_rank"):
        assert found[name] == plain[name]


def test_labels_with_many_rows_and_none() -> None:
    rng = np.random.default_rng(3)
    x, y = embeddings(rng, 30, 200)
    labels, own = rng.integers(0, 5, 200), rng.integers(0, 6, 30)
    lists = [np.flatnonzero(labels == label) for label in own]
    a, b = count_ranks(x, y, same_label(own, labels)), count_ranks(x, y, lists)
    assert a.to_bytes() == b.to_bytes()
    assert a["queries_without_relevant"] == (own == 5).sum()


def test_a_gallery_that_holds_the_queries() -> None:
    """Each item is not there for itself, nor relevant to itself; likewise for groups."""
    rng = np.random.default_rng(4)
    x, _ = embeddings(rng, 40, 1)
    labels, takes = rng.integers(0, 4, 40), np.repeat(np.arange(20), 2)
    itself = count_ranks(x, x, same_label(labels, labels), exclude=np.arange(40))
    lists = [[j for j in np.flatnonzero(labels == labels[i]) if j != i] for i in range(40)]
    truth = count_rankings(
        ranking_of(x, x, "cosine", [{i} for i in range(40)]), dict(enumerate(lists))
    )
    same_scores(itself, truth)
    grouped = count_ranks(
        x, x, same_label(labels, labels), exclude=(takes, takes), both_directions=True
    )
    out = [set(np.flatnonzero(takes == takes[i]).tolist()) for i in range(40)]
    lists = [[j for j in np.flatnonzero(labels == labels[i]) if j not in out[i]] for i in range(40)]
    truth = count_rankings(ranking_of(x, x, "cosine", out), dict(enumerate(lists)))
    same_scores(grouped.reverse, truth)


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


def test_a_table_of_gains_is_the_same_as_lists_of_them() -> None:
    rng = np.random.default_rng(8)
    x, y = embeddings(rng, 50, 60)
    ids = rng.permutation(1000)[:50]
    query, item = rng.choice(ids, 400), rng.integers(0, 60, 400)
    pairs = {(q, j): float(rng.integers(0, 4)) for q, j in zip(query, item, strict=True)}
    table = pa.table({
        "query": [q for q, _ in pairs], "item": [j for _, j in pairs], "gain": list(pairs.values())
    })  # fmt: skip
    lists: dict[int, dict[int, float]] = {}
    for (q, j), gain in pairs.items():
        lists.setdefault(int(q), {})[int(j)] = gain
    a = count_ranks(x, y, table, query_ids=ids, convention="trec")
    assert a.to_bytes() == count_ranks(x, y, lists, query_ids=ids, convention="trec").to_bytes()


def test_groups_of_queries() -> None:
    rng = np.random.default_rng(7)
    x, y = embeddings(rng, 20, 30)
    relevant, voice = rng.integers(0, 30, 20), rng.choice(["a", "b"], 20)
    state = count_ranks(x, y, relevant, by={"voice": voice})
    for name in ("a", "b"):
        own = count_ranks(x[voice == name], y, relevant[voice == name])
        assert state.groups[name,]["map"] == own["map"]


GOOD = np.ones((3, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_ranks(GOOD, GOOD, [0, 1]), "relevant must have 3 rows, one a query, got 2"),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 3]),
            r"relevant\[2\]: gallery rows must be in 0..2, got 3",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, -1]),
            r"relevant\[2\]: gallery rows must be in 0..2, got -1",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [[0], [1, 1], []]),
            r"relevant\[1\]: row 1 stands there twice",
        ),
        (lambda: count_ranks(GOOD, GOOD, [[0], ["a"], []]), r"relevant\[1\] must be gallery rows"),
        (lambda: count_ranks(GOOD, GOOD, {7: [0]}), "relevant: there is no query 7"),
        (
            lambda: count_ranks(GOOD, GOOD, pd.DataFrame({"q": [1], "item": [1]})),
            r"relevant must have columns query and item, there are \['q', 'item'\]",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, pa.table({"query": [0, 0], "item": [1, 1]})),
            "relevant: query 0 has row 1 twice",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, same_label("ab", "abc")),
            "labels of queries must be a column",
        ),
        (lambda: same_label(["a"], [1]), "labels must be of one kind"),
        (
            lambda: count_ranks(GOOD, GOOD, same_label(["a", "b"], ["a", "b", "c"])),
            "same_label: labels of 3 queries are needed, got 2",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], exclude=([1, 2], [1, 2, 3])),
            "exclude: groups of 3 queries are needed, got 2",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], query_ids=[1, 2]),
            "query_ids must be 3 integers",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], convention="mine"),
            "convention must be one of",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], target_scores=[1.0, np.nan, 1.0]),
            "target_scores: that of pair 1 is NaN; put those of all shards together first",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], target_scores=[1.0]),
            r"target_scores must be one for each of 3 relevant pairs, got shape \(1,\)",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, pd.DataFrame({"query": [0], "item": [1], "good": [0]})),
            r"relevant: no column gain among .*; name it so, or leave 'good' out",
        ),
        (lambda: same_label([0.0, np.nan], [1.0]), "label 1 of queries is missing"),
        (lambda: same_label(["a"], ["a", None]), "label 1 of the gallery is missing"),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], exclude=[0, 1]),
            "exclude must have 3 rows, one a query, got 2",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], exclude=["a", 1, 2]),
            r"exclude\[0\] must be gallery rows",
        ),
        (lambda: count_ranks(GOOD, GOOD, None), "relevant must be gallery rows of each of 3"),
        (lambda: count_ranks(GOOD, GOOD, [{0: "x"}, [], []]), "gains must be numbers"),
        (lambda: count_ranks(GOOD, GOOD, [{0: np.inf}, [], []]), "gains must be finite, got inf"),
        (
            lambda: count_ranks(GOOD, GOOD, [{0: 2000}, [], []], gain="exponential"),
            "2\\^2000 - 1 is beyond what can be added",
        ),
        (lambda: count_ranks(GOOD, GOOD, [0, 1, 2], k=1.5), "k must be whole numbers"),
        (lambda: count_ranks(GOOD, GOOD, [0, 1, 2], k=None), "k must be whole numbers"),
        (lambda: count_ranks(GOOD, GOOD, [0, 1, 2], by="a"), "by must be a mapping"),
        (lambda: count_ranks(GOOD, GOOD, [0, 1, 2], level="a"), "level must be at least 0"),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], both_directions=True, directions=("a",)),
            "directions must be two names",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], target_scores=["a", 1, 1]),
            "target_scores must be numbers",
        ),
        (
            lambda: target_scores(GOOD, GOOD, [0, 1, 2], gallery_offset=2.5),
            "gallery_offset must be a whole number of at least 0, got 2.5",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], gallery_offset=3),
            "gallery_offset needs the target_scores of all shards",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], target_scores=[1, 1, 1], by={"a": "xyz"}),
            r"by and gallery_ids go to finish\(\)",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], exclude=[[0], [3], []]),
            r"exclude\[1\]: gallery rows must be in 0..2, got 3",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, pa.table({"query": ["a"], "item": [1]})),
            "relevant: column query must be integers",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, pa.table({"query": [0, 9], "item": [1, 1]})),
            r"relevant: there is no query 9 \(1 of 2 are unknown\)",
        ),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
