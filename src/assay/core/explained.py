"""Rows of single items as people look at them: what went wrong, in columns that JSON can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError

__all__ = ["Explained", "worst"]

Kind = Literal["transcripts", "rankings", "labels"]


@dataclass(frozen=True, eq=False)
class Explained:
    """n items of one kind.

    columns: name -> n values: texts, numbers, None, lists of them; which ones says the function
    that made them. groups: name -> n texts, to filter by. weight float64 [n]: how bad an item is;
    the worst come first. facts: what is true of all of them. total: how many items there were,
    also those that are not here.
    """

    kind: Kind
    columns: Mapping[str, Sequence[Any]]
    weight: npt.NDArray[np.float64]
    total: int
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.weight)


def worst(parts: Sequence[Explained], most: int) -> Explained:
    """Parts of one kind as one; of more than `most` items the worst, in the order they came in.
    The facts are those of the first. InputError of none, or of different kinds or columns.

    >>> part = Explained("labels", {"id": ["a", "b"]}, np.array([0.0, 1.0]), 2)
    >>> both = worst([part, part], 3)
    >>> both.columns["id"], both.total
    (['a', 'b', 'b'], 4)
    """
    shapes = {(part.kind, *part.columns, *part.groups) for part in parts}
    if len(shapes) != 1:
        raise InputError(f"worst: parts must be of one kind and columns, got {len(shapes)} kinds")
    weight = np.concatenate([part.weight for part in parts])
    kept = np.sort(np.argsort(-weight, kind="stable")[:most])

    def column(values: Sequence[Sequence[Any]]) -> list[Any]:
        whole = [value for own in values for value in own]
        return whole if len(kept) == len(whole) else [whole[row] for row in kept.tolist()]

    first = parts[0]
    return replace(
        first,
        columns={name: column([part.columns[name] for part in parts]) for name in first.columns},
        groups={name: column([part.groups[name] for part in parts]) for name in first.groups},
        weight=weight[kept],
        total=sum(part.total for part in parts),
    )
