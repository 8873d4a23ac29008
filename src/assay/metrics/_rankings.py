"""From runs and judgements in dictionaries or rows to counts of where judged items stand.

Dictionaries are read as they are: only judged items are looked up, and scores go into one array.
Items of equal score are put in order only in queries where a judged item is among them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count, repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.ops import rankings as ops

__all__ = [
    "Found",
    "as_mapping",
    "check_rows",
    "items_of",
    "nan_gain",
    "nan_score",
    "of_mappings",
]
__all__ += ["places_of", "query_ids", "repeated", "unwanted_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SINGLE = (str, bytes, int, np.integer)


class Found(NamedTuple):
    """Judged items of the queries that count: their number and names (None: they are ids), how
    many items are ranked for each, bounds [n + 1] of the items, their gains, where they stand,
    ids of those at given places, which queries came with gains, and how many queries are in the
    run or in the judgements only."""

    ids: Ints
    names: list[str | None] | None
    order: Sequence[Any]
    depth: Ints
    bounds: Ints
    gain: Floats
    placed: ops.Placed
    item: Ints
    graded: npt.NDArray[np.bool_]
    unranked: int
    unjudged: int


def is_table(data: Any) -> bool:
    """Columns: a data frame, an Arrow table, or a tuple of columns."""
    return isinstance(data, tuple) or hasattr(data, "column_names") or hasattr(data, "columns")


def check_rows(rankings: Any, relevant: Any) -> None:
    """Rows without query names stand side by side; names are of one kind on both sides."""
    rows = [
        not (isinstance(side, Mapping) or is_table(side)) and hasattr(side, "__len__")
        for side in (rankings, relevant)
    ]
    if all(rows) and len(rankings) != len(relevant):
        raise InputError(
            f"rankings and relevant must have as many rows, got {len(rankings)} and "
            f"{len(relevant)}; name the queries where some have no judgements"
        )
    if isinstance(rankings, Mapping) and isinstance(relevant, Mapping):
        kinds = [{isinstance(query, str) for query in side} for side in (rankings, relevant)]
        if all(kinds) and not kinds[0] & kinds[1]:
            raise InputError(
                f"queries must be of one kind, got {next(iter(rankings))!r} in rankings and "
                f"{next(iter(relevant))!r} in relevant"
            )


def as_mapping(data: Any, ids: Any, what: str) -> Any:
    """Rows without query names (a list, an array [n, k], Ragged) under ids, by default 0..n-1."""
    if isinstance(data, Mapping) or is_table(data):
        if ids is not None:
            raise InputError(f"ids are for {what} without query names")
        return data
    if isinstance(data, (str, bytes)) or not hasattr(data, "__len__"):
        raise InputError(
            f"{what} must be a mapping of queries, a table, or a list of rows, "
            f"got {type(data).__name__}"
        )
    rows = [data[i] for i in range(len(data))] if isinstance(data, Ragged) else list(data)
    numbers = range(len(rows)) if ids is None else [int(i) for i in ids]
    if len(numbers) != len(rows):
        raise InputError(f"ids must be {len(rows)} integers, one for each row of {what}")
    if len(set(numbers)) != len(rows):
        raise InputError("ids must differ from each other; an id occurs twice")
    return dict(zip(numbers, rows, strict=True))


# -- dictionaries ----------------------------------------------------------------------------------


def of_mappings(
    rankings: Mapping[Any, Any],
    relevant: Mapping[Any, Any],
    ties: str,
    level: float,
    complete: bool,
) -> Found:
    """{query: {item: score}} or {query: [ranked items]}, and {query: {item: gain}}, {query: items}
    or {query: item}."""
    both = [query for query in rankings if query in relevant]
    missing = [query for query in relevant if query not in rankings]
    queries = both + missing if complete else both
    judged: list[Any] = []
    gains: list[Any] = []
    sizes: list[int] = []
    scores: list[Any] = []
    depth: list[int] = []
    wanted: list[Any] = []
    graded: list[bool] = []
    for query in queries:
        own = relevant[query]
        graded.append(isinstance(own, Mapping))
        if isinstance(own, Mapping):
            gains.extend(own.values())
        else:
            own = items_of(own)
            gains.extend(repeat(1.0, len(own)))
        ranked = rankings.get(query, ())
        if isinstance(ranked, Mapping):
            scores.append(ranked.values())
            wanted.extend(map(ranked.get, own, repeat(np.nan)))
        else:
            ranked = ranked.tolist() if hasattr(ranked, "tolist") else ranked
            places = places_of(query, ranked)
            scores.append(range(0, -len(ranked), -1))
            wanted.extend(-places[item] if item in places else np.nan for item in own)
        judged.extend(own)
        sizes.append(len(own))
        depth.append(len(ranked))
    bounds = np.append(0, np.cumsum(np.array(sizes, np.int64)))
    stops = np.cumsum(np.array(depth, np.int64))
    starts = stops - np.array(depth, np.int64)
    flat = _floats(chain.from_iterable(scores), "score", queries, rankings)
    gain = _floats(gains, "gain", queries, relevant)
    at = np.array(wanted, np.float64)
    none = np.zeros(0, np.int64)
    if np.any(np.isnan(gain)):
        bad = int(np.argmax(np.isnan(gain)))
        raise nan_gain(queries[int(np.searchsorted(bounds, bad, side="right")) - 1], judged[bad])
    unwanted = unwanted_of(gain, level)
    keys = np.zeros(len(at), np.int64)
    placed, nan = ops.place(flat, none, starts, stops, at, keys, bounds, unwanted)
    if nan >= 0:
        q = int(np.searchsorted(stops, nan, side="right"))
        item = list(rankings[queries[q]])[nan - int(starts[q])]
        raise nan_score(queries[q], item)
    # Keys cost a look at every item, so only queries with a tie get them.
    tied = np.flatnonzero(placed.before + placed.after > 0)
    tied = np.unique(np.searchsorted(bounds, tied, side="right") - 1)
    if tied.size:
        _place_ties(placed, tied, queries, rankings, judged, ties, flat, starts, stops, at, bounds,
                    unwanted)  # fmt: skip
    keep = np.flatnonzero(gain > 0)
    item = np.full(len(judged), -1, np.int64)
    numbers = {name: ops.stable_id(name) for name in {judged[j] for j in keep}}
    item[keep] = [numbers[judged[j]] for j in keep]
    ids, names = query_ids(queries)
    return Found(
        ids, names, queries, np.array(depth, np.int64), bounds, gain, placed, item,
        np.array(graded, bool), 0 if complete else len(missing), len(rankings) - len(both),
    )  # fmt: skip


def items_of(own: Any) -> dict[Any, None]:
    """Relevant items without gains, once each."""
    if isinstance(own, SINGLE):
        return {own: None}
    own = own.tolist() if hasattr(own, "tolist") else own
    return dict.fromkeys([own] if isinstance(own, SINGLE) else own)


def places_of(query: Any, ranked: Any) -> dict[Any, int]:
    """item -> how many stand before it."""
    if isinstance(ranked, (str, bytes)) or not isinstance(ranked, Sequence):
        raise InputError(
            f"the ranking of query {query!r} must be a mapping of items to scores or a list of "
            f"items, got {type(ranked).__name__}"
        )
    places = dict(zip(ranked, count()))
    if len(places) != len(ranked):
        raise repeated(query, next(i for place, i in enumerate(ranked) if places[i] != place))
    return places


def _place_ties(
    placed: ops.Placed, tied: Ints, queries: list[Any], rankings: Mapping[Any, Any],
    judged: list[Any], ties: str, scores: Floats, starts: Ints, stops: Ints, at: Floats,
    bounds: Ints, unwanted: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    """Count again in queries with ties, by the order of the items there."""
    keys = np.zeros(len(scores), np.int64)
    judged_keys = np.zeros(len(at), np.int64)
    rows = np.concatenate([np.arange(bounds[q], bounds[q + 1]) for q in tied])
    for q in tied.tolist():
        names = list(rankings[queries[q]])
        if ties.startswith("item-"):
            try:
                names.sort(reverse=ties == "item-descending")
            except TypeError:
                raise InputError(
                    f"items of query {queries[q]!r} cannot be put in order: {ties} needs them all "
                    "to be strings or all integers"
                ) from None
        places = dict(zip(names, count()))
        keys[starts[q] : stops[q]] = [places[name] for name in rankings[queries[q]]]
        own = range(bounds[q], bounds[q + 1])
        judged_keys[own.start : own.stop] = [places.get(judged[j], -1) for j in own]
    again, _ = ops.place(
        scores, keys, starts[tied], stops[tied], at[rows], judged_keys[rows],
        np.append(0, np.cumsum(np.diff(bounds)[tied])), unwanted[rows],
    )  # fmt: skip
    for new, old in zip(again, placed, strict=True):
        old[rows] = new


def _floats(data: Iterable[Any], what: str, queries: list[Any], table: Mapping[Any, Any]) -> Floats:
    """Numbers of all queries as float64; what is none is named with its query and item."""
    try:
        return np.fromiter(data, np.float64)
    except (TypeError, ValueError, OverflowError):
        for query in queries:
            own = table.get(query)
            for item, value in own.items() if isinstance(own, Mapping) else ():
                try:
                    float(value + 0)
                except (TypeError, ValueError, OverflowError):
                    raise InputError(
                        f"the {what} of item {item!r} of query {query!r} must be a number, "
                        f"got {value!r}"
                    ) from None
        raise


def query_ids(queries: Sequence[Any]) -> tuple[Ints, list[str | None] | None]:
    """Integers as they are, strings by a number of their own."""
    for query in queries:
        if not isinstance(query, (str, int, np.integer)) or isinstance(query, bool):
            raise InputError(f"queries must be strings or integers, got {query!r}")
    ids = [ops.stable_id(query) for query in queries]
    if len(set(ids)) != len(ids):
        raise InputError("two queries have the same number; rename one of them")
    names = [query if isinstance(query, str) else None for query in queries]
    return np.array(ids, np.int64), names if any(name is not None for name in names) else None


def unwanted_of(gain: Floats, level: float) -> npt.NDArray[np.bool_]:
    """Which items were judged and are not relevant; a negative gain is no judgement (trec_eval)."""
    unwanted: npt.NDArray[np.bool_] = (gain >= 0) & ((gain < level) | (gain == 0))
    return unwanted


def nan_gain(query: Any, item: Any) -> InputError:
    """The error for a gain that is no number."""
    return InputError(f"the gain of item {item!r} of query {query!r} is NaN")


def nan_score(query: Any, item: Any) -> InputError:
    """The error for a score that puts an item nowhere."""
    return InputError(
        f"the score of item {item!r} of query {query!r} is NaN; drop the item or give it a score"
    )


def repeated(query: Any, item: Any) -> InputError:
    """The error for an item that stands twice in a ranking."""
    return InputError(
        f"the ranking of query {query!r} has item {item!r} twice; keep the first of them"
    )
