"""Items of two systems, matched by id."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.resampling import Items, RankedItems

__all__ = ["matched"]


def matched(metric: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Both with their items in the order of a's; an InputError where they are not the same."""
    if type(a) is not type(b) or not isinstance(a, (Items, RankedItems)):
        raise InputError(f"compare: {metric} of a and b must have single items on both sides")
    if a.ids is None or b.ids is None:
        raise InputError(
            f"compare: the items of {metric} have no ids to match them by; count with items=True"
        )
    order = _order(a.ids, b.ids)
    b = _taken(b, order) if order is not None else b
    _check_truth(a, b)
    return a, b


def _order(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Where the items of a stand in b; None where they stand alike."""
    if np.array_equal(a, b):
        return None
    for one, other, name in ((a, b, "a"), (b, a, "b")):
        if (only := np.setdiff1d(one, other)).size:
            raise InputError(
                f"compare: {only.size} of {len(one)} items are in {name} only, first id {only[0]}; "
                "both need the same items"
            )
    sorter = np.argsort(b)
    return np.asarray(sorter[np.searchsorted(b, a, sorter=sorter)])


def _taken(items: Any, order: npt.NDArray[np.int64]) -> Any:
    """The items in another order."""
    names = ("columns", "truth") if isinstance(items, Items) else ("positive", "score")
    columns = {name: getattr(items, name) for name in ("ids", *names, "weight")}
    return replace(items, **{k: v[order] for k, v in columns.items() if v is not None})


def _check_truth(a: Any, b: Any) -> None:
    if (a.weight is None) != (b.weight is None):
        raise InputError("compare: the items of one of a and b have weights; count both alike")
    if a.weight is not None and (other := np.flatnonzero(a.weight != b.weight)).size:
        first = other[0]
        raise InputError(
            f"compare: {other.size} of {len(a.ids)} items have other weights in a and b: item "
            f"{a.ids[first]} has {a.weight[first]:g} and {b.weight[first]:g}"
        )
    truths = [x.truth if isinstance(x, Items) else x.positive for x in (a, b)]
    if truths[0] is None or truths[1] is None:
        return
    differs = truths[0] != truths[1]
    wrong = np.flatnonzero(differs.any(axis=1) if differs.ndim > 1 else differs)
    if wrong.size:
        first = wrong[0]
        raise InputError(
            f"compare: {wrong.size} of {len(a.ids)} items are not the same in a and b: item "
            f"{a.ids[first]} has {truths[0][first]} and {truths[1][first]} as its truth (its "
            "length or label); are these the same references?"
        )
