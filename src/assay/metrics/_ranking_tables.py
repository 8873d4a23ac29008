"""From runs and judgements in tables (columns of query, item and score or gain) to counts of where
judged items stand.

Columns become numbers first: integers stay what they are, strings take the order of their bytes.
"""

from collections.abc import Mapping
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.aliases import alias_among
from assay.core.errors import InputError
from assay.metrics._rankings import (
    Found,
    items_of,
    nan_gain,
    nan_score,
    places_of,
    query_ids,
    repeated,
    unwanted_of,
)
from assay.ops import rankings as ops

__all__ = ["columns_of", "of_tables"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def of_tables(rankings: Any, relevant: Any, ties: str, level: float, complete: bool) -> Found:
    """A run (query, item, and score unless rows are in order) and judgements (query, item, and
    gain unless all are relevant)."""
    run_query, run_item, score = columns_of(rankings, "rankings", "score")
    own_query, own_item, gains = columns_of(relevant, "relevant", "gain")
    query_names, (run_query, own_query) = ops.codes((run_query, own_query), "queries")
    item_names, (run_item, own_item) = ops.codes((run_item, own_item), "items")
    scores = _numbers(score, "score", len(run_item))
    gain = _numbers(gains, "gain", len(own_item))
    order, run_queries, run_bounds = ops.by_query(run_query)
    if order is not None:
        run_item = run_item[order]
        scores = scores if scores is None else scores[order]
    if scores is None:
        scores = -np.arange(len(run_item), dtype=np.float64)
    own_order, own_queries, own_bounds = ops.by_query(own_query)
    if own_order is not None:
        own_item = own_item[own_order]
        gain = gain if gain is None else gain[own_order]
    graded, gain = gain is not None, np.ones(len(own_item)) if gain is None else gain
    spot = np.searchsorted(run_queries, own_queries)
    in_run = np.zeros(len(own_queries), bool)
    inside = spot < len(run_queries)
    in_run[inside] = run_queries[spot[inside]] == own_queries[inside]
    kept = np.arange(len(own_queries)) if complete else np.flatnonzero(in_run)
    spot = np.where(in_run, spot, 0)[kept]
    starts = np.where(in_run[kept], run_bounds[spot], 0)
    stops = np.where(in_run[kept], run_bounds[1:][spot] if len(run_queries) else 0, 0)
    sizes = np.diff(own_bounds)[kept]
    bounds = np.append(0, np.cumsum(sizes))
    if len(kept) < len(own_queries):
        rows = np.repeat(own_bounds[:-1][kept] - bounds[:-1], sizes) + np.arange(bounds[-1])
        own_item, gain = own_item[rows], gain[rows]
    names = None if query_names is None else query_names.take(own_queries[kept]).to_pylist()
    labels = own_queries[kept].tolist() if names is None else names

    def item_at(code: Any) -> Any:
        return int(code) if item_names is None else item_names[int(code)].as_py()

    size, (near, own_near) = ops.dense(run_item, own_item)
    at, twice = ops.locate(near, starts, stops, size, own_near, bounds)
    if twice >= 0:
        q = _query_of(starts, stops, twice)
        raise repeated(labels[q], item_at(run_item[twice]))
    if (bad := ops.first_repeat(own_item, bounds)) >= 0:
        query = labels[int(np.searchsorted(bounds, bad, side="right")) - 1]
        raise InputError(f"query {query!r} has the judged item {item_at(own_item[bad])!r} twice")
    own_scores = np.where(at >= 0, scores[at] if len(scores) else np.nan, np.nan)
    keys, own_keys = np.zeros(0, np.int64), at
    if ties.startswith("item-"):
        keys, own_keys = run_item, own_item
    if np.any(np.isnan(gain)):
        bad = int(np.argmax(np.isnan(gain)))
        q = int(np.searchsorted(bounds, bad, side="right")) - 1
        raise nan_gain(labels[q], item_at(own_item[bad]))
    unwanted = unwanted_of(gain, level)
    placed, nan = ops.place(
        scores, keys, starts, stops, own_scores, own_keys, bounds, unwanted,
        descending=ties == "item-descending",
    )  # fmt: skip
    if nan >= 0:
        raise nan_score(labels[_query_of(starts, stops, nan)], item_at(run_item[nan]))
    if item_names is not None:
        distinct, flat = np.unique(own_item, return_inverse=True)
        texts = item_names.take(distinct).to_pylist()
        own_item = np.array([ops.stable_id(name) for name in texts], np.int64)[flat]
    ids = own_queries[kept] if names is None else query_ids(names)[0]
    return Found(
        ids, names, labels, stops - starts, bounds, gain, placed, own_item,
        np.full(len(ids), graded), 0 if complete else len(own_queries) - int(in_run.sum()),
        len(run_queries) - int(in_run.sum()),
    )  # fmt: skip


def _query_of(starts: Ints, stops: Ints, row: int) -> int:
    return int(np.flatnonzero((starts <= row) & (row < stops))[0])


def columns_of(data: Any, what: str, last: str) -> tuple[Any, Any, Any]:
    """The query and item columns of a table, and its score or gain (None without)."""
    if isinstance(data, Mapping):
        data = _flat(data, last)
    if isinstance(data, tuple):
        if len(data) not in (2, 3):
            raise InputError(
                f"{what} must be columns (query, item, {last}) or (query, item), got {len(data)}"
            )
        columns = (*data, None)[:3]
    else:
        there = list(getattr(data, "column_names", None) or data.columns)
        named = [alias_among(column, there, what) for column in ("query", "item", last)]
        columns = tuple(None if name is None else data[name] for name in named)
    sizes = {len(column) for column in columns if column is not None}
    if len(sizes) > 1:
        raise InputError(f"{what}: columns must be of one length, got {sorted(sizes)}")
    return columns[0], columns[1], columns[2]


def _flat(data: Mapping[Any, Any], last: str) -> tuple[list[Any], list[Any], list[Any]]:
    """A mapping as columns, beside a table on the other side."""
    queries: list[Any] = []
    items: list[Any] = []
    numbers: list[Any] = []
    for query, own in data.items():
        if not isinstance(own, Mapping):
            if last == "gain":
                own = dict.fromkeys(items_of(own), 1.0)
            else:
                own = {item: -place for item, place in places_of(query, own).items()}
        queries.extend(repeat(query, len(own)))
        items.extend(own)
        numbers.extend(own.values())
    return queries, items, numbers


def _numbers(column: Any, what: str, size: int) -> Floats | None:
    if column is None:
        return None
    try:
        array = np.asarray(column, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"column {what} must hold numbers: {error}") from None
    if array.shape != (size,):
        raise InputError(f"column {what} must have shape [{size}], got {array.shape}")
    return np.ascontiguousarray(array)
