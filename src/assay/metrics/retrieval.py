"""Ranking metrics of given runs: count_rankings, and one-line functions.

Where the relevant items of each query stand is counted once; every metric is a view of that, see
`rank_counts.py`. What libraries and papers do differently is a convention with a name, see
`rank_conventions.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.core.errors import InputError
from assay.metrics import _ranking_tables, _rankings
from assay.metrics.rank_conventions import CONVENTIONS, convention_named
from assay.metrics.rank_counts import RankCounts
from assay.ops.groups import check_by

__all__ = ["count_rankings", "mean_average_precision", "recall_at_k"]
__all__ += ["CONVENTIONS", "RankCounts"]


def count_rankings(
    rankings: Any,
    relevant: Any,
    *,
    k: int | Sequence[int] = (1, 5, 10),
    convention: str = "cross-modal",
    ties: str | None = None,
    gain: str = "linear",
    level: float | None = None,
    empty: str | None = None,
    complete: bool = False,
    by: Mapping[str, Any] | None = None,
    ids: Any = None,
) -> RankCounts:
    """Count where the relevant items of n queries stand in given rankings.

    rankings: {query: {item: score}} or {query: [items, best first]}; rows without query names
    (a list of lists, an array [n, depth], Ragged) under int64 `ids` [n] (by default 0..n-1); or
    columns: a tuple of arrays (query, item, score) or (query, item) best first, an Arrow, pandas
    or polars table with columns query, item, score (TREC's names are known too).
    relevant: {query: {item: gain}}, {query: items}, {query: item}; rows of the same; or columns
    (query, item, gain) or (query, item). Queries are strings or integers, items too.

    k: where lists are cut. convention: one of "cross-modal", "trec", "ranx",
    "sentence-transformers", "torchmetrics", "sklearn", "clap", "dcase"; it decides what None
    stands for below. ties: how items of equal score are ordered ("index" is the order given;
    "item-descending" is that of strings or integers), or "optimistic", "pessimistic", "expected".
    Scores are compared as float64, as trec_eval 10 does (version 9, and so pytrec_eval, rounds
    them to float32). gain: "linear" or "exponential" (2^g - 1) in nDCG. level: the least gain of
    a relevant item, by default any above 0. empty: queries without relevant items: "skip",
    "zero", "nan", "error". complete: a judged query that is not in the run counts 0; else, as in
    trec_eval without -c, it is left out, as are queries without judgements.
    by: columns {query: value}, or [n] values in order of the rankings, that group the queries.

    An item twice in a ranking, a NaN score or gain, and other types are an InputError.

    >>> r = count_rankings({"q": {"a": 0.9, "b": 0.5, "c": 0.1}}, {"q": ["a", "c"]}, k=(1, 2))
    >>> r["recall@1"], r["precision@2"], r["map"]
    (1.0, 0.5, 0.8333333333333333)
    """
    chosen = convention_named(convention)
    ties = ties or chosen.ties
    level = chosen.level if level is None else float(level)
    _rankings.check_rows(rankings, relevant)
    rankings = _rankings.as_mapping(rankings, ids, "rankings")
    relevant = _rankings.as_mapping(relevant, ids, "relevant")
    mappings = isinstance(rankings, Mapping) and isinstance(relevant, Mapping)
    read = _rankings.of_mappings if mappings else _ranking_tables.of_tables
    found = read(rankings, relevant, ties, level, complete)
    nonrelevant, nonrelevant_above = _unwanted(found, level)
    return RankCounts.from_pairs(
        found.ids, found.bounds, found.item, found.gain, *found.placed[:3], found.depth,
        k=k, convention=convention, ties=ties, gain=gain, level=level, empty=empty,
        names=found.names, by=_groups(by, rankings, found), ordered=True,
        unranked_queries=found.unranked, unjudged_queries=found.unjudged,
        nonrelevant=nonrelevant, nonrelevant_above=nonrelevant_above,
    )  # fmt: skip


def recall_at_k(rankings: Any, ground_truths: Any, k: int, **options: Any) -> float:
    """Recall in the top k; inputs and options as count_rankings.

    In 0..1, better higher; nan without queries. By default the share of queries with a relevant
    item in the top k, as in papers on cross-modal retrieval; convention="trec" gives hits over
    relevant items.

    >>> recall_at_k([["a", "b"], ["b", "a"]], [["a", "z"], ["a"]], 1)
    0.5
    >>> recall_at_k([["a", "b"], ["b", "a"]], [["a", "z"], ["a"]], 1, convention="trec")
    0.25
    """
    if isinstance(k, bool) or not hasattr(k, "__index__"):
        raise InputError(f"recall_at_k: k must be one whole number, got {k!r}")
    return count_rankings(rankings, ground_truths, k=k, **options)[f"recall@{k}"]


def mean_average_precision(rankings: Any, ground_truths: Any, **options: Any) -> float:
    """Mean of average precision at full depth; inputs and options as count_rankings.

    In 0..1, better higher; nan without queries.

    >>> mean_average_precision({"q": ["a", "b", "c"]}, {"q": {"a", "c"}})
    0.8333333333333333
    """
    return count_rankings(rankings, ground_truths, **options)["map"]


def _unwanted(found: _rankings.Found, level: float) -> tuple[Any, Any]:
    """Judged items that are not relevant, of each query and before each item, -1 of queries whose
    relevant items came without gains."""
    query = np.repeat(np.arange(len(found.ids)), np.diff(found.bounds))
    unwanted = _rankings.unwanted_of(found.gain, level)
    of_query = np.bincount(query[unwanted], minlength=len(found.ids))
    if found.graded.all():
        return of_query, found.placed.unwanted
    return (
        np.where(found.graded, of_query, -1),
        np.where(found.graded[query], found.placed.unwanted, -1),
    )


def _groups(
    by: Mapping[str, Any] | None, rankings: Any, found: _rankings.Found
) -> dict[str, list[Any]] | None:
    """Columns of the queries that count."""
    if by is None:
        return None
    check_by(by)
    columns = {}
    for name, data in by.items():
        if not isinstance(data, Mapping):
            if not isinstance(rankings, Mapping):
                raise InputError(f"by: column {name!r} of a table must be {{query: value}}")
            if len(data) != len(rankings):
                raise InputError(
                    f"by: column {name!r} must have {len(rankings)} values, got {len(data)}"
                )
            data = dict(zip(rankings, data, strict=True))
        columns[name] = [data.get(query) for query in found.order]
    return columns
