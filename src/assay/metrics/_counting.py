"""What count_labels and count_scores share: weights, exact sums by key, groups."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.ops.columns import as_array
from assay.ops.exact import add_limbs
from assay.ops.groups import group_codes

__all__ = ["by_groups", "checked_weights", "item_ids", "keyed_limbs", "label_of", "labels_of"]
__all__ += ["one_column", "refuse_scores", "same_kind"]

Array = npt.NDArray[Any]

SPAN = 1 << 16  # codes below this are counted, not sorted


def checked_weights(weights: Any, n: int, *, negative: bool = True) -> Array | None:
    """Finite float64 [n]."""
    if weights is None:
        return None
    array = as_array(weights, "weights")
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise InputError(f"weights must be {n} numbers, got {array.dtype} of shape {array.shape}")
    array = array.astype(np.float64)
    bad: Array = ~np.isfinite(array) if negative else ~((array >= 0) & np.isfinite(array))
    if bad.any():
        row = int(np.argmax(bad))
        rule = "finite" if negative else "finite and at least 0"
        raise InputError(f"weights[{row}] must be {rule}, got {array[row]}")
    return array


def item_ids(items: bool, ids: Any, n: int) -> Array | None:
    """int64 [n], different; None where no rows of items are kept."""
    if not items:
        if ids is not None:
            raise InputError("ids go with items=True")
        return None
    array = np.arange(n) if ids is None else as_array(ids, "ids")
    if array.shape != (n,) or (n and array.dtype.kind not in "iu"):
        raise InputError(f"ids must be {n} integers, got {array.dtype} of shape {array.shape}")
    if np.unique(array).size != n:
        raise InputError("ids must differ from each other; one occurs twice")
    return array.astype(np.int64)


def label_of(label: Any) -> Any:
    """A label as a Python int or str, None as it is."""
    label = label.item() if isinstance(label, np.generic) else label
    label = int(label) if isinstance(label, bool) else label
    if label is not None and not isinstance(label, (int, str)):
        raise InputError(f"a label must be an integer or a string, got {label!r}")
    return label


def labels_of(labels: Any) -> list[Any]:
    """Labels that are declared, different."""
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise InputError(f"labels must be several, got {labels!r}")
    found = [label_of(label) for label in labels]
    if len({*found}) < len(found):
        raise InputError(f"labels must differ from each other, got {found}")
    if len({isinstance(label, str) for label in found}) > 1:
        raise InputError(f"labels must be all integers or all strings, got {found}")
    return found


def same_kind(positive: Any, labels: Sequence[Any]) -> None:
    """The positive label is a string if labels are."""
    if positive is not None and labels and isinstance(positive, str) != isinstance(labels[0], str):
        raise InputError(f"positive: {positive!r} is of another type than the label {labels[0]!r}")


def one_column(what: str, column: Array) -> None:
    """Rows of one value are a column that was not meant to be two-dimensional."""
    if column.ndim == 2 and column.shape[1] == 1:
        raise InputError(f"{what} has shape {column.shape}; give the column itself, {what}[:, 0]")


def refuse_scores(score: Array) -> None:
    """An InputError with the first row that is not finite."""
    bad = ~np.isfinite(score).all(axis=tuple(range(1, score.ndim)))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"score[{row}] is {score[row].tolist()}; drop that row or mend it")


def keyed_limbs(codes: Array, weights: Array | None) -> dict[tuple[int, int], int]:
    """(code, limb) -> limb of the exact sum of weights; of each code its number of items in limb 0
    where there are no weights."""
    if codes.size and codes.max() < SPAN:
        there = np.bincount(codes) > 0
        used, place = np.flatnonzero(there), (np.cumsum(there) - 1)[codes]
    else:
        used, place = np.unique(codes, return_inverse=True)
    if weights is None:
        counts = np.bincount(place.reshape(-1), minlength=len(used))
        return {(int(code), 0): int(c) for code, c in zip(used, counts, strict=True)}
    limbs = add_limbs(weights, place.reshape(-1), len(used))
    found = {(int(code), 0): 0 for code in used}  # a sum of 0 is there too
    for row, limb in zip(*np.nonzero(limbs), strict=True):
        found[int(used[row]), int(limb)] = int(limbs[row, limb])
    return found


def by_groups(
    count: Callable[..., Any], by: Mapping[str, Any], n: int, columns: tuple[Array, ...],
    weights: Array | None, ids: Array | None, **options: Any,
) -> Any:  # fmt: skip
    """The state of all items, with that of each group of the `by` columns."""
    if not isinstance(by, Mapping):
        raise InputError(f"by must be a mapping of names to columns, got {type(by).__name__}")
    keys, codes = group_codes(by, n)
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes, minlength=len(keys))
    ends = np.cumsum(sizes)
    groups = {}
    for key, start, end in zip(keys, ends - sizes, ends, strict=True):
        rows = order[start:end]
        own = None if weights is None else weights[rows]
        kept = {} if ids is None else {"items": True, "ids": ids[rows]}
        groups[key] = count(*(column[rows] for column in columns), weights=own, **kept, **options)
    kept = {} if ids is None else {"items": True, "ids": ids}
    whole = count(*columns, weights=weights, **kept, **options)
    return replace(whole, groups=groups, by=tuple(by))
