"""Ranked lists as arrays: where judged items stand in them, and sums over tied positions.

Items and queries are numbers here. A ranking is a slice of rows; its order is score descending,
then key ascending. Only the judged items of a query are sorted: rows are counted, not ordered.
"""

import hashlib
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.threads import parallel, thread_count
from assay.ops import _ranking_kernels as kernels

__all__ = [
    "Placed",
    "by_query",
    "codes",
    "dense",
    "discounts",
    "exponential",
    "first_repeat",
    "locate",
    "order_of_pairs",
    "order_within",
    "place",
    "stable_id",
    "tied_first",
    "tied_sums",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NOT_NUMBERED = 1 << 20  # codes below this are used as they are
FEW_ROWS = 20_000  # rows below which threads do not pay


class Placed(NamedTuple):
    """Of each judged item, int64: rows of higher score (-1 where it is not in the ranking), rows
    of equal score before and after it, and items marked unwanted before it."""

    above: Ints
    before: Ints
    after: Ints
    unwanted: Ints


def stable_id(name: Any) -> int:
    """An int64 id of a name, the same in every process: an integer is its own.

    >>> stable_id(7), stable_id("q7")
    (7, 8455530765207122801)
    """
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
        return int(name)
    text = name if isinstance(name, str) else repr(name)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


# -- columns -> codes ------------------------------------------------------------------------------


def codes(columns: Iterable[Any], what: str) -> tuple[Any, list[Ints]]:
    """Columns of integers as they are, or of strings as numbers in the order of their bytes.

    Returns the distinct strings in that order (an Arrow array; None for integers) and the codes
    of each column. Nulls, other types, and integers beside strings are an InputError.
    """
    arrays = [_plain(column, what) for column in columns]
    if all(isinstance(array, np.ndarray) for array in arrays):
        return None, arrays
    import pyarrow as pa
    import pyarrow.compute as pc

    if any(isinstance(array, np.ndarray) for array in arrays):
        raise InputError(f"{what} are integers in one table and strings in the other; use one kind")
    whole = pa.chunked_array(arrays, pa.large_string()).combine_chunks().dictionary_encode()
    order = pc.array_sort_indices(whole.dictionary)
    rank = np.empty(len(order), np.int64)
    rank[order.to_numpy()] = np.arange(len(order))
    found = rank[whole.indices.to_numpy()]
    ends = np.cumsum([len(array) for array in arrays])[:-1]
    return whole.dictionary.take(order), np.split(found, ends)


def _plain(column: Any, what: str) -> Any:
    """An int64 array, or an Arrow array of large strings."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu" and column.ndim == 1:
        return _int64(column, what)
    import pyarrow as pa

    if hasattr(column, "to_arrow"):  # polars
        column = column.to_arrow()
    if not isinstance(column, (pa.Array, pa.ChunkedArray)):
        values = column if hasattr(column, "dtype") else list(column)
        try:
            column = pa.array(values, from_pandas=True)
        except pa.ArrowException as error:
            raise InputError(f"{what} must be strings or integers: {error}") from None
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        index = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise InputError(f"{what}: row {index} is missing")
    if pa.types.is_integer(column.type):
        return _int64(column.to_numpy(zero_copy_only=False), what)
    if len(column) == 0:  # of no type
        return column.cast(pa.large_string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            or str(column.type) == "string_view"):  # fmt: skip
        raise InputError(f"{what} must be strings or integers, got {column.type}")
    return column.cast(pa.large_string())


def _int64(array: npt.NDArray[Any], what: str) -> Ints:
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"{what} must fit in int64, got {array.max()}")
    return np.ascontiguousarray(array, np.int64)


def dense(*columns: Ints) -> tuple[int, tuple[Ints, ...]]:
    """The same numbers in the same order within 0..size - 1, and size.

    Codes that lie close together are only moved; others are numbered anew.
    """
    filled = [column for column in columns if column.size]
    if not filled:
        return 0, columns
    low, high = min(int(c.min()) for c in filled), max(int(c.max()) for c in filled)
    rows = sum(column.size for column in columns)
    if high - low < max(NOT_NUMBERED, 4 * rows):
        if low == 0:
            return high + 1, columns
        return high - low + 1, tuple(column - low for column in columns)
    distinct, flat = np.unique(np.concatenate(columns), return_inverse=True)
    ends = np.cumsum([column.size for column in columns])[:-1]
    return len(distinct), tuple(np.split(flat.astype(np.int64), ends))


def by_query(query: Ints) -> tuple[Any, Ints, Ints]:
    """Rows by query: the order that brings those of one query together (None where they are,
    ascending), the distinct queries ascending, and bounds [n + 1] of their rows.

    >>> order, queries, bounds = by_query(np.array([7, 3, 7]))
    >>> order.tolist(), queries.tolist(), bounds.tolist()
    ([1, 0, 2], [3, 7], [0, 1, 3])
    """
    order, query = None, _own(query, np.int64)
    starts = np.empty(min(query.size, 1024) + 1, np.int64)
    found = kernels.starts_of(query, starts)
    if found > len(starts):
        starts = np.empty(found, np.int64)
        found = kernels.starts_of(query, starts)
    if found < 0:
        order = np.argsort(_narrow(query), kind="stable")
        query = query[order]
        starts = np.empty(query.size + 1, np.int64)
        found = kernels.starts_of(query, starts)
    starts = starts[:found]
    return order, query[starts], np.append(starts, query.size)


def _narrow(query: Ints) -> npt.NDArray[Any]:
    """The same order in 16 bits where it fits: NumPy sorts those by radix."""
    low = query.min()
    return (query - low).astype(np.uint16) if query.max() - low < 2**16 else query


# -- counting --------------------------------------------------------------------------------------


def locate(
    items: Ints, starts: Ints, stops: Ints, size: int, judged: Ints, bounds: Ints
) -> tuple[Ints, int]:
    """The row of each judged item in the ranking of its query, -1 where it is not there.

    items int64 in 0..size - 1; ranking q is rows starts[q]:stops[q], its judged items
    judged[bounds[q]:bounds[q + 1]]. The second result is the first row whose item stood in the
    same ranking before, or -1.
    """
    rows = np.empty(judged.size, np.int64)
    items, starts, stops, judged, bounds = (
        _own(array, np.int64) for array in (items, starts, stops, judged, bounds)
    )
    given = (items, starts, stops, size, judged, bounds)
    twice = list(parallel(lambda part: kernels.locate(*given, *part, rows), _parts(starts, stops)))
    return rows, min((row for row in twice if row >= 0), default=-1)


def place(
    scores: Floats,
    keys: Ints,
    starts: Ints,
    stops: Ints,
    judged_scores: Floats,
    judged_keys: Ints,
    bounds: Ints,
    unwanted: npt.NDArray[np.bool_],
    *,
    descending: bool = False,
) -> tuple[Placed, int]:
    """Where judged items stand in the rankings of their queries.

    scores float64; keys int64 of each row break ties, the lower first, or the higher where they
    are `descending` (no keys: the earlier row).
    judged_scores [p]: their scores, NaN for items that are not in the ranking; judged_keys [p];
    unwanted bool [p]. The second result is the first row whose score is NaN, or -1.
    """
    out = np.full((4, judged_scores.size), -1, np.int64)
    scores, judged_scores = _own(scores, np.float64), _own(judged_scores, np.float64)
    keys, starts, stops, judged_keys, bounds = (
        _own(array, np.int64) for array in (keys, starts, stops, judged_keys, bounds)
    )
    flip = -1 if descending and keys.size else 0
    judged_keys = judged_keys ^ flip
    given = (scores, keys, flip, starts, stops, judged_scores, judged_keys, bounds, unwanted)
    nan = list(parallel(lambda part: kernels.place(*given, *part, *out), _parts(starts, stops)))
    return Placed(*out), min((row for row in nan if row >= 0), default=-1)


def order_within(bounds: Ints, scores: Floats, keys: Ints) -> Ints:
    """The order of rows that puts those of each slice by score descending, then key ascending.

    >>> order_within(np.array([0, 2, 4]), np.array([1.0, 2.0, 5.0, 5.0]), np.array([0, 0, 9, 8]))
    array([1, 0, 3, 2])
    """
    order = np.empty(scores.size, np.int64)
    kernels.order_within(scores, keys, bounds, order)
    return order


def order_of_pairs(homes: Ints, items: Ints, keys: Floats | None = None) -> Ints:
    """The order of pairs by home, then key upwards, then item; fast where homes are in order."""
    steps = np.diff(homes)
    if (steps < 0).any():
        return np.lexsort((items, homes) if keys is None else (items, keys, homes))
    bounds = np.concatenate([[0], np.flatnonzero(steps) + 1, [len(homes)]])
    return order_within(bounds, np.zeros(len(homes)) if keys is None else -keys, items)


def first_repeat(values: Ints, bounds: Ints) -> int:
    """The first row whose value stood in its slice before, or -1."""
    return int(kernels.first_repeat(values, bounds))


def _own(array: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """The array as kernels are compiled for it: contiguous, writable, no subclass."""
    return np.require(array, dtype, ["C", "W", "E"])


def _parts(starts: Ints, stops: Ints) -> list[tuple[int, int]]:
    """Ranges of queries of about as many rows."""
    rows = np.cumsum(stops - starts)
    if not len(rows):
        return []
    parts = 1 if rows[-1] < FEW_ROWS else min(len(rows), 2 * thread_count())
    cuts = np.searchsorted(rows, rows[-1] * np.arange(1, parts) / parts)
    edges = [0, *sorted({int(c) for c in cuts} - {0, len(rows)}), len(rows)]
    return list(pairwise(edges))


# -- sums over the slots of tied items -------------------------------------------------------------


def tied_sums(start: Ints, size: Ints) -> tuple[Floats, Floats, Floats]:
    """Sums over the positions start + 1 .. start + size of 1 / position, of (i - 1) / position
    (i = 1 .. size), and of 1 / log2(position + 1)."""
    out = np.empty((3, start.size))
    kernels.tied_sums(start, size, out)
    return out[0], out[1], out[2]


def tied_first(start: Ints, size: Ints, marked: Ints, within: Ints) -> Floats:
    """Expectation of 1 / position of the first of `marked` items that stand at random among the
    positions start + 1 .. start + size, counted where that is one of the first `within` of them.
    """
    out = np.empty(start.size)
    kernels.tied_first(start, size, marked, within, out)
    return out


def discounts(rank: Ints) -> Floats:
    """1 / log2(rank + 1) of ranks from 1."""
    top = int(rank.max(initial=0))
    distinct = np.arange(1, top + 1) if top < rank.size else rank  # logarithms are what costs
    out = np.empty(distinct.size)
    kernels.discounts(distinct, out)
    return out[rank - 1] if top < rank.size else out


def exponential(gain: Floats) -> Floats:
    """2 ** gain - 1."""
    out = np.empty(gain.size)
    kernels.exponential(gain, out)
    return out
