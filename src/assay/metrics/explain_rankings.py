"""Rankings as an error explorer shows them: where the right answer stands, and what is above it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.core.errors import InputError
from assay.core.explained import Explained
from assay.metrics._ranking_tables import columns_of
from assay.metrics.explain_transcripts import groups_of
from assay.metrics.rank_conventions import CONVENTIONS
from assay.metrics.retrieval import count_rankings
from assay.ops import rankings as ops

__all__ = ["explain_rankings"]


def explain_rankings(
    rankings: Any,
    relevant: Any,
    *,
    shown: int = 10,
    level: float | None = None,
    names: Mapping[Any, Any] | None = None,
    by: Mapping[str, Any] | None = None,
) -> Explained:
    """For each judged query its best items, and where the relevant ones stand.

    rankings, relevant: as for count_rankings with convention "cross-modal": mappings of queries,
    or columns query, item and score or gain. Equal scores are in the order given. shown: how many
    of the best, and of the relevant ones, are kept. level: the least gain of a relevant item, by
    default any above 0. names: what people are shown for a query or an item. by: columns to filter
    by, {query: value}.

    Columns: `id`, the query; `rank` of its first relevant item, from 1, None where it has none in
    the ranking; `top`, the best items, and `scores` of them; `right`, relevant items, and `ranks`
    of them, the best first; `depth`, how many were ranked. The worst have no rank, then the
    largest. Queries without relevant items are left out. Errors as of count_rankings.

    >>> run = {"q": {"a": 0.9, "b": 0.5, "c": 0.1}}
    >>> rows = explain_rankings(run, {"q": ["b", "x"]}).columns
    >>> rows["rank"], rows["top"], rows["right"], rows["ranks"]
    ([2], [['a', 'b', 'c']], [['b', 'x']], [[2, None]])
    """
    if shown < 1:
        raise InputError(f"shown must be at least 1, got {shown}")
    count_rankings(rankings, relevant, k=1, ties="index", level=level)  # says what is wrong
    level = CONVENTIONS["cross-modal"].level if level is None else level
    run_query, run_item, score = columns_of(rankings, "rankings", "score")
    own_query, own_item, gain = columns_of(relevant, "relevant", "gain")
    if isinstance(rankings, Mapping) and not any(isinstance(r, Mapping) for r in rankings.values()):
        score = None  # places alone
    query_names, (run_query, own_query) = ops.codes((run_query, own_query), "queries")
    item_names, (run_item, own_item) = ops.codes((run_item, own_item), "items")
    n = len(run_item)
    scores = -np.arange(n, dtype=np.float64) if score is None else np.asarray(score, np.float64)
    order = np.lexsort((-scores, run_query))  # stable: equal scores as given
    run_query, run_item, scores = run_query[order], run_item[order], scores[order]
    if gain is not None:
        gains = np.asarray(gain, np.float64)
        kept = (gains > 0) & (gains >= level)
        own_query, own_item = own_query[kept], own_item[kept]
    own_order = np.argsort(own_query, kind="stable")
    own_query, own_item = own_query[own_order], own_item[own_order]
    queries = np.unique(own_query)
    if isinstance(rankings, Mapping):  # an empty ranking has no row, and finds nothing
        texts = queries.tolist() if query_names is None else query_names.take(queries).to_pylist()
        queries = queries[np.array([text in rankings for text in texts], bool)]
    else:
        queries = np.intersect1d(queries, run_query)
    starts, stops = (np.searchsorted(run_query, queries, side=s) for s in ("left", "right"))
    firsts, lasts = (np.searchsorted(own_query, queries, side=s) for s in ("left", "right"))
    size, (near, own_near) = ops.dense(run_item, own_item)
    sizes = lasts - firsts
    bounds = np.append(0, np.cumsum(sizes))
    rows = np.repeat(firsts - bounds[:-1], sizes) + np.arange(bounds[-1])
    places, _ = ops.locate(near, starts, stops, size, own_near[rows], bounds)
    called: dict[str, str] = {}

    def name_of(code: int, texts: Any) -> str | int:
        own = code if texts is None else texts[code].as_py()
        if names is not None and own in names:
            called[str(own)] = str(names[own])
        return own if isinstance(own, int) else str(own)

    columns: dict[str, list[Any]] = {name: [] for name in (
        "id", "rank", "top", "scores", "right", "ranks", "depth")}  # fmt: skip
    for q, query in enumerate(queries.tolist()):
        start, stop = int(starts[q]), int(stops[q])
        top = slice(start, min(stop, start + shown))
        found = places[bounds[q] : bounds[q + 1]]
        ranks = np.where(found >= 0, found - start + 1, stop - start + 1)
        best = np.argsort(ranks, kind="stable")[:shown]
        own_ranks = [int(ranks[i]) if found[i] >= 0 else None for i in best]
        columns["id"].append(name_of(query, query_names))
        columns["rank"].append(own_ranks[0])
        columns["top"].append([name_of(code, item_names) for code in run_item[top].tolist()])
        columns["scores"].append([] if score is None else scores[top].tolist())
        own = own_item[firsts[q] : lasts[q]]
        columns["right"].append([name_of(int(own[i]), item_names) for i in best])
        columns["ranks"].append(own_ranks)
        columns["depth"].append(stop - start)
    weight = np.array([np.inf if rank is None else rank for rank in columns["rank"]], np.float64)
    groups = {
        tag: [value.get(query) for query in columns["id"]] for tag, value in (by or {}).items()
    }
    total = len(columns["id"])
    return Explained("rankings", columns, weight, total, groups_of(groups, total),
                     {"names": called, "shown": shown})  # fmt: skip
