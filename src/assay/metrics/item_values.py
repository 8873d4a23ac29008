"""ItemValues: values of single items by name, whose scores are their means (average precision,
recall@k, …), so that per-item files can be compared without what they came from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.resampling import Items
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, listed
from assay.metrics._item_rows import mean_items, mean_values, no_form

__all__ = ["ItemValues"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ItemValues(State):
    """Values of items.

    rows int64 [n * names, 3]: item id, number of the name, the value as float64 bits. truth int64
    [n, 2]: id, and what is the same of an item in every system, where that is known. names: what
    the values are called; lower: those of which less is better.
    """

    rows: Ints = listed("id", "name", "value")
    truth: Ints = listed("id", "truth")
    names: tuple[str, ...] | None = fixed()
    lower: tuple[str, ...] | None = fixed()

    @classmethod
    def from_items(
        cls, ids: Any, values: Mapping[str, Any], *, lower: tuple[str, ...] = (), truth: Any = None
    ) -> "ItemValues":
        """ids int64 [n], different; values: name -> float64 [n]; nan and infinities are values.

        >>> v = ItemValues.from_items([4, 2], {"map": [0.5, 1.0]})
        >>> v["map"], v.per_item("map").tolist()
        (0.75, [1.0, 0.5])
        """
        item = _different(ids)
        n, width = len(item), len(values)
        rows = np.empty((n, width, 3), np.int64)
        for at, (name, column) in enumerate(values.items()):
            floats = np.ascontiguousarray(column, np.float64)
            if floats.shape != (n,):
                raise InputError(f"{name} must have {n} values, got shape {floats.shape}")
            rows[:, at] = np.column_stack([item, np.full(n, at), floats.view(np.int64)])
        known = np.zeros((0, 2), np.int64) if truth is None else np.column_stack([item, truth])
        return cls(rows.reshape(-1, 3), known, names=tuple(values), lower=tuple(lower))

    def check(self) -> None:
        """Refuse rows that are no items."""
        if len(self.rows) % max(len(self.names or ()), 1):
            raise InputError(
                f"{len(self.rows)} rows are no items of {len(self.names or ())} values"
            )

    def per_item(self, name: str) -> npt.NDArray[Any]:
        """The values in order of item id, or the ids themselves as "id"."""
        table = self.rows.reshape(-1, max(len(self.names or ()), 1), 3)
        table = table[np.argsort(table[:, 0, 0])]
        if name == "id":
            return table[:, 0, 0]
        known = self.names or ()
        if name not in known:
            raise InputError(f"per_item: no column {name!r}; there are {['id', *known]}")
        at = known.index(name)
        return np.ascontiguousarray(table[:, at, 2]).view(np.float64)

    def total_scores(self) -> list[Score]:
        """The mean of each, rounded once; nan without items."""
        scores = []
        for name in self.names or ():
            column = self.per_item(name)
            n = len(column)
            mean = math.fsum(column.tolist()) / n if n else math.nan
            better: Better = "lower" if name in (self.lower or ()) else "higher"
            scores.append(
                Score(name, mean, "mean", better, n, {}, f"{name}|mean of items", provenance())
            )
        return scores

    def resampling(self, name: str) -> Items:
        """Items with their value; see core/resampling.py."""
        if name not in (self.names or ()):
            raise InputError(no_form(name, self.names or ()))
        truth = self.truth[np.argsort(self.truth[:, 0]), 1] if len(self.truth) else None
        return mean_items(self.per_item(name), self.per_item("id"), truth)

    def value_of(self, name: str, totals: Ints) -> Floats:
        """The mean of each row of totals."""
        return mean_values(totals)


def _different(ids: Any) -> Ints:
    item = np.asarray(ids).astype(np.int64)
    if len(np.unique(item)) != len(item):
        raise InputError("ids must differ from each other; an id occurs twice")
    return item
