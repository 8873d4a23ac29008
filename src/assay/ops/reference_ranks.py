"""The slow twins of ranking by similarity: one score at a time, one sort a query."""

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.ragged import Ragged
from assay.ops.vectors import Vectors

__all__ = ["keys", "ranks", "topk"]


def _sum(terms: npt.NDArray[np.float64]) -> Any:
    """Sum over the last axis: eight sums of every eighth term in order, then a fixed tree."""
    lanes = np.zeros((*terms.shape[:-1], 8))
    for k in range(terms.shape[-1]):
        lanes[..., k % 8] += terms[..., k]
    s = np.moveaxis(lanes, -1, 0)
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))


def keys(x: npt.NDArray[Any], y: npt.NDArray[Any], metric: str) -> npt.NDArray[np.float64]:
    """[q, g]: dot or cosine, or minus the squared distance."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    out = np.empty((len(x), len(y)))
    for i, row in enumerate(x):
        if metric == "l2":
            out[i] = -_sum((row - y) * (row - y))
        else:
            out[i] = _sum(row * y)
        if metric == "cosine":
            out[i] /= np.sqrt(_sum(row * row)) * np.sqrt(_sum(y * y))
    return out


def _whole(data: Vectors) -> npt.NDArray[Any]:
    return data.block(0, data.n, data.float)


def topk(
    query: Vectors, gallery: Vectors, k: int, metric: str, precision: str | None = None
) -> tuple[Any, Any]:
    """The k best of each query: keys and rows, best first, ties to the lower row."""
    found = keys(_whole(query), _whole(gallery), metric)
    index = np.argsort(-found, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, index, 1), index


def ranks(
    query: Vectors,
    gallery: Vectors,
    rows: npt.NDArray[np.int64],
    items: npt.NDArray[np.int64],
    targets: npt.NDArray[np.float64],
    skip: Ragged,
    groups: tuple[Any, Any] | None,
    reverse: bool,
    metric: str,
    precision: str | None = None,
) -> tuple[Any, Any]:
    """For pairs, int64 [3, p]: gallery rows that are better, equal and before, equal and behind;
    and queries of each pair's row."""
    found = keys(_whole(query), _whole(gallery), metric)
    counted = np.ones(found.shape, bool)
    for i in range(query.n):
        out = skip[i]
        counted[i, out[(out >= 0) & (out < gallery.n)]] = False
    if groups is not None:
        counted &= groups[0][:, None] != groups[1]
    forth, back = np.zeros((2, 3, len(rows)), np.int64)
    for p, (i, j, key) in enumerate(zip(rows.tolist(), items.tolist(), targets, strict=True)):
        forth[:, p] = _meet(found[i][counted[i]], np.flatnonzero(counted[i]), key, j)
        if reverse and 0 <= j < gallery.n:
            column = counted[:, j]
            back[:, p] = _meet(found[column, j], np.flatnonzero(column), key, i)
    return forth, back


def _meet(found: Any, place: Any, key: float, own: int) -> tuple[int, int, int]:
    same = found == key
    return (
        int((found > key).sum()),
        int((same & (place < own)).sum()),
        int((same & (place > own)).sum()),
    )
