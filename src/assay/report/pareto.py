"""What nothing else beats: of one column, and in every respect (Pareto fronts)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.core.score import Better

__all__ = ["best_rows", "pareto"]


def best_rows(cells: Sequence[Any], better: Better) -> list[int]:
    """The rows of the best number; none where no two numbers differ.

    >>> best_rows([0.5, None, 0.7, 0.7], "higher"), best_rows([0.5, 0.5], "higher")
    ([2, 3], [])
    """
    numbers = {row: own for row, own in enumerate(cells) if isinstance(own, (int, float))}
    numbers = {row: own for row, own in numbers.items() if own == own}
    if better is None or len({*numbers.values()}) < 2:
        return []
    best = (max if better == "higher" else min)(numbers.values())
    return [row for row, own in numbers.items() if own == best]


def pareto(values: Any, better: Sequence[Better]) -> npt.NDArray[np.int64]:
    """Rows of the front, ascending: those that no other row equals or beats in all columns and
    beats in one.

    values [n, k]: say of quality, memory and latency. better [k]: "higher" or "lower", for each.
    Equal rows are on the front together; a row with a NaN never is. InputError for other shapes.

    >>> pareto([[0.9, 40], [0.8, 10], [0.7, 20]], ["higher", "lower"]).tolist()
    [0, 1]
    """
    table = np.array(values, np.float64)
    if table.size == 0:
        table = table.reshape(-1, len(better))
    if table.ndim != 2 or table.shape[1] != len(better) or not len(better):
        raise InputError(
            f"pareto: values must be [n, k] with one better for each of k >= 1 columns, "
            f"got {list(table.shape)} and {len(better)}"
        )
    for c, way in enumerate(better):
        if one_of(way, f"pareto: better[{c}]", ("higher", "lower")) == "higher":
            table[:, c] *= -1
    usable = np.flatnonzero(~np.isnan(table).any(axis=1))
    # A row can be beaten only by one that stands before it in this order.
    order = usable[np.lexsort(table[usable].T[::-1])]
    front = np.empty((0, table.shape[1]))
    found = []
    for row in order:
        own = table[row]
        if not ((front <= own).all(axis=1) & (front < own).any(axis=1)).any():
            front = np.vstack([front, own])
            found.append(row)
    return np.sort(np.array(found, np.int64))
