"""count_ranks: the scores of whole rankings, in both directions, in every form of relevance."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.ragged import Ragged
from assay.core.state import State
from assay.metrics.ranks import count_ranks, same_label
from assay.metrics.retrieval import CONVENTIONS, count_rankings
from assay.ops.similarity import topk
from rankings_kit import embeddings


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


def test_groups_of_queries() -> None:
    rng = np.random.default_rng(7)
    x, y = embeddings(rng, 20, 30)
    relevant, voice = rng.integers(0, 30, 20), rng.choice(["a", "b"], 20)
    state = count_ranks(x, y, relevant, by={"voice": voice})
    for name in ("a", "b"):
        own = count_ranks(x[voice == name], y, relevant[voice == name])
        assert state.groups[name,]["map"] == own["map"]


# -- both directions -------------------------------------------------------------------------------


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
    own = r.per_item("average_precision").tolist()
    assert own == pytest.approx([sum(p) / 5 for p in precision], abs=1e-15)
    assert r.reverse["recall@1"] == 0.8
    assert r.reverse["recall@5"] == 1.0


# -- forms of relevance ----------------------------------------------------------------------------

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
