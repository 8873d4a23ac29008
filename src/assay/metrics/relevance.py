"""What people hold as relevant or excluded gallery rows, as packed rows for each query."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged

__all__ = ["Relevance", "SameLabel", "excluded", "relevance", "same_label"]

Ints = npt.NDArray[np.int64]

GAINS = ("gain", "relevance", "rel")


class Relevance(NamedTuple):
    """rows: gallery rows of each query. gains float64 [p], or None: all 1."""

    rows: Ragged
    gains: npt.NDArray[np.float64] | None


class SameLabel(NamedTuple):
    """Rows of the query's own label are relevant; int64 codes [q] and [g]."""

    query: Ints
    gallery: Ints


def same_label(query_labels: Any, gallery_labels: Any) -> SameLabel:
    """Relevance by label: gallery rows with the label of the query.

    Labels [q] and [g]: strings or integers. A query with a label that no row has, has nothing
    relevant.

    >>> same_label(["cat", "dog"], ["dog", "cat", "cat"]).gallery.tolist()
    [1, 0, 0]
    """
    return SameLabel(*_coded(query_labels, gallery_labels, "same_label"))


def relevance(relevant: Any, ids: Ints, g: int) -> Relevance:
    """relevant: an index for each query; index lists, an array [q, r] or Ragged; lists of
    {row: gain}; same_label(); {query id: rows or {row: gain}}; or a table with columns query, item
    and gain."""
    if isinstance(relevant, SameLabel):
        return Relevance(_of_labels(relevant, len(ids), g), None)
    if isinstance(relevant, Ragged):
        return Relevance(_checked(relevant, len(ids)), None)
    if hasattr(relevant, "column_names") or hasattr(relevant, "columns"):
        relevant = _of_table(relevant)
    if isinstance(relevant, Mapping):
        relevant = _by_query(relevant, ids)
    relevant = _plain(relevant)
    if len(relevant) != len(ids):
        raise InputError(f"relevant must have {len(ids)} rows, one a query, got {len(relevant)}")
    if isinstance(relevant, np.ndarray) and relevant.dtype.kind in "iu" and relevant.ndim < 3:
        table = relevant[:, None] if relevant.ndim == 1 else relevant
        lengths = np.full(len(ids), table.shape[1])
        return Relevance(Ragged.from_lengths(table.ravel().astype(np.int64), lengths), None)
    rows = [_row(row, i) for i, row in enumerate(relevant)]
    lengths = np.array([len(items) for items, _ in rows], np.int64)
    items = np.concatenate([*(items for items, _ in rows), np.zeros(0, np.int64)])
    gains = None
    if any(own is not None for _, own in rows):
        own = (np.ones(len(items)) if gain is None else gain for items, gain in rows)
        gains = np.concatenate([*own, np.zeros(0)])
    return Relevance(Ragged.from_lengths(items, lengths), gains)


def excluded(exclude: Any, q: int, g: int) -> tuple[Ragged | None, tuple[Ints, Ints] | None]:
    """exclude: an index for each query, index lists, or a pair of group columns [q] and [g]."""
    if exclude is None:
        return None, None
    if isinstance(exclude, tuple) and len(exclude) == 2:
        groups = _coded(*exclude, "exclude")
        for codes, n, what in zip(groups, (q, g), ("queries", "gallery rows"), strict=True):
            if len(codes) != n:
                raise InputError(f"exclude: groups of {n} {what} are needed, got {len(codes)}")
        return None, groups
    rows, _ = relevance(exclude, np.arange(q), g)
    return rows, None


def _coded(query: Any, gallery: Any, what: str) -> tuple[Ints, Ints]:
    columns = [np.asarray(_plain(side)) for side in (query, gallery)]
    for side, column in zip(("queries", "the gallery"), columns, strict=True):
        if column.ndim != 1:
            raise InputError(f"{what}: labels of {side} must be a column, got {column.shape}")
    if len({column.dtype.kind in "iub" for column in columns if len(column)}) > 1:
        raise InputError(f"{what}: labels must be of one kind, got {columns[0].dtype} and "
                         f"{columns[1].dtype}")  # fmt: skip
    _, codes = np.unique(np.concatenate(columns), return_inverse=True)
    return codes[: len(columns[0])], codes[len(columns[0]) :]


def _of_labels(labels: SameLabel, q: int, g: int) -> Ragged:
    for codes, n, what in zip(labels, (q, g), ("queries", "gallery rows"), strict=True):
        if len(codes) != n:
            raise InputError(f"same_label: labels of {n} {what} are needed, got {len(codes)}")
    order = np.argsort(labels.gallery, kind="stable")
    ordered = labels.gallery[order]
    begins = np.searchsorted(ordered, labels.query, "left")
    lengths = np.searchsorted(ordered, labels.query, "right") - begins
    ends = np.cumsum(lengths)
    inner = np.arange(int(ends[-1]) if q else 0) - np.repeat(ends - lengths, lengths)
    return Ragged.from_lengths(order[np.repeat(begins, lengths) + inner], lengths)


def _of_table(table: Any) -> dict[Any, dict[int, float]]:
    names = list(getattr(table, "column_names", None) or table.columns)
    gain = next((name for name in GAINS if name in names), None)
    if not {"query", "item"} <= set(names):
        raise InputError(f"relevant: a table needs columns query and item, got {names}")
    query, item = (np.asarray(_plain(table[name])).tolist() for name in ("query", "item"))
    gains = np.asarray(_plain(table[gain])).tolist() if gain else [1.0] * len(query)
    found: dict[Any, dict[int, float]] = {}
    for q, j, value in zip(query, item, gains, strict=True):
        own = found.setdefault(q, {})
        if j in own:
            raise InputError(f"relevant: query {q!r} has row {j!r} twice")
        own[j] = value
    return found


def _by_query(relevant: Mapping[Any, Any], ids: Ints) -> list[Any]:
    known = set(ids.tolist())
    if strange := [query for query in relevant if query not in known]:
        raise InputError(
            f"relevant: there is no query {strange[0]!r} ({len(strange)} of {len(relevant)} are "
            "unknown); keys are query_ids, by default 0..q-1"
        )
    return [relevant.get(i, ()) for i in ids.tolist()]


def _row(row: Any, i: int) -> tuple[Ints, npt.NDArray[np.float64] | None]:
    gains = None
    if isinstance(row, Mapping):
        gains = np.array(list(row.values()), np.float64)
        row = list(row)
    if isinstance(row, (set, frozenset)):
        row = sorted(row)
    if isinstance(row, (int, np.integer)) and not isinstance(row, bool):
        row = [row]
    items = np.asarray(_plain(row)) if isinstance(row, Iterable) else None
    if items is None or items.ndim != 1 or (items.size and items.dtype.kind not in "iu"):
        raise InputError(f"relevant[{i}] must be gallery rows (integers), got {row!r}")
    return items.astype(np.int64), gains


def _checked(rows: Ragged, q: int) -> Ragged:
    if len(rows) != q:
        raise InputError(f"relevant must have {q} rows, one a query, got {len(rows)}")
    if rows.values.dtype.kind not in "iu":
        raise InputError(f"relevant must be gallery rows (integers), got {rows.values.dtype}")
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
