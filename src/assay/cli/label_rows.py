"""Rows of single items beside counts of labels: kept while they are few, to be drawn again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

__all__ = ["numbered", "renumbered"]

KEPT = 500_000  # single scores or predictions that are kept


def renumbered(rows: Any, name: Mapping[Any, Any]) -> Any:
    """Rows of single items (id, target, prediction) under other labels."""
    import numpy as np

    from assay.ops.labels import number_of

    if not len(rows):
        return rows
    numbers = {number_of(old): number_of(new) for old, new in name.items()}
    codes, place = np.unique(rows[:, 1:], return_inverse=True)
    renamed = np.array([numbers[code] for code in codes.tolist()], np.int64)
    return np.column_stack([rows[:, :1], renamed[place].reshape(-1, 2)])


def numbered(counts: Any, first: int) -> Any:
    """Counts with single rows numbered on from `first`; without them once there are many."""
    states = {"confusion": counts.confusion, "sweep": counts.sweep}
    moved = {name: _moved(own, first) for name, own in states.items() if own is not None}
    return replace(counts, **moved)


def _moved(state: Any, first: int) -> Any:
    import numpy as np

    moved: dict[str, Any] = {}
    for field in ("rows", "row_weights"):
        rows: Any = getattr(state, field, ())
        if len(rows):
            few = (first + state.n) * len(rows) <= KEPT * state.n
            moved[field] = np.column_stack([rows[:, :1] + first, rows[:, 1:]])[: len(rows) * few]
    if not moved:
        return state
    groups = {key: _moved(own, first) for key, own in state.groups.items()}
    return replace(state, groups=groups, **moved)
