"""Rows of single items beside counts of labels."""

from collections.abc import Mapping
from typing import Any

__all__ = ["renumbered"]


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
