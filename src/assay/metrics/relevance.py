"""What people hold as relevant or excluded gallery rows, as packed rows for each query."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.aliases import alias_among
from assay.core.errors import InputError
from assay.core.ragged import Ragged, rows_of_codes

__all__ = ["Hidden", "Relevance", "SameLabel", "hidden", "pairs_of", "relevance", "same_label"]

Ints = npt.NDArray[np.int64]


class Relevance(NamedTuple):
    """rows: gallery rows of each query. gains float64 [p], or None: all 1."""

    rows: Ragged
    gains: npt.NDArray[np.float64] | None

    def of_queries(self, start: int, stop: int) -> "Relevance":
        """What is relevant to queries start..stop."""
        rows = self.rows.rows(start, stop)
        first, last = (int(self.rows.offsets[i] - self.rows.offsets[0]) for i in (start, stop))
        return Relevance(rows, None if self.gains is None else self.gains[first:last])

    def turned(self, ids: Ints, g: int) -> tuple["Relevance", Ints]:
        """The pairs as those of g gallery rows, queries under their ids, and the place of each in
        the order of queries."""
        query, rows = pairs_of(self.rows)
        order = np.lexsort((query, rows))
        gains = None if self.gains is None else self.gains[order]
        turned = Ragged.from_lengths(ids[query[order]], np.bincount(rows, minlength=g))
        return Relevance(turned, gains), order


class SameLabel(NamedTuple):
    """Rows of the query's own label are relevant; int64 codes [q] and [g]."""

    query: Ints
    gallery: Ints


def pairs_of(rows: Ragged) -> tuple[Ints, Ints]:
    """Query and gallery row of each pair."""
    items = rows.values[rows.offsets[0] : rows.offsets[-1]].astype(np.int64)
    return np.repeat(np.arange(len(rows)), rows.lengths), items


def same_label(query_labels: Any, gallery_labels: Any) -> SameLabel:
    """Relevance by label: gallery rows with the label of the query.

    Labels [q] and [g]: strings or integers. A query with a label that no row has, has nothing
    relevant.

    >>> same_label(["cat", "dog"], ["dog", "cat", "cat"]).gallery.tolist()
    [1, 0, 0]
    """
    return SameLabel(*_coded(query_labels, gallery_labels, "same_label"))


def relevance(relevant: Any, ids: Ints, g: int | None, what: str = "relevant") -> Relevance:
    """relevant: an index for each query; index lists, an array [q, r] or Ragged; lists of
    {row: gain}; same_label(); {query id: rows or {row: gain}}; or a table with columns query, item
    and gain. g: rows of the gallery, None where it is a shard of one."""
    if isinstance(relevant, Relevance):
        return relevant
    if isinstance(relevant, SameLabel):
        return Relevance(_of_labels(relevant, len(ids), g), None)
    if isinstance(relevant, Ragged):
        return Relevance(_checked(relevant, len(ids), what), None)
    if hasattr(relevant, "column_names") or hasattr(relevant, "columns"):
        return _of_table(relevant, ids)
    if isinstance(relevant, Mapping):
        relevant = _by_query(relevant, ids)
    relevant = _plain(relevant)
    if isinstance(relevant, (str, bytes)) or not hasattr(relevant, "__len__"):
        raise InputError(
            f"{what} must be gallery rows of each of {len(ids)} queries, got "
            f"{type(relevant).__name__}"
        )
    if len(relevant) != len(ids):
        raise InputError(f"{what} must have {len(ids)} rows, one a query, got {len(relevant)}")
    if isinstance(relevant, np.ndarray) and relevant.dtype.kind in "iu" and relevant.ndim < 3:
        table = relevant[:, None] if relevant.ndim == 1 else relevant
        lengths = np.full(len(ids), table.shape[1])
        return Relevance(Ragged.from_lengths(table.ravel().astype(np.int64), lengths), None)
    rows = [_row(row, f"{what}[{i}]") for i, row in enumerate(relevant)]
    lengths = np.array([len(items) for items, _ in rows], np.int64)
    items = np.concatenate([*(items for items, _ in rows), np.zeros(0, np.int64)])
    gains = None
    if any(own is not None for _, own in rows):
        own = (np.ones(len(items)) if gain is None else gain for items, gain in rows)
        gains = np.concatenate([*own, np.zeros(0)])
    return Relevance(Ragged.from_lengths(items, lengths), gains)


class Hidden(NamedTuple):
    """What is not there for a query: rows of a part of the gallery that begins with row `first`.

    lists: rows of the whole gallery for each query, each once. groups: int64 [q] and [g], rows of
    a query's own group are not there.
    """

    lists: Ragged | None
    groups: tuple[Ints, Ints] | None
    first: int

    def of_queries(self, start: int, stop: int) -> Any:
        """The same for queries start..stop, as `exclude` is given."""
        if self.groups is not None:
            return self.groups[0][start:stop], self.groups[1]
        return None if self.lists is None else self.lists.rows(start, stop)

    def turned(self, g: int) -> "Hidden":
        """The same for each of g gallery rows: queries that are not there."""
        if self.groups is not None:
            return Hidden(None, self.groups[::-1], 0)
        if self.lists is None:
            return self
        own, _ = Relevance(self.lists, None).turned(np.arange(len(self.lists)), g)
        return Hidden(own.rows, None, 0)

    def among(self, rows: Ints, items: Ints) -> npt.NDArray[np.bool_]:
        """Of pairs of query rows[p] and row items[p] of the whole gallery, which are not there."""
        gone = np.zeros(len(items), bool)
        if self.groups is not None:
            own, others = self.groups
            local = items - self.first
            here = np.flatnonzero((local >= 0) & (local < len(others)))
            gone[here] = own[rows[here]] == others[local[here]]
        if self.lists is not None and self.lists.values.size:
            values = self.lists.values
            width = max(int(values.max()), int(items.max(initial=0))) + 1
            taken = np.repeat(np.arange(len(self.lists)), self.lists.lengths) * width + values
            gone |= np.isin(rows * width + items, taken) & (items >= 0)
        return gone

    def counts(self, q: int, g: int) -> tuple[Any, Any]:
        """How many rows are not there for each query, and queries for each row."""
        if self.groups is not None:
            size = max((int(codes.max()) + 1 for codes in self.groups if len(codes)), default=0)
            of_q, of_g = (np.bincount(codes, minlength=size) for codes in self.groups)
            return of_g[self.groups[0]], of_q[self.groups[1]]
        if self.lists is None:
            return np.zeros(q, np.int64), np.zeros(g, np.int64)
        local = self.lists.values - self.first
        here = (local >= 0) & (local < g)
        queries = np.repeat(np.arange(q), self.lists.lengths)[here]
        return np.bincount(queries, minlength=q), np.bincount(local[here], minlength=g)


def hidden(exclude: Any, ids: Ints, part: int, first: int, g: int | None) -> Hidden:
    """exclude: as `relevant`, or a tuple of group columns [q] and [part].

    part: rows of the gallery that are here, from row `first`; g: rows of all of it, if known.
    """
    if exclude is None:
        return Hidden(None, None, first)
    q = len(ids)
    if isinstance(exclude, tuple) and len(exclude) == 2:
        groups = _coded(*exclude, "exclude")
        for codes, n, what in zip(groups, (q, part), ("queries", "gallery rows"), strict=True):
            if len(codes) != n:
                raise InputError(f"exclude: groups of {n} {what} are needed, got {len(codes)}")
        return Hidden(None, groups, first)
    queries, items = pairs_of(relevance(exclude, ids, g, "exclude").rows)
    wrong = items < 0 if g is None else (items < 0) | (items >= g)
    if wrong.any():
        at = int(np.argmax(wrong))
        rule = "must not be negative" if g is None else f"must be in 0..{g - 1}"
        raise InputError(f"exclude[{queries[at]}]: gallery rows {rule}, got {items[at]}")
    order = np.lexsort((items, queries))
    queries, items = queries[order], items[order]
    first_of = np.ones(len(items), bool)
    first_of[1:] = (np.diff(queries) != 0) | (np.diff(items) != 0)
    lengths = np.bincount(queries[first_of], minlength=q)
    return Hidden(Ragged.from_lengths(items[first_of], lengths), None, first)


def _coded(query: Any, gallery: Any, what: str) -> tuple[Ints, Ints]:
    columns = [np.asarray(_plain(side)) for side in (query, gallery)]
    for side, column in zip(("queries", "the gallery"), columns, strict=True):
        if column.ndim != 1:
            raise InputError(f"{what}: labels of {side} must be a column, got {column.shape}")
        missing = [value is None or value != value for value in column.tolist()]
        if any(missing):
            raise InputError(
                f"{what}: label {missing.index(True)} of {side} is missing; a missing label equals "
                "no other, so give such rows labels of their own"
            )
    if len({column.dtype.kind in "iub" for column in columns if len(column)}) > 1:
        raise InputError(f"{what}: labels must be of one kind, got {columns[0].dtype} and "
                         f"{columns[1].dtype}")  # fmt: skip
    _, codes = np.unique(np.concatenate(columns), return_inverse=True)
    return codes[: len(columns[0])], codes[len(columns[0]) :]


def _of_labels(labels: SameLabel, q: int, g: int | None) -> Ragged:
    for codes, n, what in zip(labels, (q, g), ("queries", "gallery rows"), strict=True):
        if n is not None and len(codes) != n:
            raise InputError(f"same_label: labels of {n} {what} are needed, got {len(codes)}")
    return rows_of_codes(*labels)


def _of_table(table: Any, ids: Ints) -> Relevance:
    present = list(getattr(table, "column_names", None) or table.columns)
    names = {c: alias_among(c, present, "relevant") for c in ("query", "item", "gain")}
    gain = names["gain"]
    query, item = (np.asarray(_plain(table[names[c]])) for c in ("query", "item"))
    for name, column in (("query", query), ("item", item)):
        if column.size and column.dtype.kind not in "iu":
            raise InputError(
                f"relevant: column {name} must be integers (query ids, gallery rows), "
                f"got {column.dtype}"
            )
    order = np.argsort(ids, kind="stable")
    known = np.append(ids[order], -1)
    place = np.searchsorted(known[:-1], query)
    strange = known[place] != query
    if strange.any():
        unknown = np.unique(query[strange]).size
        raise _no_query(query[strange][0].item(), unknown, np.unique(query).size)
    rows = np.append(order, 0)[place]
    inner = np.lexsort((item, rows))
    rows, item = rows[inner], item[inner].astype(np.int64)
    twice = np.flatnonzero((np.diff(rows) == 0) & (np.diff(item) == 0))
    if twice.size:
        at = twice[0]
        raise InputError(f"relevant: query {ids[rows[at]]} has row {item[at]} twice")
    gains = None if gain is None else _gains(_plain(table[gain]))[inner]
    return Relevance(Ragged.from_lengths(item, np.bincount(rows, minlength=len(ids))), gains)


def _by_query(relevant: Mapping[Any, Any], ids: Ints) -> list[Any]:
    known = set(ids.tolist())
    if strange := [query for query in relevant if query not in known]:
        raise _no_query(strange[0], len(strange), len(relevant))
    return [relevant.get(i, ()) for i in ids.tolist()]


def _gains(values: Any) -> npt.NDArray[np.float64]:
    try:
        gains = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"relevant: gains must be numbers, got {values!r:.60}") from None
    if np.isinf(gains).any():
        raise InputError("relevant: gains must be finite, got inf")
    return gains


def _no_query(query: Any, unknown: int, of: int) -> InputError:
    return InputError(
        f"relevant: there is no query {query!r} ({unknown} of {of} are unknown); queries are "
        "query_ids, by default 0..q-1"
    )


def _row(row: Any, what: str) -> tuple[Ints, npt.NDArray[np.float64] | None]:
    gains = None
    if isinstance(row, Mapping):
        gains = _gains(list(row.values()))
        row = list(row)
    if isinstance(row, (set, frozenset)):
        row = sorted(row)
    if isinstance(row, (int, np.integer)) and not isinstance(row, bool):
        row = [row]
    items = np.asarray(_plain(row)) if isinstance(row, Iterable) else None
    wide = items is not None and items.dtype == np.uint64
    if items is None or items.ndim != 1 or wide or (items.size and items.dtype.kind not in "iu"):
        raise InputError(f"{what} must be gallery rows (integers), got {row!r}")
    return items.astype(np.int64), gains


def _checked(rows: Ragged, q: int, what: str) -> Ragged:
    if len(rows) != q:
        raise InputError(f"{what} must have {q} rows, one a query, got {len(rows)}")
    if rows.values.dtype.kind not in "iu":
        raise InputError(f"{what} must be gallery rows (integers), got {rows.values.dtype}")
    return rows


def _plain(data: Any) -> Any:
    """Tensors and columns as arrays; lists as they are, or as an array where all are integers."""
    if hasattr(data, "detach"):
        return data.detach().cpu().numpy()
    if hasattr(data, "to_numpy"):
        try:
            return data.to_numpy(zero_copy_only=False)
        except TypeError:
            return data.to_numpy()
    if isinstance(data, (list, tuple)) and all(type(value) is int for value in data):
        return np.array(data, np.int64)
    return data
